"""Claims about how far embedding tables collapse (Section 3, Section 5.4, Appendix I)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from collapse.analysis.dynamics import history
from collapse.analysis.settings import PAPER
from collapse.paper.findings.claim import Claim, Expected, Sample, claim, columns
from collapse.paper.findings.runs import Runs
from collapse.paper.printed_values import read_printed
from collapse.paper.recipes import EQUAL_STEPS
from collapse.study.study import StudyRun

_FRACTIONS = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Fractions of Table 2."""
_OF_TABLE_2 = 4
"""The size in Table 2 that also has ME, relative to the base size."""


@claim(
    source="Section 3, Figure 2",
    effect="IA / random of the enlarged DCNv2, mean over the fields (verdicts begin below 0.6)",
    expected=Expected(high=0.6),
    otherwise="more training steps, or a larger K; see collapse-grows-along-training, degree-grows-with-size",
)
def far_below_random(runs: Runs) -> Sample:
    """The information abundance of an enlarged model's tables lies far below that of random ones.

    Far is where this package's verdicts begin: below 0.6 of random.
    """
    if runs.profile.largest == 1:
        return Sample(frames=[])
    found = runs.of(runs.profile.single("dcnv2", runs.profile.largest))
    frames = [columns(run.fields(PAPER), "field", value="ia_normalised") for (run,) in found]
    return Sample(frames=frames, note=_collapsed([run for (run,) in found]) if found else "")


@claim(
    source="Appendix I, Figure 15",
    effect="slope of IA / random of DCNv2 by log2 K, that is, per doubling of K",
    expected=Expected(high=0),
)
def degree_grows_with_size(runs: Runs) -> Sample:
    """The larger the embedding size K, the further below random the tables lie."""
    models = [runs.profile.single("dcnv2", factor) for factor in runs.profile.multiples]
    sizes = np.log2([model.embedding_size for model in models])
    frames = []
    for of_seed in runs.of(*models) if len(models) > 1 else []:
        by_size = pd.concat([run.fields(PAPER).set_index("field")["ia_normalised"] for run in of_seed], axis=1)
        slopes = np.polyfit(sizes, by_size.to_numpy().T, 1)[0]
        frames.append(pd.DataFrame({"value": slopes}, index=by_size.index))
    return Sample(frames=frames)


def _printed(fraction: float, variant: str) -> float:
    table = read_printed("abundance")
    row = (table["train_share"] == fraction) & (table["factor"] == _OF_TABLE_2) & (table["variant"] == variant)
    return float(table.loc[row, "printed"].item())


def _printed_gain(fraction: float) -> float:
    return _printed(fraction, "ME") - _printed(fraction, "SE")


@claim(
    source="Section 5.4, Table 2",
    effect="mean IA of DCNv2 at 4x on all rows minus that on a tenth of them",
    expected=Expected(high=0),
    paper={"criteo": lambda: f"{_printed(1, 'SE') - _printed(0.1, 'SE'):+.2f} on Criteo"},
    otherwise="enough rows for a tenth of them to train most of the tables' rows",
)
def more_data_does_not_help_large_tables(runs: Runs) -> Sample:
    """The information abundance of a large model falls with the data, at equal epochs."""
    model = runs.profile.single("dcnv2", _OF_TABLE_2)
    return Sample(frames=abundance_difference(runs.at((model, 1.0), (model, EQUAL_STEPS))))


@claim(
    source="Section 5.4, Table 2, at equal steps",
    effect="mean IA of DCNv2 at 4x on all rows minus that on a tenth of them, after as many steps",
    expected=Expected(high=0),
    otherwise="more steps; at equal epochs a tenth of the rows has a tenth of the steps",
)
def more_data_does_not_help_at_equal_steps(runs: Runs) -> Sample:
    """The information abundance of a large model falls with the data, at equal steps."""
    found = runs.at_equal_steps(runs.profile.single("dcnv2", _OF_TABLE_2), EQUAL_STEPS)
    histories = [tuple(history(run.checkpoint) for run in pair) for pair in found]
    frames, steps = [], []
    for pair in histories:
        # Either may have stopped earlier: use the last step that both have.
        steps.append(min(int(each["step"].max()) for each in pair))
        all_rows, tenth = (_abundance_at(each, steps[-1]) for each in pair)
        frames.append((all_rows - tenth).to_frame("value"))
    return Sample(frames=frames, note=f"after {min(steps):,} steps" if steps else "")


def _abundance_at(measurements: pd.DataFrame, step: int) -> "pd.Series[float]":
    """Return IA by field at the measurement that is nearest to a step."""
    nearest = (measurements["step"] - step).abs().min()
    at_nearest = measurements[(measurements["step"] - step).abs() == nearest].drop_duplicates("field", keep="last")
    ia: pd.Series[float] = at_nearest.set_index("field")["ia"]
    return ia


@claim(
    source="Section 5.4, Table 2",
    effect="mean IA of ME minus that of SE of DCNv2 at 4x, at every fraction of the rows",
    expected=Expected(low=0),
    paper={"criteo": lambda: f"{min(map(_printed_gain, _FRACTIONS)):+.2f} at least on Criteo"},
)
def sets_help_at_every_share(runs: Runs) -> Sample:
    """Multi-embedding has the higher information abundance, however much data there is."""
    models = (runs.profile.multi("dcnv2", _OF_TABLE_2), runs.profile.single("dcnv2", _OF_TABLE_2))
    found = runs.at(*((model, fraction) for model in models for fraction in runs.profile.fractions))
    fractions = list(runs.profile.fractions)
    n = len(fractions)
    if n == 1:
        return Sample(frames=[])
    means = [[float(run.fields(PAPER)["ia"].mean()) for run in of_seed] for of_seed in found]
    frames = [pd.DataFrame({"value": np.subtract(of[:n], of[n:])}, index=fractions) for of in means]
    above = pd.concat(frames, axis=1).mean(axis=1) if frames else pd.Series(dtype=float)
    note = ", ".join(f"{value:+.2f} at {fraction:.0%}" for fraction, value in above.items())
    return Sample(frames=frames, kind="every", unit="fractions of the rows", note=note)


def abundance_difference(found: list[tuple[StudyRun, ...]], measure: str = "ia") -> list[pd.DataFrame]:
    """Return the difference of the first and the second run by field, one table per initialisation."""
    frames = []
    for first, second in found:
        values = [run.fields(PAPER).set_index("field")[measure] for run in (first, second)]
        frames.append((values[0] - values[1]).to_frame("value"))
    return frames


def _collapsed(runs: Sequence[StudyRun]) -> str:
    degrees = [run.fields(PAPER)["degree"] for run in runs]
    counts = [int((degree == "collapsed").sum()) for degree in degrees]
    least, most = min(counts), max(counts)
    return f"{f'{least} to {most}' if least < most else most} of {len(degrees[0])} fields are collapsed"


CLAIMS: tuple[Claim, ...] = (
    far_below_random,
    degree_grows_with_size,
    more_data_does_not_help_large_tables,
    more_data_does_not_help_at_equal_steps,
    sets_help_at_every_share,
)
