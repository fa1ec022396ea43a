"""`collapse size`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.columns import echo_table
from collapse.cli.foreign import foreign_options
from collapse.cli.options import BITS, CHECKPOINT, verify_option
from collapse.cli.output import suggest, wrapped
from collapse.errors import CollapseError
from collapse.files.urls import Url
from collapse.printable import path_text, printable, shown_name

if TYPE_CHECKING:
    import pandas as pd

    from collapse.analysis.size_search import Sizes
    from collapse.analysis.sizes import FieldSpectra
    from collapse.io.readers.selection import Selection
    from collapse.io.tables import TableSet
    from collapse.training.runs.paired import Difference

_MB = 1e6
_MOST_ROWS = 50_000
"""Validation rows that the search tests sizes on. The paired error of an AUC over so many is far below 0.001, and
a test of DCNv2 with 31 fields and K = 40 takes a second and a half on two cores."""
_ENERGIES = tuple(1 - 10 ** (-x / 10) for x in range(60, 2, -1))
"""Fractions of the energy that are tried, from 1 - 10^-6 to 0.5, ten per decade of what is lost."""


@click.command(name="size", context_settings={"show_default": True})
@click.argument("checkpoint", type=CHECKPOINT, metavar="CKPT")
@click.option(
    "--energy",
    type=float,
    default=0.99,
    metavar="FRACTION",
    help="Without --data, recommend the fewest columns that hold this fraction of a table's energy.",
)
@click.option(
    "--data",
    metavar="NAME|DIR",
    help="Find the least sizes that keep the AUC, on the data that the model was trained on (only checkpoints of "
    "collapse train).",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=0.5, min_open=True),
    default=0.001,
    metavar="AUC",
    help="With --data, lose at most this much of the validation AUC.",
)
@click.option(
    "--bits",
    type=click.Choice(list(BITS)),
    default="32",
    help="Store rows in this many bits per number, as `collapse truncate` does; 32 keeps the table's type.",
)
@click.option(
    "--write",
    "form",
    type=click.Choice(["yaml", "fuxictr", "torchrec", "nvtabular"]),
    help="Write the sizes to -o in this form: yaml for `collapse train --field-sizes`, or that of a library.",
)
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Write the sizes to this file.")
@click.option("--device", default="auto", help="Test on this device: auto, cpu, cuda or cuda:1.")
@foreign_options
@verify_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(
    checkpoint: Path | Url,
    energy: float,
    data: str | None,
    tolerance: float,
    bits: str,
    form: str | None,
    out: Path | None,
    device: str,
    selection: "Selection",
    verify: bool,
    as_json: bool,
) -> None:
    """Find the embedding size each field needs.

    For each field, the command prints the directions that it uses: those that hold 90, 95 and 99 % of the energy
    (the sum of the squared singular values), those above the bulk of a random table (Marchenko-Pastur), and the
    adjusted abundance. It recommends a size and prints the bytes saved, if each table is stored as two factors of
    that size. All sets of a multi-embedding model get the same size, and sizes are per set.

    Energy is not quality: a direction with little energy may matter. With --data, the command cuts the tables,
    tests the model on validation rows, and cuts the field that loses least AUC per byte next, until the loss would
    exceed --tolerance. The result is compared with one energy for all fields, one size for all fields, and two
    rules of thumb by cardinality. Test AUC and logloss are printed with a 95 % interval from a paired bootstrap of
    the test rows, which the search does not see.

    \b
    Forms of --write:
      yaml        field: size, for `collapse train --field-sizes`
      fuxictr     feature_cols for dataset_config.yaml, with a projection to the common size
      torchrec    arguments of one EmbeddingBagConfig per field, as a JSON list
      nvtabular   cardinality and size by column, as get_embedding_sizes returns them

    \b
    Examples:
      collapse size runs/first/best.pt
      collapse size runs/first/best.pt --data flights --write yaml -o sizes.yaml
      collapse train --embedding-size 40 --field-sizes sizes.yaml
      collapse size DCNv2_Criteo.model --energy 0.95 --write fuxictr -o feature_cols.yaml
    """
    from collapse.analysis.factorised import factorise
    from collapse.analysis.settings import AnalysisSettings
    from collapse.analysis.sizes import field_spectra, size_table
    from collapse.files.atomic import atomic_write, check_can_be_written
    from collapse.files.opening import explain_os_errors
    from collapse.io.load import load

    if not 0 < energy <= 1:
        raise CollapseError(f"energy must be greater than 0 and at most 1, got {energy:g}")
    if not tolerance > 0:
        raise CollapseError(f"tolerance must be greater than 0, got {tolerance:g}")
    if (form is None) != (out is None):
        raise CollapseError("--write and -o belong together: give a form and a file")
    if out is not None:
        check_can_be_written(out)
    if data is not None and isinstance(checkpoint, Url):
        raise CollapseError(f"--data needs a checkpoint on this machine: copy {checkpoint} first")
    tables = load(checkpoint, verify=verify, selection=selection)
    factored = factorise(tables, AnalysisSettings())
    fields = field_spectra(tables, bits=BITS[bits])
    found: list[_Tested] = []
    if data is None:
        sizes = tuple(each.size_for_energy(energy) for each in fields)
    else:
        assert isinstance(checkpoint, Path)
        found = _searched(fields, _Model(checkpoint, data, device, tables, fields), tolerance)
        sizes = found[0].sizes
    frame = size_table(factored, fields, sizes)
    if as_json:
        click.echo(json.dumps(_as_json(frame, found, energy, tolerance, data), indent=2, allow_nan=False))
    else:
        how = f"within {tolerance:g} of the validation AUC" if data else f"for {energy:.4g} of the energy"
        _show(tables, frame, how)
        if found:
            _show_comparison(found)
        else:
            click.echo("energy is not quality: --data measures what a size costs")
    if out is not None and form is not None:
        from collapse.analysis.size_files import FORMS, Recommended

        recommended = Recommended(
            columns=max(each.columns for each in fields),
            fields={each.field: (each.cardinality, size) for each, size in zip(fields, sizes, strict=True)},
        )
        with explain_os_errors("write", out), atomic_write(out) as file:
            file.write(FORMS[form](recommended).encode())
        click.echo(f"wrote {out}", err=as_json)
    if not as_json:
        suggest("collapse", *_next(checkpoint, tables, data, out if form == "yaml" else None, selection))


def _next(
    checkpoint: "Path | Url", tables: "TableSet", data: str | None, sizes: Path | None, selection: "Selection"
) -> list[str]:
    """Return what follows: training with the sizes, their cost in AUC, or writing them to a file."""
    from collapse.analysis.advice import is_own

    known = data or tables.settings.get("data")
    if sizes is not None and known and is_own(tables):
        return ["train", "--model", tables.name, "--data", known, "--field-sizes", path_text(sizes)]
    if data is None and known and isinstance(checkpoint, Path):
        return ["size", path_text(checkpoint), "--data", known]
    with_data = ["--data", data] if data else []
    return ["size", path_text(checkpoint), *with_data, *selection.words, "--write", "yaml", "-o", "sizes.yaml"]


@dataclass(frozen=True, kw_only=True)
class _Tested:
    """Sizes with what they cost."""

    method: str
    sizes: "Sizes"
    bytes: int
    validation_loss: float
    test: "Mapping[str, Difference]"
    is_within: bool


class _Model:
    """Tests a model with tables that are cut."""

    def __init__(
        self, path: Path, data: str, device: str, tables: "TableSet", fields: "Sequence[FieldSpectra]"
    ) -> None:
        from collapse.training.runs.reevaluation import Reevaluator

        self._model, self._tables, self._fields = Reevaluator(path, data, device), tables, fields
        self._known: dict[Sizes, float] = {}
        self._auc = self._model.predict({}, split="validation", most=_MOST_ROWS).evaluation.auc
        self.whole = self._model.predict({})

    def loss(self, sizes: "Sizes") -> float:
        """Return how much validation AUC is lost at some sizes."""
        if sizes not in self._known:
            self._known[sizes] = self._auc - self._validation(sizes)
        return self._known[sizes]

    def _validation(self, sizes: "Sizes") -> float:
        from collapse.analysis.sizes import cut_tables

        cut = cut_tables(self._tables, self._fields, sizes)
        return self._model.predict(cut, split="validation", most=_MOST_ROWS).evaluation.auc

    def tested(self, method: str, sizes: "Sizes", tolerance: float) -> _Tested:
        """Test sizes on the test rows."""
        from collapse.analysis.sizes import cut_tables
        from collapse.training.runs.paired import paired_differences

        after = self._model.predict(cut_tables(self._tables, self._fields, sizes))
        loss = self.loss(sizes)
        return _Tested(
            method=method,
            sizes=sizes,
            bytes=sum(each.bytes(k) for each, k in zip(self._fields, sizes, strict=True)),
            validation_loss=loss,
            test=paired_differences(self.whole, after),
            is_within=loss <= tolerance,
        )


def _searched(fields: "Sequence[FieldSpectra]", model: _Model, tolerance: float) -> list[_Tested]:
    """Search for sizes by measured losses, and test these and others."""
    from collapse.analysis.size_search import least_sizes, least_within
    from collapse.analysis.sizes import RULES

    columns = tuple(each.columns for each in fields)
    least = least_sizes(model.loss, [each.bytes for each in fields], columns, tolerance=tolerance)
    found = [model.tested("measured losses", least, tolerance)]
    by_energy = [tuple(each.size_for_energy(energy) for each in fields) for energy in _ENERGIES]
    if (at := least_within(model.loss, by_energy, tolerance=tolerance)) is not None:
        found.append(model.tested(f"energy {_ENERGIES[at]:.4g}", by_energy[at], tolerance))
    uniform = [tuple(min(k, K) for K in columns) for k in range(max(columns), 0, -1)]
    if (at := least_within(model.loss, uniform, tolerance=tolerance)) is not None:
        found.append(model.tested(f"K = {max(uniform[at])} for all", uniform[at], tolerance))
    for name, (factor, power) in RULES.items():
        sizes = tuple(each.size_by_rule(factor, power) for each in fields)
        found.append(model.tested(name, sizes, tolerance))
    return found


def _show(tables: "TableSet", frame: "pd.DataFrame", how: str) -> None:
    before, after = int(frame["bytes_before"].sum()), int(frame["bytes_after"].sum())
    full = int((frame["columns"] * frame["sets"]).sum())
    kept = int((frame["size"] * frame["sets"]).sum())
    line = (
        f"{tables.name}: {kept:,} of {full:,} columns {how}; "
        f"{before / _MB:,.3f} MB -> {after / _MB:,.3f} MB, {1 - after / before:.1%} saved"
    )
    shown = frame.sort_values(["saved", "size"], ascending=[False, True], kind="stable")
    text = shown.assign(
        field=shown["field"].map(shown_name),
        cardinality=shown["cardinality"].map("{:,}".format),
        ia_adjusted=shown["ia_adjusted"].map("{:.2f}".format),
        saved=shown["saved"].map("{:.0%}".format),
        **{name: shown[name].map("{:,}".format) for name in ("bytes_before", "bytes_after")},
    ).rename(
        columns={
            "cardinality": "D", "columns": "K", "k90": "90 %", "k95": "95 %", "k99": "99 %", "above_bulk": "bulk",
            "ia_adjusted": "adjusted", "bytes_before": "bytes", "bytes_after": "after",
        }
    )  # fmt: skip
    if (frame["sets"] == 1).all():
        text = text.drop(columns="sets")
    click.echo(f"{wrapped(printable(line))}\n")
    echo_table(text, ["bulk", "90 %", "95 %", "adjusted", "99 %", "D", "bytes"])
    click.echo()


def _show_comparison(found: Sequence[_Tested]) -> None:
    import pandas as pd

    def change(each: "Difference") -> str:
        return f"{each.value:+.5f} ({each.low:+.5f} to {each.high:+.5f})"

    frame = pd.DataFrame(
        {
            "sizes by": [each.method for each in found],
            "columns": [f"{sum(each.sizes):,}" for each in found],
            "MB": [f"{each.bytes / _MB:,.3f}" for each in found],
            "validation AUC": [f"{-each.validation_loss:+.5f}" for each in found],
            "test AUC (95 % interval)": [change(each.test["auc"]) for each in found],
            "test logloss (95 % interval)": [change(each.test["logloss"]) for each in found],
            "within": ["yes" if each.is_within else "no" for each in found],
        }
    )
    echo_table(frame, ["columns", "test logloss (95 % interval)", "MB"])


def _as_json(
    frame: "pd.DataFrame", found: Sequence[_Tested], energy: float, tolerance: float, data: str | None
) -> dict[str, Any]:
    from collapse.analysis.json_report import records

    fields = list(frame["field"])
    return {
        "energy": None if data else energy,
        "tolerance": tolerance if data else None,
        "data": data,
        "fields": records(frame),
        "compared": [
            {
                "method": each.method,
                "sizes": dict(zip(fields, each.sizes, strict=True)),
                "bytes": each.bytes,
                "validation_auc_change": -each.validation_loss,
                "test_change": {name: asdict(change) for name, change in each.test.items()},
                "within_tolerance": each.is_within,
            }
            for each in found
        ],
    }
