"""`collapse explain`."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.foreign import foreign_options
from collapse.cli.options import rows_option, verify_option

if TYPE_CHECKING:
    from collapse.analysis.choices import Rows
    from collapse.analysis.explanation import Explanation
    from collapse.analysis.readers.roles import Selection

_MANY_ROWS, _PULLS = 0.1, 0.9
_LOOKS = 8


@click.command(name="explain", context_settings={"show_default": True})
@click.argument("checkpoint", type=click.Path(path_type=Path), metavar="CKPT")
@click.argument("field")
@click.option("--partners", type=click.IntRange(min=0), default=5, help="How many partners to show; 0 for all.")
@rows_option
@click.option("--layer", type=click.IntRange(min=0), default=0, help="Layer of the field maps of its partners.")
@foreign_options
@verify_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text, with all partners.")
def command(
    checkpoint: Path,
    field: str,
    partners: int,
    rows: "Rows",
    layer: int,
    selection: "Selection",
    verify: bool,
    as_json: bool,
) -> None:
    """Say why a field of a checkpoint is as collapsed as it is, and what to do.

    \b
    Told are
      its rows       seen in training, near zero, zero; fewer rows than columns bound what it can hold
      its size       the fewest directions that hold 90, 95 and 99 % of its energy: what it fills of its K
      its partners   IA(E_i^{->j}), what the interaction leaves of it before it meets field j (DCNv2, FFM);
                     "of all" is what j leaves of all fields: a low one pulls everybody down
      since when     its abundance by epoch, where `collapse train` kept it

    \b
    Examples:
      collapse explain runs/first/best.pt tailnum
      collapse explain DCNv2_Criteo.model C16 --json
    """
    from collapse.analysis.choices import Choices
    from collapse.analysis.explanation import explain
    from collapse.analysis.factors import factorise
    from collapse.analysis.readers import load

    tables = load(checkpoint, verify=verify, selection=selection)
    found = explain(factorise(tables, Choices(rows=rows, layer=layer)), field)
    if as_json:
        click.echo(json.dumps(_plain(found), indent=2, allow_nan=False))
    else:
        click.echo(_told(found, partners or len(found.partners)))


def _plain(found: "Explanation") -> dict[str, Any]:
    import pandas as pd

    from collapse.cli.printed import records

    (diagnosis,) = records(pd.DataFrame([found.diagnosis]))
    return {
        "field": found.field,
        "diagnosis": diagnosis,
        "rank": found.rank,
        "fields": found.fields,
        "sizes": {f"{share:g}": size for share, size in found.sizes.items()},
        "first_zero": found.first_zero,
        "epoch": found.epoch,
        "partners": records(found.partners),
        "history": records(found.history),
        "advice": _advice(found),
    }


def _told(found: "Explanation", partners: int) -> str:
    of, D, K = found.diagnosis, int(found.diagnosis["cardinality"]), found.columns
    lines = [f"{found.field}: {of['verdict']}"]
    lines += [f"  number {found.rank} of {found.fields} fields, from the most collapsed"]
    lines += ["", "Rows", f"  {D:,} in its table, of {K} columns{_seen(of)}", f"  {_zeros(found)}"]
    sizes = ", ".join(f"{share:.0%} in {size}" for share, size in found.sizes.items())
    lines += ["", "Size", f"  of {K} columns, its energy is {sizes} directions"]
    lines += ["", "Partners", *_partners(found, partners), "", "Since when", *_since(found)]
    lines += ["", "What to do", *(f"  - {each}" for each in _advice(found))]
    return "\n".join(lines)


def _seen(of: Any) -> str:
    import pandas as pd

    return "" if pd.isna(of["rows_seen"]) else f"; {int(of['rows_seen']):,} were looked up in training"


def _zeros(found: "Explanation") -> str:
    of = found.diagnosis
    zero = f"{of['rows_zero']:,} of zeros alone" + (
        "" if found.first_zero is None else f", the first is row {found.first_zero}"
    )
    return f"{of['near_zero']:.0%} near zero, {zero}"


def _partners(found: "Explanation", partners: int) -> list[str]:
    if found.partners.empty:
        return ["  not known: the checkpoint has no interaction weights of DCNv2 or FFM"]
    shown = found.partners.head(partners)
    text = shown.assign(
        ia=shown["ia"].map("{:.2f}".format),
        **{name: shown[name].map("{:.0%}".format) for name in ("left", "of_all", "ia_normalised")},
    ).rename(columns={"ia": "IA", "of_all": "of all", "ia_normalised": "its own IA/random"})
    text["field"] = text["field"].str.ljust(text["field"].str.len().max())
    rest = len(found.partners) - len(shown)
    lines = [f"  {line}".rstrip() for line in text.to_string(index=False, justify="left").splitlines()]
    return [*lines, *([f"  and {rest} more that leave more of it"] if rest else [])]


def _since(found: "Explanation") -> list[str]:
    if found.history.empty:
        return ["  not known: no abundance.csv lies beside the checkpoint (`collapse train` writes it)"]
    looks = found.history
    step = max(1, -(-len(looks) // _LOOKS))
    shown = looks.iloc[::step] if (len(looks) - 1) % step == 0 else looks.iloc[[*range(0, len(looks), step), -1]]
    return [
        f"  epoch {epoch:3.0f}: IA {ia:6.2f}, {share:4.0%} of random"
        + ("  (this checkpoint)" if epoch == found.epoch else "")
        for epoch, ia, share in shown[["epoch", "ia", "ia_normalised"]].to_numpy(float)
    ]


def _advice(found: "Explanation") -> list[str]:
    """Say what follows from the numbers."""
    from collapse.analysis.verdicts import Degree

    of, K = found.diagnosis, found.columns
    is_well = of["degree"] in (Degree.SPREAD, Degree.NOT_JUDGED)
    advice = []
    if is_well:
        advice.append("nothing has to be done: it is not collapsed")
    if of["cardinality"] < K:
        advice.append(f"its {of['cardinality']} rows cannot fill {K} columns: a smaller size costs it nothing")
    if of["near_zero"] >= _MANY_ROWS:
        advice.append(
            "weight decay has shrunk rows that get no gradient: see whether --rows seen finds the same, and merge "
            "rare values"
        )
    pulling = found.partners[found.partners["left"] < _PULLS]
    if len(pulling) and not is_well:
        names = ", ".join(pulling["field"].head(3))
        advice.append(
            f"the interaction with {names} leaves least of it: multi-embedding gives it sets that meet other "
            "fields differently (`collapse train --sets 4`)"
        )
    elif not is_well:
        advice.append("train several sets of a smaller size in place of one (`collapse train --sets 4`)")
    if found.sizes[0.99] < K:
        advice.append(
            f"{found.sizes[0.99]} of {K} directions hold 99 % of it: `collapse truncate` says what the others are "
            "worth"
        )
    return advice
