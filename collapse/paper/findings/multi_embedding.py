"""Claims about multi-embedding (Sections 5.2 and 5.3)."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from collapse.analysis.diversity import set_diversity
from collapse.analysis.interaction_patterns import divergence
from collapse.analysis.settings import PAPER
from collapse.paper.findings.claim import Claim, Expected, Sample, Treatment, claim, less_pearson
from collapse.paper.findings.interaction import (
    LEAST_AUC_DIFFERENCE,
    auc_of,
    influence,
    patterns,
    printed_gain,
    treated,
    variance_of_rows,
)
from collapse.paper.findings.runs import Runs
from collapse.paper.findings.spectra import abundance_difference
from collapse.paper.profiles import SIX
from collapse.study.study import StudyRun
from collapse.training.models.config import ModelConfig

_VARIANT_SETS = 4
"""Number of sets in Figure 10d."""
_MOST = 0.5
"""Fraction of the fields that counts as most. An exact test against 0.9 cannot tell even for 31 of 31 fields (p
0.08)."""


def alignment(runs: Runs) -> Treatment | None:
    """Return the divergence of the norms of the sets' projections with and without alignment."""
    found = runs.of(_variant(runs, "aligned"), _variant(runs, "separate"))
    return treated([tuple(divergence(patterns(run)) for run in pair) for pair in found], "divergence of norms")


@claim(
    source="Section 5.3, Figure 8b",
    effect="IA of ME minus that of SE of the enlarged DCNv2, smallest of the fields",
    expected=Expected(low=0),
)
def sets_raise_abundance_of_every_field(runs: Runs) -> Sample:
    """Multi-embedding raises the information abundance of every field."""
    found = runs.of(*_large(runs))
    frames, normalised = (abundance_difference(found, measure) for measure in ("ia", "ia_normalised"))
    mean = (
        [f"{np.mean([frame['value'].mean() for frame in normalised]):+.2f} of random on average"] if frames else []
    )
    return Sample(frames=frames, kind="every", note="; ".join(mean))


@claim(
    source="Section 5.3, Figure 8b",
    effect="fraction of the fields whose IA is higher in ME than in SE of the enlarged DCNv2",
    expected=Expected(low=_MOST),
)
def sets_raise_abundance_of_most_fields(runs: Runs) -> Sample:
    """Multi-embedding raises the information abundance of most fields."""
    return Sample(frames=abundance_difference(runs.of(*_large(runs))), kind="fraction")


@claim(
    source="Section 5.3, Figure 9",
    effect="Pearson's r of IA(E_j) and sum_i IA(E_i->j), ME minus SE of the enlarged DCNv2",
    expected=Expected(high=0),
    paper={"criteo": "0.52 minus 0.68 on Criteo"},
    otherwise="the correlation itself; see sub-embeddings-follow-their-partner",
)
def sets_are_less_influenced(runs: Runs) -> Sample:
    """In multi-embedding, sub-embeddings are less influenced by the field that they interact with."""
    found = [[influence(run, "target") for run in of_seed] for of_seed in runs.of(*_large(runs))]
    frames = [pd.concat([multi[0], single[0].loc[multi[0].index]], axis=1) for multi, single in found]
    note = _less([(multi[1].pearson, single[1].pearson) for multi, single in found])
    return Sample(frames=frames, statistic=less_pearson, note=note)


@claim(
    source="Section 5.3, Figure 10a",
    effect="diversity of sets, ME minus a split SE table, the enlarged DCNv2, mean over the fields",
    expected=Expected(low=0),
)
def sets_are_more_diverse_than_a_split(runs: Runs) -> Sample:
    """The sets of multi-embedding span more different directions than equal parts of a single embedding."""
    return _diversity(runs, *_large(runs), split=runs.profile.largest)


@claim(
    source="Section 5.3, Figure 10d",
    effect="diversity of 4 sets, separate minus shared interactions, mean over the fields",
    expected=Expected(low=0),
)
def separate_interactions_make_sets_diverse(runs: Runs) -> Sample:
    """Sets that share one interaction are less diverse: the separation is what makes them so."""
    return _diversity(runs, _variant(runs, "separate"), _variant(runs, "shared"))


@claim(
    source="Section 5.3, Figure 10d",
    effect="diversity of 4 sets, separate minus aligned interactions, mean over the fields",
    expected=Expected(low=0),
    treatment=alignment,
    otherwise="the weight of the alignment, which the paper does not give",
)
def aligned_interactions_make_sets_alike(runs: Runs) -> Sample:
    """Sets whose interactions are held to the same norms are less diverse."""
    return _diversity(runs, _variant(runs, "separate"), _variant(runs, "aligned"))


@claim(
    source="Section 5.2, Table 1",
    effect="test AUC of enlarged ME minus that of SE at 1x, mean over the models",
    expected=Expected(low=0),
    paper=printed_gain("ME", *SIX),
)
def auc_rises_with_sets(runs: Runs) -> Sample:
    """With multi-embedding, AUC rises with the size of the model."""
    return _gains(runs, "ME")


@claim(
    source="Section 5.2, Table 1, Figure 1a",
    effect="test AUC of enlarged SE minus that at 1x, mean over the models",
    expected=Expected(high=LEAST_AUC_DIFFERENCE),
    paper=printed_gain("SE", *SIX),
)
def auc_does_not_rise_with_size(runs: Runs) -> Sample:
    """With single-embedding, AUC does not rise with the size of the model, by 0.001 or more."""
    return _gains(runs, "SE")


def _large(runs: Runs) -> tuple[ModelConfig, ModelConfig]:
    return runs.profile.multi("dcnv2", runs.profile.largest), runs.profile.single("dcnv2", runs.profile.largest)


def _variant(runs: Runs, interactions: str) -> ModelConfig:
    return runs.profile.multi("dcnv2", _VARIANT_SETS, interactions=interactions)


def _diversity(runs: Runs, first: ModelConfig, second: ModelConfig, split: int | None = None) -> Sample:
    def of(run: StudyRun) -> pd.DataFrame:
        parts = split if run.config.model.sets == 1 else None
        settings = PAPER
        compute = partial(set_diversity, run.tables, split=parts, settings=settings)
        return run.cached_result("diversity", {"split": parts, **vars(settings)}, compute).set_index("field")

    # In a table of D <= K rows every set spans the whole space.
    found = [(of(one), of(other)) for one, other in runs.of(first, second)]
    frames = [(one["div"] - other["div"])[one["cardinality"] > one["columns"]].to_frame() for one, other in found]
    return Sample(frames=frames, note=_less([(one["div"].mean(), other["div"].mean()) for one, other in found]))


def _less(pairs: Sequence[tuple[float, float]]) -> str:
    """Return what is compared, each averaged over the initialisations."""
    return "{:.2f} minus {:.2f}".format(*np.mean(pairs, axis=0)) if pairs else ""


def _gains(runs: Runs, variant: str) -> Sample:
    """Return the gain in test AUC of enlarged models, next to that of the other variant of the same size."""
    enlarge: Callable[[str, int], ModelConfig] = runs.profile.multi
    enlarge_other: Callable[[str, int], ModelConfig] = runs.profile.single
    if variant == "SE":
        enlarge, enlarge_other = enlarge_other, enlarge
    largest, models = runs.profile.largest, runs.profile.models
    if runs.profile.is_inferred:
        # Not every model need have both sizes.
        models = tuple(each for each in models if runs.of(enlarge(each, largest), runs.profile.single(each)))
    enlarged = [enlarge(model, largest) for model in models]
    base = [runs.profile.single(model) for model in models]
    n, found = len(models), runs.of(*enlarged, *base)
    frames = _gains_of(found, models)
    pairs = [(of[i], 1 / (n * len(found)), of[n + i]) for of in found for i in range(n)]
    means = pd.concat(frames, axis=1).mean(axis=1) if frames else pd.Series(dtype=float)
    note = ", ".join(f"{model} {gain:+.4f}" for model, gain in means.items())
    other = "SE" if variant == "ME" else "ME"
    others = [enlarge_other(model, largest) for model in models]
    if frames and (theirs := _gains_of(runs.of(*others, *base), models)):
        note += f"; {other} of the same size {np.mean([frame['value'].mean() for frame in theirs]):+.4f}"
    return Sample(frames=frames, unit="models", row_variance=variance_of_rows(pairs), note=note)


def _gains_of(found: list[tuple[StudyRun, ...]], models: Sequence[str]) -> list[pd.DataFrame]:
    aucs = [[auc_of(run) for run in of_seed] for of_seed in found]
    n = len(models)
    return [pd.DataFrame({"value": np.subtract(of[:n], of[n:])}, index=list(models)) for of in aucs]


CLAIMS: tuple[Claim, ...] = (
    sets_raise_abundance_of_every_field,
    sets_raise_abundance_of_most_fields,
    sets_are_less_influenced,
    sets_are_more_diverse_than_a_split,
    separate_interactions_make_sets_diverse,
    aligned_interactions_make_sets_alike,
    auc_rises_with_sets,
    auc_does_not_rise_with_size,
)
