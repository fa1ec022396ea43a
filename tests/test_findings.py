"""The paper's claims as tests: intervals, verdicts, simulated truths and the command."""

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
from scipy import stats

from collapse.analysis.settings import PAPER, AnalysisSettings
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.paper.findings import interaction, multi_embedding, spectra, training
from collapse.paper.findings.checking import CLAIMS, corrected
from collapse.paper.findings.claim import (
    Claim,
    Expected,
    Finding,
    Sample,
    Treatment,
    Verdict,
    judge,
    less_pearson,
    pearson,
)
from collapse.paper.findings.runs import Runs
from collapse.paper.item import item_of, record_profile
from collapse.paper.profiles import Profile
from collapse.study.execute import execute
from collapse.study.finder import Finder
from collapse.training.models.config import ModelConfig
from collapse.training.runs.paired import Predictions
from tests.conftest import Collapse


@given(arrays(np.float64, (7, 2), elements=st.floats(-1e3, 1e3).map(lambda x: round(x, 3))))
def test_pearson_is_numpys(values: NDArray[np.float64]) -> None:
    assume((np.ptp(values, axis=0) >= 1e-2).all())
    assert_allclose(pearson(values), np.corrcoef(values[:, 0], values[:, 1])[0, 1], atol=1e-9)
    assert_allclose(less_pearson(np.concatenate([values, values], axis=1)), 0, atol=1e-12)


def test_a_constant_has_no_correlation() -> None:
    assert np.isnan(pearson(np.array([[0.1, 1], [0.1, 2], [0.1, 4]])))


def sample_of(values: Any, **settings: Any) -> Sample:
    """Make a sample of numbers, (initialisations, units)."""
    return Sample(frames=[pd.DataFrame({"value": each}) for each in np.asarray(values, float)], **settings)


class TestJudging:
    """One number per initialisation, and statements about every unit or a fraction of them."""

    above = Expected(low=0)

    def test_one_number_is_a_t_test(self) -> None:
        values = np.random.default_rng(0).normal(0.5, 1, (6, 4))
        found = judge(sample_of(values), self.above)
        means = values.mean(1)
        assert found.p_holds == pytest.approx(stats.ttest_1samp(means, 0, alternative="greater").pvalue)
        assert (found.low, found.high) == pytest.approx(
            stats.t.interval(0.95, 5, means.mean(), means.std(ddof=1) / 6**0.5)
        )

    def test_every_unit_has_to_lie_there(self) -> None:
        """One of four units outside is enough against the claim, and an undecided one leaves it undecided."""
        values = np.random.default_rng(0).normal(5, 0.1, (6, 4))
        assert judge(sample_of(values, kind="every"), self.above).p_holds < 1e-6
        for shift in (-10, -5):
            shifted = values + np.r_[0, 0, shift, 0]
            found = judge(sample_of(shifted, kind="every"), self.above)
            assert "2 is the worst" in found.note
            assert (found.p_holds > 0.05, found.p_fails < 0.05) == (True, shift == -10)

    def test_a_share_is_exact(self) -> None:
        values = np.ones((5, 20)) * np.where(np.arange(20) < 3, -1, 1)
        found = judge(sample_of(values, kind="fraction"), Expected(low=0.9))
        assert (found.effect, found.note) == (0.85, "17 of 20")
        assert found.p_holds == pytest.approx(stats.binom.sf(16, 20, 0.9))
        assert found.low < 0.85 < found.high

    def test_a_share_can_hold(self) -> None:
        """Even among 43 claims, if all of Avazu's 22 fields agree."""
        expected = multi_embedding.sets_raise_abundance_of_most_fields.expected
        assert 43 * judge(sample_of(np.ones((5, 22)), kind="fraction"), expected).p < 0.05

    @pytest.mark.parametrize("kind", ["mean", "every", "fraction"])
    def test_of_fewer_than_five_nothing_is_said(self, kind: Any) -> None:
        found = judge(sample_of(np.ones((4, 3)), kind=kind), self.above)
        assert np.isnan(found.p_holds)
        assert np.isnan(found.p)
        assert "4 initialisations, but 5 are needed" in found.note

    def test_the_error_of_the_test_rows_can_decide(self) -> None:
        sure = np.full((5, 1), 0.002) + 1e-5 * np.arange(5)[:, None]
        assert judge(sample_of(sure), self.above).p_holds < 1e-6
        assert judge(sample_of(sure, row_variance=0.003**2), self.above).p_holds > 0.2
        unknown = judge(sample_of(sure, row_variance=np.nan), self.above)
        assert "unknown" in unknown.note


def finding_of(values: Any, treatment: Treatment | None = None) -> Finding:
    any_claim = spectra.degree_grows_with_size
    judged = judge(sample_of(values), Expected(low=0))
    return Finding(
        claim=any_claim,
        data="a",
        verdict=Verdict.CANNOT_TELL,
        judged=judged,
        initialisations=5,
        treatment=treatment,
    )


class TestVerdicts:
    random = np.random.default_rng(0)
    clear, weak = 1 + 0.01 * random.standard_normal((5, 1)), 1 + 0.7 * random.standard_normal((5, 1))

    def test_they_are_corrected_for_how_many_were_tested(self) -> None:
        """A result that is significant in a single test is not significant among twenty."""
        one = corrected([finding_of(self.weak)])[0]
        assert (one.verdict, one.p_adjusted) == (Verdict.HOLDS, one.judged.p if one.judged else 0)
        many = corrected([finding_of(self.weak)] * 20)
        assert {each.verdict for each in many} == {Verdict.CANNOT_TELL}
        assert {each.verdict for each in corrected([finding_of(-self.clear)] * 20)} == {Verdict.DOES_NOT_HOLD}

    def test_a_treatment_that_did_not_take_says_nothing(self) -> None:
        weak, strong = (Treatment(measure="distance", treated=of, plain=1.0) for of in (0.9, 0.4))
        found = corrected([finding_of(self.clear, weak), finding_of(self.clear, strong)])
        assert [each.verdict for each in found] == [Verdict.NOT_TAKEN, Verdict.HOLDS]
        assert "distance 0.9, 1 without" in found[0].remark
        assert np.isnan(found[0].p_adjusted)

    def test_what_was_not_tested_does_not_count(self) -> None:
        few = Finding(
            claim=spectra.degree_grows_with_size,
            data="a",
            verdict=Verdict.CANNOT_TELL,
            judged=judge(sample_of(self.clear[:2]), Expected(low=0)),
            initialisations=2,
        )
        found = corrected([finding_of(self.weak), *[few] * 30])
        assert found[0].verdict is Verdict.HOLDS
        assert {each.verdict for each in found[1:]} == {Verdict.CANNOT_TELL}

    def test_how_many_would_tell_is_said(self) -> None:
        (found,) = corrected([finding_of(0.5 + self.random.standard_normal((5, 1)))])
        assert found.verdict is Verdict.CANNOT_TELL
        assert "initialisations would tell" in found.remark


@pytest.mark.slow
class TestErrorRates:
    """Simulated studies of five initialisations with known effects."""

    def test_intervals_cover(self) -> None:
        random = np.random.default_rng(0)
        drawn = random.standard_normal((2000, 5, 7, 1)) + random.standard_normal((2000, 5, 1, 1))
        found = [judge(sample_of(each[..., 0]), Expected(low=0)) for each in drawn]
        covered = np.mean([each.low < 0 < each.high for each in found])
        assert abs(covered - 0.95) < 3 * np.sqrt(0.95 * 0.05 / 2000)

    def test_any_false_verdict_of_a_study_has_five_per_cent(self) -> None:
        """With 18 claims, all exactly on the boundary."""
        random = np.random.default_rng(1)
        wrong = 0
        for _ in range(300):
            found = corrected([finding_of(random.standard_normal((5, 1))) for _ in range(18)])
            wrong += any(each.verdict is not Verdict.CANNOT_TELL for each in found)
        assert wrong / 300 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 300)

    def test_a_clear_effect_is_told(self) -> None:
        """An effect of six standard deviations is found in almost all studies with 18 claims."""
        random = np.random.default_rng(2)
        summary = 0
        for _ in range(100):
            effects = [finding_of(6 + random.standard_normal((5, 1)))]
            effects += [finding_of(random.standard_normal((5, 1))) for _ in range(17)]
            summary += corrected(effects)[0].verdict is Verdict.HOLDS
        assert summary / 100 > 0.95


@dataclass
class Planted:
    """A run with known truth: the part of `StudyRun` that the claims use."""

    model: ModelConfig
    ia_normalised: float = 1.0
    auc: float = 0.7
    tables: TableSet | None = None

    @property
    def manifest(self) -> Mapping[str, Any]:
        return {"test": {"auc": self.auc}}

    @property
    def predictions(self) -> Predictions:
        """Return the same predictions for all runs: the test rows add nothing to a difference."""
        return Predictions(labels=np.array([0, 1, 0, 1], np.uint8), logits=np.arange(4, dtype=np.float32))

    @property
    def config(self) -> "Planted":
        return self

    def fields(self, settings: AnalysisSettings) -> pd.DataFrame:
        fraction = self.ia_normalised * np.array([0.9, 1.0, 1.1])
        return pd.DataFrame(
            {"field": ["a", "b", "c"], "ia": 10 * fraction, "ia_normalised": fraction, "degree": "collapsed"}
        )

    @property
    def metrics(self) -> pd.DataFrame:
        """Return two epochs, from 0 to the run's abundance."""
        both = [0.0, self.ia_normalised]
        return pd.DataFrame({"co_influence_target": both, "ia_normalised_mean": both})

    def cached_result(self, _name: str, _choices: object, compute: Any) -> pd.DataFrame:
        return cast(pd.DataFrame, compute())


class PlantedRuns:
    """Five initialisations of every run, each made by a function of its model, with small variations."""

    profile = Profile(name="planted", content="", data=("none",), base_size=4)

    def __init__(self, plant: Any) -> None:
        self.plant = plant

    def of(self, *models: ModelConfig, fraction: float = 1.0) -> list[tuple[Planted, ...]]:
        return self.at(*((model, fraction) for model in models))

    def at(self, *wanted: tuple[ModelConfig, float]) -> list[tuple[Planted, ...]]:
        return [tuple(self.plant(model, fraction) for model, fraction in wanted)] * 5

    def along(self, model: ModelConfig) -> list[Planted]:
        return [self.plant(model, 1.0)] * 5


def verdict_of(claim: Claim, plant: Any) -> Verdict:
    sample = claim.check(cast(Runs, PlantedRuns(plant)))
    judged = judge(sample, claim.expected)
    found = Finding(claim=claim, data="planted", verdict=Verdict.CANNOT_TELL, judged=judged, initialisations=5)
    return corrected([found])[0].verdict


def of_size(slope: float) -> Any:
    """Make abundances that change by a factor with every doubling of the size."""
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
    """Make an AUC of 0.7 at 1x and gains at 10x."""
    base = PlantedRuns.profile

    def plant(model: ModelConfig, _: float) -> Planted:
        large = multi if model.sets > 1 else single
        return Planted(model, auc=0.7 + (0 if model == base.single(model.model) else large))

    return plant


def sets_of(spread: Mapping[str, float]) -> Any:
    """Make sets that share all but some of their directions."""

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
        (spectra.more_data_does_not_help_large_tables, lambda m, fraction: Planted(m, 1 - fraction / 2), HOLDS),
        (spectra.more_data_does_not_help_large_tables, lambda m, fraction: Planted(m, fraction), FAILS),
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
    """The abundance of a sub-embedding follows source and target, in ME half as strongly."""
    ia = np.arange(1.0, 7)
    noise = np.random.default_rng(0).permutation(6.0 * np.arange(6))

    def pairs(run: Planted) -> pd.DataFrame:
        i, j = (each.ravel() for each in np.indices((6, 6)))
        less = noise[j] if run.model.sets > 1 else 0
        values = slope * (ia[i] + ia[j]) + less
        return pd.DataFrame({"source": i, "target": j, "ia": values, "ia_source": ia[i], "ia_target": ia[j]})

    monkeypatch.setattr(Planted, "cached_result", lambda run, *_: pairs(run))
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
        runs = Runs(finder=Finder(tmp_path), profile=profile, data=profile.data[0])
        for claim in CLAIMS:
            if claim.of_data:
                claim.check(runs)
        assert set(runs.asked) == {run.config for run in item_of(tmp_path, "findings").runs}

    @pytest.mark.slow
    def test_the_command(self, profile: Profile, tmp_path: Path, collapse: Collapse) -> None:
        """Two runs are enough for one claim, and the others are reported as undecided."""
        record_profile(tmp_path, profile)
        runs = Runs(finder=Finder(tmp_path), profile=profile, data=profile.data[0])
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
        assert found["auc-rises-with-sets"]["verdict"] == "cannot tell"
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
        assert (code, "has no runs" in err) == (2, True)
