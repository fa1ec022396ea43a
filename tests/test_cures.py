"""The table of remedies agrees with the files of its runs."""

import json
from pathlib import Path

import numpy as np
import pytest

from collapse import diagnose
from collapse.analysis.settings import PAPER
from collapse.paper.cures import REFERENCE, compare_cures, cure_of
from collapse.paper.item import Item, item_of, record_profile
from collapse.paper.profiles import Profile
from collapse.paper.tables.cures_table import cures_table
from collapse.study.execute import execute
from collapse.training.models.registry import model_config


@pytest.fixture(scope="module")
def item(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Item:
    """Return an item with a single embedding and two remedies, each finished for two seeds."""
    folder = tmp_path_factory.mktemp("cures")
    profile = Profile(name="smoke", content="x", data=(str(small_data),), base_size=2, repeats=2, epochs=1)
    record_profile(folder, profile)
    wanted = item_of(folder, "cures")
    for run in wanted.runs:
        if cure_of(run.config.model) in (REFERENCE, "multi-embedding, 4 sets", "spectral penalty, weight 0.1"):
            execute(run.config.as_dict(), str(run.path), device="cpu", threads=1)
    return item_of(folder, "cures")


def test_the_numbers_are_those_of_the_runs(item: Item) -> None:
    found = compare_cures(item).set_index("cure")
    assert list(found.index) == [REFERENCE, "multi-embedding, 4 sets", "spectral penalty, weight 0.1"]
    runs = {(cure_of(run.config.model), run.config.seeds.initialisation): run.path for run in item.finished_runs}
    for cure, row in found.iterrows():
        aucs, ias, changes = [], [], []
        for seed in (0, 1):
            ours, theirs = runs[str(cure), seed], runs[REFERENCE, seed]
            tested = [json.loads((path / "manifest.json").read_text())["test"]["auc"] for path in (ours, theirs)]
            abundance = [
                diagnose(path / "best.pt", settings=PAPER)["ia_normalised"].mean() for path in (ours, theirs)
            ]
            aucs.append(tested[0])
            ias.append(abundance[0])
            changes.append((abundance[0] - abundance[1], tested[0] - tested[1]))
        assert row["runs"] == 2
        assert row["test_auc"] == pytest.approx(np.mean(aucs))
        assert row["ia_normalised"] == pytest.approx(np.mean(ias))
        assert [row["ia_change"], row["auc_change"]] == pytest.approx(np.mean(changes, 0), abs=1e-12)
        assert row["ia_change_low"] - 1e-12 <= row["ia_change"] <= row["ia_change_high"] + 1e-12
    assert found.loc[REFERENCE, "time"] == 1
    assert found["time"].gt(0).all()


def test_the_table(item: Item, tmp_path: Path) -> None:
    table = cures_table(item)
    text = table.text.set_index("cure")
    assert text.loc[REFERENCE, "change of test AUC"] == ""
    assert " to " in str(text.loc["multi-embedding, 4 sets", "change of test AUC"])
    assert "6 of 20 runs" in table.caption
    assert len(table.save(tmp_path)) == 3


@pytest.mark.parametrize(
    ("name", "cure"),
    [
        ("dcnv2-8", REFERENCE),
        ("dcnv2-2x4", "multi-embedding, 4 sets"),
        ("dcnv2-8,regularised=factor", "regularised DCNv2 (factor)"),
        ("dnn-8,table_penalty=vicreg,table_penalty_weight=0.5", "vicreg penalty, weight 0.5"),
    ],
)
def test_cures_in_words(name: str, cure: str) -> None:
    assert cure_of(model_config(name)) == cure
