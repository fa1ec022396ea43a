"""`collapse toy`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.analysis.toy_settings import ToySettings
from collapse.cli.options import named, setting_options
from collapse.cli.output import suggest
from collapse.files.csv_cells import csv_text

if TYPE_CHECKING:
    import pandas as pd


@click.command(name="toy")
@setting_options(ToySettings)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Draw Figure 4 into this folder.  [default: only print the results]",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print every measurement as CSV.")
def command(out: Path | None, as_csv: bool, **options: Any) -> None:
    """Run the paper's toy experiment.

    Three fields interact in an FM. E_2 and E_3 are fixed, and E_1 is trained by gradient descent, once with a
    small and once with a large E_3 (Section 4.1, Figure 4, Appendix G). With a small E_3, which has a low rank,
    E_1 collapses. The experiment takes a few seconds on two cores.

    \b
    Examples:
      collapse toy
      collapse toy --seeds 10 --embedding-size 20 --out pictures
      collapse toy --csv > toy.csv
    """
    from collapse.analysis.toy_experiment import toy_experiment

    settings = ToySettings(**named(ToySettings, options))
    frame = toy_experiment(settings)
    if as_csv:
        click.echo(csv_text(frame), nl=False)
    else:
        click.echo(_as_text(frame))
    if out is not None:
        from collapse.paper.making import toy_figure

        for path in toy_figure(frame, settings).save(out):
            click.echo(f"wrote {path}", err=as_csv)
    if not as_csv:
        suggest("collapse", *(["toy", "--out", "pictures"] if out is None else ["reproduce"]))


def _as_text(frame: "pd.DataFrame") -> str:
    ends = frame[frame["iteration"].isin([frame["iteration"].min(), frame["iteration"].max()])]
    lines = [f"IA of a random table of E_1's shape: {frame['ia_random'].iloc[0]:.2f}"]
    for (case, D_3), of_case in ends.groupby(["case", "cardinality_3"], sort=False):
        first, last = (each["ia"] for _, each in of_case.groupby("iteration"))
        lines.append(
            f"{case}: D_3 = {D_3}, IA(E_3) {of_case['ia_3'].mean():.2f}; IA(E_1) from {first.mean():.2f} to "
            f"{last.mean():.2f} (seeds from {last.min():.2f} to {last.max():.2f})"
        )
    return "\n".join(lines)
