"""The paper's claims as checks: intervals, verdicts, planted truths and the command."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose
from numpy.typing import NDArray

from collapse.analysis.choices import PAPER, Choices
from collapse.study.execute import execute
from collapse.study.findings import interaction, multi_embedding, spectra, training
from collapse.study.findings.bootstrap import Interval, interval, less_pearson, pearson
from collapse.study.findings.claim import Claim, Expected, Verdict, judge
from collapse.study.findings.findings import CLAIMS
from collapse.study.findings.runs import Runs
from collapse.study.item import item_of, record_profile
from collapse.study.profiles import Profile
from collapse.tables import EmbeddingTable, TableSet
from collapse.training.models.config import ModelConfig
from tests.conftest import Collapse

NUMBERS = st.floats(-100, 100)
SAMPLES = st.tuples(st.integers(1, 4), st.integers(1, 6)).flatmap(
    lambda shape: arrays(np.float64, (*shape, 1), elements=NUMBERS)
)


class TestIntervals:
    @given(SAMPLES)
    def test_an_interval_holds_its_effect_and_lies_among_the_values(self, values: NDArray[np.float64]) -> None:
        found = interval(values, resamples=200)
        assert values.min() - 1e-9 <= found.low <= found.high <= values.max() + 1e-9
        assert_allclose(found.effect, values.mean(), atol=1e-9)

    @given(SAMPLES, NUMBERS, st.floats(0.1, 10))
    def test_it_moves_and_scales_with_the_values(
        self, values: NDArray[np.float64], by: float, times: float
    ) -> None:
        first, second = interval(values, resamples=200), interval(values * times + by, resamples=200)
        for name in ("effect", "low", "high"):
            assert_allclose(getattr(second, name), getattr(first, name) * times + by, atol=1e-6)

    def test_of_three_numbers_it_is_their_range(self) -> None:
        found = interval(np.array([3.0, 1.0, 2.0]).reshape(3, 1, 1))
        assert (found.effect, found.low, found.high) == (2.0, 1.0, 3.0)

    def test_it_covers_as_often_as_it_says(self) -> None:
        """Of 40 units of one initialisation, the interval of the mean covers the truth in some 95 of 100 draws."""
        generator = np.random.default_rng(0)
        drawn = [interval(generator.normal(size=(1, 40, 1)), resamples=400) for _ in range(300)]
        assert 0.90 < np.mean([each.low < 0 < each.high for each in drawn]) < 0.98

    def test_initialisations_count_as_well_as_units(self) -> None:
        """Twelve units agree within each of two initialisations that do not: the interval reaches both."""
        values = np.repeat([0.0, 1.0], 12).reshape(2, 12, 1)
        found = interval(values)
        assert (found.low, found.high) == (0.0, 1.0)

    def test_nothing_has_no_interval(self) -> None:
        with pytest.raises(ValueError, match="interval"):
            interval(np.zeros((2, 0, 1)))

    @given(arrays(np.float64, (7, 2), elements=st.floats(-1e3, 1e3).map(lambda x: round(x, 3))))
    def test_pearson_is_numpys(self, values: NDArray[np.float64]) -> None:
        assume((np.ptp(values, axis=0) >= 1e-2).all())
        assert_allclose(pearson(values), np.corrcoef(values[:, 0], values[:, 1])[0, 1], atol=1e-9)
        assert_allclose(less_pearson(np.concatenate([values, values], axis=1)), 0, atol=1e-12)

    def test_a_constant_has_no_correlation(self) -> None:
        """Resamples that draw one unit alone are left out of an interval."""
        assert np.isnan(pearson(np.array([[0.1, 1], [0.1, 2], [0.1, 4]])))
        values = np.array([[[1.0, 1.0], [2.0, 2.0]]])
        found = interval(values, pearson)
        assert_allclose([found.effect, found.low, found.high], 1)


@pytest.mark.parametrize(
    ("low", "high", "initialisations", "verdict"),
    [
        (0.1, 0.2, 3, Verdict.HOLDS),
        (0.1, 0.2, 1, Verdict.NOT_ENOUGH),
        (-0.1, 0.2, 3, Verdict.NOT_ENOUGH),
        (-0.2, 0.0, 3, Verdict.DOES_NOT_HOLD),
        (0.0, 0.0, 3, Verdict.DOES_NOT_HOLD),
        (np.nan, np.nan, 3, Verdict.NOT_ENOUGH),
    ],
)
def test_verdicts(low: float, high: float, initialisations: int, verdict: Verdict) -> None:
    """Of a claim that its effect lies above 0."""
    found = Interval(effect=(low + high) / 2, low=low, high=high)
    assert judge(found, Expected(low=0), initialisations) is verdict


@dataclass
class Planted:
    """A run whose truth is known: what the claims ask of `StudyRun`."""

    model: ModelConfig
    ia_normalised: float = 1.0
    auc: float = 0.7
    tables: TableSet | None = None

    @property
    def manifest(self) -> Mapping[str, Any]:
        return {"test": {"auc": self.auc}}

    @property
    def config(self) -> "Planted":
        return self

    def fields(self, choices: Choices) -> pd.DataFrame:
        share = self.ia_normalised * np.array([0.9, 1.0, 1.1])
        return pd.DataFrame(
            {"field": ["a", "b", "c"], "ia": 10 * share, "ia_normalised": share, "degree": "collapsed"}
        )

    @property
    def metrics(self) -> pd.DataFrame:
        """Two epochs, from 0 to its abundance."""
        both = [0.0, self.ia_normalised]
        return pd.DataFrame({"co_influence_target": both, "ia_normalised_mean": both})

    def kept(self, _name: str, _choices: object, compute: Any) -> pd.DataFrame:
        return cast(pd.DataFrame, compute())


class PlantedRuns:
    """Two initialisations of everything, each as a function of its model plants it."""

    profile = Profile(name="planted", content="", data=("none",), base_size=4)

    def __init__(self, plant: Any) -> None:
        self.plant = plant

    def of(self, *models: ModelConfig, share: float = 1.0) -> list[tuple[Planted, ...]]:
        return self.at(*((model, share) for model in models))

    def at(self, *wanted: tuple[ModelConfig, float]) -> list[tuple[Planted, ...]]:
        return [tuple(self.plant(model, share) for model, share in wanted)] * 2

    def along(self, model: ModelConfig) -> list[Planted]:
        return [self.plant(model, 1.0)] * 2


def verdict_of(claim: Claim, plant: Any) -> Verdict:
    sample = claim.check(cast(Runs, PlantedRuns(plant)))
    return judge(sample.interval(), claim.expected, len(sample.frames))


def of_size(slope: float) -> Any:
    """Plant abundances that change with every doubling of the size."""
    return lambda model, _: Planted(model, 0.5 + slope * np.log2(model.embedding_size * model.sets))


def by_sets(single: float, multi: float) -> Any:
    return lambda model, _: Planted(model, ia_normalised=multi if model.sets > 1 else single)


def by_model(**abundance: float) -> Any:
    return lambda model, _: Planted(model, ia_normalised=abundance[model.model])


def by_penalty(plain: float, regularised: float, measure: str) -> Any:
    def plant(model: ModelConfig, _: float) -> Planted:
        value = regularised if "regularised" in model.interaction.differing() else plain
        return Planted(model, ia_normalised=value) if measure == "ia_normalised" else Planted(model, auc=value)

    return plant


def auc_gains(single: float, multi: float) -> Any:
    """Plant an AUC of 0.7 at 1x and gains at 10x."""
    base = PlantedRuns.profile

    def plant(model: ModelConfig, _: float) -> Planted:
        large = multi if model.sets > 1 else single
        return Planted(model, auc=0.7 + (0 if model == base.single(model.model) else large))

    return plant


def sets_of(spread: Mapping[str, float]) -> Any:
    """Plant sets that share their directions, but for a part of them."""

    def plant(model: ModelConfig, _: float) -> Planted:
        kind = model.interactions if model.sets > 1 else "single"
        generator = np.random.default_rng(0)
        common = generator.normal(size=(60, 4))
        M = model.sets if model.sets > 1 else 10
        sets = [common + spread[kind] * generator.normal(size=(60, 4)) for _ in range(M)]
        sizes = (4,) * M if model.sets > 1 else (4 * M,)
        table = EmbeddingTable(field="a", E=np.concatenate(sets, 1).astype(np.float32), sizes=sizes)
        return Planted(model, tables=TableSet(tables=(table,), name=model.name, source="planted"))

    return plant


HOLDS, FAILS = Verdict.HOLDS, Verdict.DOES_NOT_HOLD


@pytest.mark.parametrize(
    ("claim", "plant", "verdict"),
    [
        (spectra.far_below_random, by_sets(0.3, 1), HOLDS),
        (spectra.far_below_random, by_sets(0.9, 1), FAILS),
        (spectra.degree_grows_with_size, of_size(-0.1), HOLDS),
        (spectra.degree_grows_with_size, of_size(0.1), FAILS),
        (spectra.more_data_does_not_help_large_tables, lambda m, share: Planted(m, 1 - share / 2), HOLDS),
        (spectra.more_data_does_not_help_large_tables, lambda m, share: Planted(m, share), FAILS),
        (spectra.sets_help_at_every_share, by_sets(0.4, 0.6), HOLDS),
        (spectra.sets_help_at_every_share, by_sets(0.6, 0.4), FAILS),
        (interaction.regularising_raises_abundance, by_penalty(0.4, 0.6, "ia_normalised"), HOLDS),
        (interaction.regularising_raises_abundance, by_penalty(0.6, 0.4, "ia_normalised"), FAILS),
        (interaction.regularising_does_not_raise_auc, by_penalty(0.7, 0.7, "auc"), HOLDS),
        (interaction.regularising_does_not_raise_auc, by_penalty(0.7, 0.702, "auc"), FAILS),
        (interaction.less_interaction_less_collapse, by_model(dnn=0.6, dcnv2=0.5), HOLDS),
        (interaction.less_interaction_less_collapse, by_model(dnn=0.5, dcnv2=0.6), FAILS),
        (interaction.auc_of_dnn_falls_with_size, auc_gains(-0.01, 0), HOLDS),
        (interaction.auc_of_dnn_falls_with_size, auc_gains(0.01, 0), FAILS),
        (multi_embedding.sets_raise_abundance_of_every_field, by_sets(0.4, 0.6), HOLDS),
        (multi_embedding.sets_raise_abundance_of_every_field, by_sets(0.6, 0.4), FAILS),
        (multi_embedding.sets_are_more_diverse_than_a_split, sets_of({"single": 0.1, "separate": 1}), HOLDS),
        (multi_embedding.sets_are_more_diverse_than_a_split, sets_of({"single": 1, "separate": 0.1}), FAILS),
        (multi_embedding.separate_interactions_make_sets_diverse, sets_of({"shared": 0.1, "separate": 1}), HOLDS),
        (multi_embedding.separate_interactions_make_sets_diverse, sets_of({"shared": 1, "separate": 0.1}), FAILS),
        (multi_embedding.aligned_interactions_make_sets_alike, sets_of({"aligned": 0.1, "separate": 1}), HOLDS),
        (multi_embedding.aligned_interactions_make_sets_alike, sets_of({"aligned": 1, "separate": 0.1}), FAILS),
        (training.influence_of_partners_grows_along_training, by_model(dcnv2=0.3), HOLDS),
        (training.influence_of_partners_grows_along_training, by_model(dcnv2=-0.3), FAILS),
        (training.collapse_grows_along_training, by_model(dcnv2=-0.3), HOLDS),
        (training.collapse_grows_along_training, by_model(dcnv2=0.3), FAILS),
        (multi_embedding.auc_rises_with_sets, auc_gains(0, 0.002), HOLDS),
        (multi_embedding.auc_rises_with_sets, auc_gains(0, -0.002), FAILS),
        (multi_embedding.auc_does_not_rise_with_size, auc_gains(-0.002, 0), HOLDS),
        (multi_embedding.auc_does_not_rise_with_size, auc_gains(0.002, 0), FAILS),
    ],
    ids=lambda value: value.name if isinstance(value, Claim) else str(value) if isinstance(value, Verdict) else "",
)
def test_claims_tell_planted_truths_apart(claim: Claim, plant: Any, verdict: Verdict) -> None:
    assert verdict_of(claim, plant) is verdict


@pytest.mark.parametrize(("slope", "verdict"), [(1.0, HOLDS), (-1.0, FAILS)])
def test_claims_of_influence(slope: float, verdict: Verdict, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sub-embedding's abundance goes with the source and the target; ME's half as much."""
    ia = np.arange(1.0, 7)
    noise = np.random.default_rng(0).permutation(6.0 * np.arange(6))

    def pairs(run: Planted) -> pd.DataFrame:
        i, j = (each.ravel() for each in np.indices((6, 6)))
        less = noise[j] if run.model.sets > 1 else 0
        values = slope * (ia[i] + ia[j]) + less
        return pd.DataFrame({"source": i, "target": j, "ia": values, "ia_source": ia[i], "ia_target": ia[j]})

    monkeypatch.setattr(Planted, "kept", lambda run, *_: pairs(run))
    plant = lambda model, _: Planted(model)  # noqa: E731
    assert verdict_of(interaction.sub_embeddings_follow_their_field, plant) is verdict
    assert verdict_of(interaction.sub_embeddings_follow_their_partner, plant) is verdict
    if slope > 0:
        assert verdict_of(multi_embedding.sets_are_less_influenced, plant) is Verdict.HOLDS


@pytest.mark.slow
def test_the_toy_claim_holds_at_the_papers_settings() -> None:
    assert verdict_of(interaction.a_low_rank_partner_lowers_abundance, None) is Verdict.HOLDS


class TestStudies:
    @pytest.fixture
    def profile(self, small_data: Path) -> Profile:
        return Profile(name="smoke", content="", data=(str(small_data),), base_size=2, repeats=2, epochs=1)

    def test_the_recipe_has_what_the_claims_ask_for(self, profile: Profile, tmp_path: Path) -> None:
        record_profile(tmp_path, profile)
        runs = Runs(folder=tmp_path, profile=profile, data=profile.data[0])
        for claim in CLAIMS:
            if claim.of_data:
                claim.check(runs)
        assert set(runs.asked) == {run.config for run in item_of(tmp_path, "findings").runs}

    @pytest.mark.slow
    def test_the_command(self, profile: Profile, tmp_path: Path, collapse: Collapse) -> None:
        """Two runs are enough for one claim; of the others it is said that they are not."""
        record_profile(tmp_path, profile)
        runs = Runs(folder=tmp_path, profile=profile, data=profile.data[0])
        assert runs.of(profile.single("dcnv2", 10)) == []
        wanted = runs.asked
        for run in item_of(tmp_path, "findings").runs:
            if run.config in wanted:
                execute(run.config.as_dict(), str(run.path), device="cpu", threads=1)
        code, out, err = collapse("findings", tmp_path, "--json")
        assert (code, err) == (0, "")
        found = {each["claim"]: each for each in json.loads(out)}
        assert len(found) == len(CLAIMS)
        first = found["far-below-random"]
        fields = pd.concat([run.fields(PAPER) for (run,) in runs.of(profile.single("dcnv2", 10))])
        assert_allclose(first["value"], fields["ia_normalised"].mean())
        assert first["low"] < first["value"] < first["high"]
        assert first["initialisations"] == 2
        assert found["auc-rises-with-sets"]["value"] is None
        assert found["auc-rises-with-sets"]["verdict"] == "not enough runs"
        code, text, _ = collapse("findings", tmp_path)
        assert code == 0
        assert f"{len(wanted) // 2} of {len(item_of(tmp_path, 'findings').runs)} runs" in text
        code, markdown, _ = collapse("findings", tmp_path, "--markdown")
        assert code == 0
        assert markdown.count("\n| ") == len(CLAIMS) + 1
        code, _, err = collapse("figures", tmp_path, "--figure", "findings")
        assert code == 0
        table = pd.read_csv(tmp_path / "figures" / "findings.csv")
        assert table["verdict"].tolist() == [each["verdict"] for each in json.loads(out)]

    def test_a_folder_that_is_no_study(self, tmp_path: Path, collapse: Collapse) -> None:
        code, _, err = collapse("findings", tmp_path)
        assert (code, "is no study" in err) == (2, True)
