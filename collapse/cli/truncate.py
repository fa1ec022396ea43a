"""`collapse truncate`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from tqdm import tqdm

from collapse.cli.columns import echo_table
from collapse.cli.foreign import foreign_options
from collapse.cli.options import BITS, CHECKPOINT, verify_option
from collapse.cli.output import suggest, wrapped
from collapse.errors import CollapseError
from collapse.files.urls import Url
from collapse.printable import path_text, shown_name

if TYPE_CHECKING:
    import pandas as pd

    from collapse.io.low_rank import Truncated
    from collapse.io.readers.selection import Selection
    from collapse.io.tables import TableSet
    from collapse.training.runs.metrics import Evaluation
    from collapse.training.runs.paired import Difference

_MB = 1e6


@click.command(name="truncate", context_settings={"show_default": True})
@click.argument("checkpoint", type=CHECKPOINT, metavar="CKPT")
@click.option(
    "--energy",
    "energies",
    type=float,
    multiple=True,
    default=(0.99,),
    metavar="FRACTION",
    help="Keep the fewest directions that hold this fraction of a table's energy. Repeat it to compare several.",
)
@click.option(
    "--bits",
    "bits",
    type=click.Choice(list(BITS)),
    multiple=True,
    default=("32",),
    help="Store rows in this many bits per number: 32 keeps the table's type, 16 is float16, 8 and 4 are codes "
    "with a "
    "scale and a bias per row, as FBGEMM stores them. Repeat it to compare several.",
)
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the truncated tables, as pairs of factors, to this file.",
)
@click.option(
    "--figure",
    "figure",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="With --data, draw bytes and test AUC with the Pareto front into this folder.",
)
@click.option(
    "--data",
    metavar="NAME|DIR",
    help="Test the model before and after on the data that it was trained on (only checkpoints of collapse "
    "train).",
)
@click.option("--device", default="auto", help="Test on this device: auto, cpu, cuda or cuda:1.")
@foreign_options
@verify_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    checkpoint: Path | Url,
    energies: tuple[float, ...],
    bits: tuple[str, ...],
    out: Path | None,
    figure: Path | None,
    data: str | None,
    device: str,
    selection: "Selection",
    verify: bool,
    as_json: bool,
) -> None:
    """Cut tables to their strongest directions.

    Each table of D rows and K columns is replaced by its best approximation of rank k, the product of two factors
    of D x k and k x K, where k is the smallest rank that keeps a fraction of the energy (the sum of the squared
    singular values). --bits rounds the rows of the first factor as well; --energy 1 --bits 8 rounds alone. The
    command prints the directions kept and the bytes saved for each field. With --data, it also prints the test AUC
    and logloss before and after, and a 95 % interval of their differences from a paired bootstrap of the test
    rows. If the interval contains 0, the rows cannot tell. Several energies and bits are compared in one table,
    which marks the Pareto front: what no other choice beats in both bytes and AUC. The checkpoint is not changed.

    \b
    The file of -o is a plain torch file, which torch.load(weights_only=True) reads:
      tables: a list with one entry per field and set: field, set, k, energy, and
              left (D, k) and right (k, K), for an nn.Embedding and an nn.Linear without bias,
              or table (D, K) if the factors would not be smaller; with 8 or 4 bits also bits and
              columns, and left or table is uint8: codes, scale and bias of each row
    If its name ends in .safetensors, it holds tensors named FIELD.SET.left and so on, and torch
    need not be installed. `collapse analyze` reads both.

    \b
    Examples:
      collapse truncate runs/first/best.pt --data flights collapse truncate runs/first/best.pt --energy 0.9
      --energy 0.99 --energy 0.999 --data flights collapse truncate runs/first/best.pt --energy 1 --energy 0.95
      --bits 32 --bits 8 --data flights --figure pareto collapse truncate DCNv2_Criteo.model --energy 0.99 --bits 8
      -o small.pt collapse truncate DCNv2_Criteo.model --energy 0.99 -o small.safetensors
    """
    from collapse.analysis.truncation import by_field, spectra_of_sets, truncate
    from collapse.files.atomic import check_can_be_written
    from collapse.io.load import load
    from collapse.io.low_rank import check_can_write, save_factors

    choices = [(energy, BITS[each]) for energy in dict.fromkeys(energies) for each in dict.fromkeys(bits)]
    if out is not None and len(choices) > 1:
        raise CollapseError("-o writes one truncation: give --energy and --bits only once")
    if figure is not None and data is None:
        raise CollapseError("--figure draws the test AUC: give the --data that the model was trained on")
    if (
        out is not None
        and out.exists()
        and isinstance(checkpoint, Path)
        and checkpoint.exists()
        and out.samefile(checkpoint)
    ):
        raise CollapseError(f"{out} is the checkpoint itself: choose another -o")
    if out is not None:
        check_can_write(out)
        check_can_be_written(out)
    tables = load(checkpoint, verify=verify, selection=selection)
    if data is None:
        tested = None
    elif isinstance(checkpoint, Url):
        raise CollapseError(f"--data needs a checkpoint on this machine: copy {checkpoint} first")
    else:
        tested = _Tested(checkpoint, data, device)
    spectra = spectra_of_sets(tables)
    found = []
    for energy, stored in tqdm(choices, unit="truncations", leave=False, disable=None):
        cut = list(truncate(tables, energy, spectra, bits=stored))
        fields = by_field(cut)
        found.append(_Cut(energy=energy, bits=stored, fields=fields, test=tested.after(cut) if tested else None))
        if out is not None:
            save_factors(out, cut, source=tables, energy=energy)
    table = None if tested is None else _table(found, tested)
    if as_json:
        click.echo(json.dumps(_plain(found, tested, table), indent=2, allow_nan=False))
    elif len(found) == 1:
        _show(found[0], by_field=True)
        if tested is not None and found[0].test is not None:
            click.echo(tested.sentence(found[0].test))
    elif table is None or tested is None:
        for each in found:
            _show(each, by_field=False)
    else:
        click.echo(
            f"test AUC {tested.before.auc:.5f}, logloss {tested.before.logloss:.5f} of {tested.rows:,} rows"
        )
        _show_comparison(table)
    if figure is not None and table is not None and tested is not None:
        from collapse.analysis.several import readable
        from collapse.figures.pareto import ParetoDisplay

        drawn = table.assign(
            label=readable(tables.name), auc_before=tested.before.auc, rows=tested.rows, data=data
        )
        for path in ParetoDisplay(drawn).save(figure):
            click.echo(f"wrote {path}", err=as_json)
    if out is not None:
        click.echo(f"wrote {out}", err=as_json)
    if not as_json:
        suggest("collapse", *_next(checkpoint, tables, data, out, selection))


def _next(
    checkpoint: Path | Url, tables: "TableSet", data: str | None, out: Path | None, selection: "Selection"
) -> list[str]:
    """Return what follows: the cost in AUC, writing the file, or analysing it."""
    if out is not None:
        return ["analyze", path_text(out)]
    known = tables.settings.get("data")
    if data is None and known and isinstance(checkpoint, Path):
        return ["truncate", path_text(checkpoint), "--data", known]
    return ["truncate", path_text(checkpoint), *selection.words, "-o", "truncated.safetensors"]


@dataclass(frozen=True, kw_only=True)
class _Cut:
    """One truncation with its test results."""

    energy: float
    bits: int | None
    fields: "pd.DataFrame"
    test: "_After | None"

    @property
    def bytes(self) -> int:
        """Size of all tables."""
        return int(self.fields["bytes_after"].sum())


class _Tested:
    """Tests a model before and after its tables are cut."""

    def __init__(self, path: Path, data: str, device: str) -> None:
        from collapse.training.runs.reevaluation import Reevaluator

        self._model = Reevaluator(path, data, device)
        self._predictions = self._model.predict({})
        self.rows = len(self._predictions.labels)
        self.before = self._predictions.evaluation

    def after(self, cut: "list[Truncated]") -> "_After":
        """Test with the cut tables in place of the whole ones."""
        from collapse.training.runs.paired import paired_differences

        # The truncations are in the order of the fields, with one per set.
        numbers = {field: i for i, field in enumerate(dict.fromkeys(each.field for each in cut))}
        now = self._model.predict({(numbers[each.field], each.set): each.table for each in cut})
        return _After(evaluation=now.evaluation, differences=paired_differences(self._predictions, now))

    def sentence(self, after: "_After") -> str:
        """Return one line per metric."""
        return "\n".join(
            f"test {words:8s} {getattr(self.before, name):.5f} -> {getattr(after.evaluation, name):.5f} "
            f"({found.value:+.5f}, 95 % interval {found.low:+.5f} to {found.high:+.5f}"
            f"{'' if found.is_significant else ': cannot tell'}; {self.rows:,} rows)"
            for name, words in (("auc", "AUC"), ("logloss", "logloss"))
            for found in (after.differences[name],)
        )


@dataclass(frozen=True, kw_only=True)
class _After:
    """Test results after the tables were cut."""

    evaluation: "Evaluation"
    differences: "Mapping[str, Difference]"

    def plain(self) -> dict[str, Any]:
        """Return the values for JSON."""
        return {
            **asdict(self.evaluation),
            "change": {name: asdict(each) for name, each in self.differences.items()},
        }


def _table(found: "Sequence[_Cut]", tested: "_Tested") -> "pd.DataFrame":
    """Return one row per truncation: what it costs, what it loses, and whether it is on the Pareto front."""
    import pandas as pd

    from collapse.analysis.truncation import pareto_front

    frame = pd.DataFrame(
        [
            {
                "energy": each.energy,
                "bits": each.bits or 32,
                "directions": int(each.fields["kept"].sum()),
                "bytes": each.bytes,
                **{
                    f"{name}{part}": getattr(each.test.differences[name], value)
                    for name in ("auc", "logloss")
                    for part, value in (("_change", "value"), ("_low", "low"), ("_high", "high"))
                },
            }
            for each in found
            if each.test is not None
        ]
    )
    return frame.assign(
        auc=tested.before.auc + frame["auc_change"],
        on_front=pareto_front(frame["bytes"].tolist(), frame["auc_change"].tolist()),
    )


def _show_comparison(table: "pd.DataFrame") -> None:
    def interval(name: str) -> "pd.Series[str]":
        return table.apply(
            lambda row: f"{row[f'{name}_change']:+.5f} ({row[f'{name}_low']:+.5f} to {row[f'{name}_high']:+.5f})",
            axis=1,
        )

    shown = table.assign(
        energy=table["energy"].map("{:.4g}".format),
        directions=table["directions"].map("{:,}".format),
        MB=(table["bytes"] / _MB).map("{:,.3f}".format),
        **{"AUC (95 % interval)": interval("auc"), "logloss (95 % interval)": interval("logloss")},
        front=table["on_front"].map({True: "yes", False: ""}),
    ).sort_values("bytes", ascending=False, kind="stable")
    columns = ["energy", "bits", "directions", "MB", "AUC (95 % interval)", "logloss (95 % interval)", "front"]
    text = shown[columns].astype(str)
    echo_table(text, ["bits", "directions", "logloss (95 % interval)"])


def _show(cut: _Cut, *, by_field: bool) -> None:
    fields = cut.fields
    before, after = int(fields["bytes_before"].sum()), int(fields["bytes_after"].sum())
    kept, columns = int(fields["kept"].sum()), int(fields["columns"].sum())
    stored = "" if cut.bits is None else f" in {cut.bits} bits"
    line = (
        f"{cut.energy:.4g} of the energy{stored}: {kept:,} of {columns:,} directions; "
        f"{before / _MB:,.3f} MB -> {after / _MB:,.3f} MB, {1 - after / before:.1%} saved"
    )
    if not by_field:
        click.echo(wrapped(line))
        return
    shown = fields.sort_values(["saved", "kept"], ascending=[False, True], kind="stable")
    text = shown.assign(
        cardinality=shown["cardinality"].map("{:,}".format),
        energy=shown["energy"].map("{:.2%}".format),
        saved=shown["saved"].map("{:.0%}".format),
        **{name: shown[name].map("{:,}".format) for name in ("bytes_before", "bytes_after")},
    ).rename(columns={"cardinality": "D", "columns": "K", "bytes_before": "bytes", "bytes_after": "after"})
    text["field"] = [shown_name(name) for name in text["field"]]
    click.echo(f"{wrapped(line)}\n")
    echo_table(text, ["D", "energy", "bytes", "K"])
    click.echo()


def _plain(found: "Sequence[_Cut]", tested: "_Tested | None", table: "pd.DataFrame | None") -> dict[str, Any]:
    from collapse.analysis.json_report import records

    before = None if tested is None else {"rows": tested.rows, **asdict(tested.before)}
    on_front = [None] * len(found) if table is None else [bool(each) for each in table["on_front"]]
    cuts = [
        {
            "energy": each.energy,
            "bits": each.bits or 32,
            "bytes": each.bytes,
            "fields": records(each.fields),
            "test": None if each.test is None else each.test.plain(),
            "on_pareto_front": front,
        }
        for each, front in zip(found, on_front, strict=True)
    ]
    return {"test_before": before, "cuts": cuts}
