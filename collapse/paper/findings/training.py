"""What grows during training: our guesses at why a claim may fail on little data, tested."""

import pandas as pd

from collapse.paper.findings.claim import Claim, Expected, Sample, claim
from collapse.paper.findings.runs import Runs

_SOURCE = "ours: a guess, tested"


def _change(runs: Runs, column: str) -> Sample:
    """Return the change of a column of the metrics from the first epoch to the last."""
    found = [run.metrics[column] for run in runs.along(runs.profile.single("dcnv2"))]
    frames = [pd.DataFrame({"value": [of.iloc[-1] - of.iloc[0]]}) for of in found]
    if not found:
        return Sample(frames=frames, unit="")
    first, last = (sum(of.iloc[at] for of in found) / len(found) for at in (0, -1))
    note = f"{first:.2f} to {last:.2f} in {max(map(len, found))} epochs"
    return Sample(frames=frames, unit="", note=note)


@claim(
    source=_SOURCE,
    effect="Pearson's r of IA(E_j) and sum_i IA(E_i->j), last minus first epoch of DCNv2 at 1x",
    expected=Expected(low=0),
)
def influence_of_partners_grows_along_training(runs: Runs) -> Sample:
    """Sub-embeddings come to follow the field that they interact with as training goes on."""
    return _change(runs, "co_influence_target")


@claim(
    source=_SOURCE,
    effect="IA / random, mean over the fields, last minus first epoch of DCNv2 at 1x",
    expected=Expected(high=0),
)
def collapse_grows_along_training(runs: Runs) -> Sample:
    """The longer a model is trained, the further below random its tables lie."""
    return _change(runs, "ia_normalised_mean")


CLAIMS: tuple[Claim, ...] = (influence_of_partners_grows_along_training, collapse_grows_along_training)
