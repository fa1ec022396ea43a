"""Claims about the effect of feature interaction on collapse and AUC (Section 4)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from collapse.analysis.interaction_patterns import interaction_patterns
from collapse.analysis.settings import PAPER
from collapse.analysis.sub_embeddings import Correlation, Side, co_influence, sub_embedding_abundance
from collapse.analysis.toy_experiment import toy_experiment
from collapse.paper.auc import printed_auc
from collapse.paper.findings.auc_rows import row_variance
from collapse.paper.findings.claim import Claim, Expected, Sample, Treatment, claim, columns, pearson
from collapse.paper.findings.runs import Runs
from collapse.paper.findings.spectra import abundance_difference
from collapse.study.study import StudyRun
from collapse.training.models.config import ModelConfig

_ENLARGED = 10
"""Enlargement in the paper, relative to the base size."""
LEAST_AUC_DIFFERENCE = 0.001
"""Smallest gain of AUC that counts; the paper's gains are of this size."""


def printed_gain(variant: str, *models: str) -> dict[str, str | Callable[[], str]]:
    """Return the mean gain in test AUC of models from 1x to 10x in the paper, by data set."""

    def on(order: int) -> str:
        table = printed_auc("table-1")
        table = table[(table["order"] == order) & table["model"].isin(models)]
        largest = table[(table["factor"] == _ENLARGED) & (table["variant"] == variant)]
        return f"{largest['printed_gain'].mean():+.5f} on {largest['printed_data'].iloc[0]}"

    return {"criteo": partial(on, 0), "avazu": partial(on, 1)}


def regularisation(runs: Runs) -> Treatment | None:
    """Return the distances of both models' projections from unitary ones, which regularisation should reduce."""
    found = runs.of(_regularised(runs), runs.profile.single("dcnv2", runs.profile.largest))
    return treated(
        [tuple(patterns(run)["unitary_distance"].mean() for run in pair) for pair in found],
        "mean unitary distance",
    )


def treated(pairs: Sequence[tuple[float, ...]], measure: str) -> Treatment | None:
    """Return the effect of a treatment, from its measure with and without it in every initialisation."""
    if not pairs:
        return None
    with_it, without = np.mean(pairs, axis=0)
    return Treatment(measure=measure, treated=float(with_it), plain=float(without))


def patterns(run: StudyRun) -> pd.DataFrame:
    """Return the norm and unitary distance of every projection of a run, from disk if stored."""
    return run.cached_result("patterns", {"layer": 0}, lambda: interaction_patterns(run.tables))


def influence(run: StudyRun, by: Side) -> tuple[pd.DataFrame, Correlation]:
    """Return a run's IA(E) and sums of sub-embeddings' abundances by field, and their correlation."""
    settings = {"layer": 0}
    pairs = run.cached_result("sub-embeddings", settings, lambda: sub_embedding_abundance(run.factored(PAPER)))
    sums, correlation = co_influence(pairs, by)
    return columns(sums, "field", ia="ia", sum="sum"), correlation


def _co_influence(runs: Runs, by: Side) -> Sample:
    found = [influence(run, by) for (run,) in runs.of(runs.profile.single("dcnv2"))]
    of_each = [(each.spearman, each.pearson_off_diagonal, each.spearman_off_diagonal) for _, each in found]
    note = (
        "Spearman {:.2f}; without i = j Pearson {:.2f}, Spearman {:.2f}".format(*np.mean(of_each, axis=0))
        if of_each
        else ""
    )
    return Sample(frames=[sums for sums, _ in found], statistic=pearson, note=note)


@claim(
    source="Evidence I, Figures 3a and 3b",
    effect="Pearson's r of IA(E_i) and sum_j IA(E_i->j)",
    expected=Expected(low=0),
)
def sub_embeddings_follow_their_field(runs: Runs) -> Sample:
    """The information abundance of sub-embeddings rises with that of the field that they are projected from."""
    return _co_influence(runs, "source")


@claim(
    source="Evidence I, Figures 3a and 3c",
    effect="Pearson's r of IA(E_j) and sum_i IA(E_i->j)",
    expected=Expected(low=0),
    paper={"criteo": "0.68 on Criteo (Figure 9)"},
    otherwise="the paper's base size K = 10, and more steps; see influence-of-partners-grows-along-training",
)
def sub_embeddings_follow_their_partner(runs: Runs) -> Sample:
    """The information abundance of sub-embeddings rises with that of the field that they interact with."""
    return _co_influence(runs, "target")


@claim(
    source="Evidence II, Figure 4, Appendix G",
    effect="IA(E_1) after training, D_3 = 3 minus D_3 = 100",
    expected=Expected(high=0),
    of_data=False,
)
def a_low_rank_partner_lowers_abundance(_: Runs) -> Sample:
    """Interacting with a low-rank field lowers a table's information abundance."""
    last = toy_experiment().sort_values("iteration").groupby(["case", "seed"])["ia"].last()
    differences = last["small"] - last["large"]
    frames = [pd.DataFrame({"value": [each]}) for each in differences]
    note = f"{last['small'].mean():.2f} and {last['large'].mean():.2f} of K = 10"
    return Sample(frames=frames, unit="", note=note)


@claim(
    source="Evidence III, Figure 5a",
    effect="IA of regularised minus that of standard DCNv2, enlarged, mean over the fields",
    expected=Expected(low=0),
    treatment=regularisation,
)
def regularising_raises_abundance(runs: Runs) -> Sample:
    """Keeping the projections of DCNv2 near unitary raises the information abundance of its tables."""
    pair = (_regularised(runs), runs.profile.single("dcnv2", runs.profile.largest))
    return Sample(frames=abundance_difference(runs.of(*pair)))


@claim(
    source="Evidence III, Figure 5b",
    effect="test AUC of regularised minus that of standard DCNv2, enlarged",
    expected=Expected(high=LEAST_AUC_DIFFERENCE),
    treatment=regularisation,
    otherwise="room to overfit; on few rows or in few epochs a restriction may help",
)
def regularising_does_not_raise_auc(runs: Runs) -> Sample:
    """Keeping the projections near unitary does not raise the AUC of an enlarged model, by 0.001 or more."""
    pair = (_regularised(runs), runs.profile.single("dcnv2", runs.profile.largest))
    return auc_difference(runs, pair)


@claim(
    source="Evidence IV, Figure 6a",
    effect="IA of DNN minus that of DCNv2, both enlarged, mean over the fields",
    expected=Expected(low=0),
)
def less_interaction_less_collapse(runs: Runs) -> Sample:
    """DNN, which has no explicit interaction, has the higher information abundance of the two."""
    pair = (runs.profile.single("dnn", runs.profile.largest), runs.profile.single("dcnv2", runs.profile.largest))
    return Sample(frames=abundance_difference(runs.of(*pair)))


@claim(
    source="Evidence IV, Figure 6b",
    effect="test AUC of the enlarged DNN minus that at 1x",
    expected=Expected(high=0),
    paper=printed_gain("SE", "dnn"),
)
def auc_of_dnn_falls_with_size(runs: Runs) -> Sample:
    """The larger the embedding size of DNN, the lower its AUC."""
    return auc_difference(runs, (runs.profile.single("dnn", runs.profile.largest), runs.profile.single("dnn")))


def auc_difference(runs: Runs, pair: tuple[ModelConfig, ModelConfig]) -> Sample:
    """Return the first model's test AUC minus the second's."""
    found = runs.of(*pair)
    values = [auc_of(first) - auc_of(second) for first, second in found]
    variance = variance_of_rows([(first, 1 / len(found), second) for first, second in found])
    return Sample(frames=[pd.DataFrame({"value": [value]}) for value in values], unit="", row_variance=variance)


def variance_of_rows(pairs: Sequence[tuple[StudyRun, float, StudyRun]]) -> float:
    """Return the variance that the test rows give to a weighted sum of differences of two runs' AUC."""
    weighted = []
    for first, weight, second in pairs:
        for run, sign in ((first, 1), (second, -1)):
            if run.predictions is None:
                return float("nan")
            weighted.append((sign * weight, run.predictions.labels, run.predictions.logits))
    return row_variance(weighted) if weighted else 0.0


def auc_of(run: StudyRun) -> float:
    """Return a run's test AUC."""
    return float(run.manifest["test"]["auc"])


def _regularised(runs: Runs) -> ModelConfig:
    return runs.profile.single("dcnv2", runs.profile.largest, regularised="lambda")


CLAIMS: tuple[Claim, ...] = (
    sub_embeddings_follow_their_field,
    sub_embeddings_follow_their_partner,
    a_low_rank_partner_lowers_abundance,
    regularising_raises_abundance,
    regularising_does_not_raise_auc,
    less_interaction_less_collapse,
    auc_of_dnn_falls_with_size,
)
