"""Tables of many runs: our values next to the paper's, and missing runs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from collapse.errors import CollapseError
from collapse.figures.markdown import markdown_table
from collapse.paper.auc import PRINTED, auc_by_size, auc_of_runs
from collapse.paper.item import item_of, read_profile, record_profile
from collapse.paper.profiles import PROFILES, Profile
from collapse.paper.tables.abundance_table import abundance_table
from collapse.paper.tables.auc_tables import auc_table
from tests.conftest import Collapse
from tests.pretended import pretend, pretended
from tests.small_data import write_small_data


@pytest.fixture
def profile(small_data: Path) -> Profile:
    return Profile(name="smoke", content="", data=(str(small_data),), base_size=2, repeats=2, epochs=1)


@pytest.fixture
def papers(profile: Profile, tmp_path: Path) -> Profile:
    """Return a profile of two data sets with the names of the paper's."""
    names = ("criteo", "avazu")
    paths = [write_small_data(tmp_path / name, seed=seed, name=name) for seed, name in enumerate(names)]
    return replace(profile, data=tuple(map(str, paths)))


def test_means_deviations_and_gains_by_hand(papers: Profile, tmp_path: Path) -> None:
    item = pretended(tmp_path / "study", papers, "table-3")
    runs, means = auc_of_runs(item), auc_by_size(item)
    assert len(runs) == 18
    assert len(means) == 9
    [row] = means[(means["model"] == "dcnv2,depth=5") & (means["factor"] == 2)].to_dict("records")
    ours = runs[(runs["model"] == "dcnv2,depth=5") & (runs["factor"] == 2)]["test_auc"]
    base = runs[(runs["model"] == "dcnv2,depth=5") & (runs["factor"] == 1)]["test_auc"]
    assert row["runs"] == 2
    assert row["auc"] == pytest.approx(np.mean(ours))
    assert row["std"] == pytest.approx(np.std(ours, ddof=1))
    assert row["gain"] == pytest.approx(np.mean(ours) - np.mean(base))
    assert row["printed"] == 0.81345
    assert row["printed_gain"] == pytest.approx(0.81345 - 0.81337)
    assert row["difference"] == pytest.approx(row["auc"] - 0.81345)


@pytest.mark.parametrize("name", ["table-1", "table-2", "table-3"])
def test_the_papers_values_stand_next_to_no_other_data(name: str, profile: Profile, tmp_path: Path) -> None:
    record_profile(tmp_path, profile)
    item = item_of(tmp_path, name)
    made = abundance_table(item) if name == "table-2" else auc_table(pretend(item))
    assert made.numbers["printed"].isna().all()
    assert not any("paper" in str(column) or column == "difference" for column in made.text)
    assert "criteo" not in " ".join(map(str, made.text.to_numpy().ravel())).lower()


def test_the_papers_values_stand_next_to_their_data_set(papers: Profile, tmp_path: Path) -> None:
    means = auc_by_size(pretended(tmp_path / "study", papers, "table-1"))
    assert len(means) == 2 * 54
    assert means["printed"].notna().all()
    assert means["auc"].notna().all()
    assert means.groupby("order")["printed_data"].unique().map(list).to_dict() == {0: ["Criteo"], 1: ["Avazu"]}
    [row] = means[
        (means["order"] == 1) & (means["model"] == "dcnv2") & (means["variant"] == "ME") & (means["factor"] == 10)
    ].to_dict("records")
    printed = pd.read_csv(Path(str(Path(__file__).parents[1] / "collapse/paper/printed_auc.csv")))
    [there] = printed[
        (printed["table"] == 6)
        & (printed["model"] == "dcnv2")
        & (printed["variant"] == "ME")
        & (printed["factor"] == 10)
    ].to_dict("records")
    assert (row["printed"], row["printed_std"]) == (there["auc"], there["std"])


def test_what_is_missing_is_empty_and_told(papers: Profile, tmp_path: Path) -> None:
    item = pretended(tmp_path / "study", papers, "table-7", leave_out=2)
    means = auc_by_size(item)
    first = means.iloc[0]
    assert (first["model"], first["variant"], first["factor"]) == ("autoint", "SE", 1.0)
    assert np.isnan(first["auc"])
    assert first["printed"] == 0.81231
    assert means["printed"].dropna().tolist() == [0.81231, 0.81216, 0.81285]
    made = auc_table(item)
    texts = made.text
    assert texts.iloc[0]["ours"] == ""
    assert texts.iloc[0]["runs"] == "0"
    paths = made.save(tmp_path)
    assert [path.name for path in paths] == ["table-7.csv", "table-7.md", "table-7.tex"]
    assert "12 of 14 runs" in paths[1].read_text()
    assert item.command in paths[1].read_text()
    assert paths[2].read_text().count(r"\\") >= 8
    again = pd.read_csv(paths[0])
    assert again["auc"].tolist() == pytest.approx(means["auc"].tolist(), nan_ok=True)


@pytest.mark.parametrize("name", PRINTED)
def test_every_table_has_all_that_was_printed(name: str, papers: Profile, tmp_path: Path) -> None:
    record_profile(tmp_path / "study", papers)
    means = auc_by_size(pretend(item_of(tmp_path / "study", name)))
    expected = {"table-1": 108, "table-3": 9, "table-5": 54, "table-6": 54, "table-7": 3}
    assert means["printed"].notna().sum() == expected[name]


@pytest.mark.slow
def test_a_study_of_one_data_set_asks_for_no_runs_on_a_second(
    profile: Profile, tmp_path: Path, collapse: Collapse
) -> None:
    record_profile(tmp_path, profile)
    code, _, err = collapse("figures", tmp_path, "--figure", "13")
    assert (code, "shows a second data set" in err) == (2, True)
    code, out, _ = collapse("figures", tmp_path, "--figure", "all")
    assert code == 0
    assert "skipped 13: it shows a second data set" in out
    assert "0 of 0 runs" not in (tmp_path / "figures" / "index.html").read_text()
    assert "0 runs of" not in out


def test_a_folder_is_of_one_profile(profile: Profile, tmp_path: Path) -> None:
    record_profile(tmp_path / "a", profile)
    record_profile(tmp_path / "a", profile)
    assert read_profile(tmp_path / "a") == profile
    with pytest.raises(CollapseError, match=r"base_size .*--out"):
        record_profile(tmp_path / "a", replace(profile, base_size=3))
    for content, sentence in (("{}", "does not fit this version"), ("[", "is not a JSON file")):
        (tmp_path / "a" / "study.json").write_text(content)
        with pytest.raises(CollapseError, match=sentence):
            read_profile(tmp_path / "a")


def test_from_a_sweep_to_a_table(
    small_data: Path, tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    profile = replace(PROFILES["smoke"], name="test", data=(str(small_data),), base_size=2, epochs=1)
    monkeypatch.setitem(PROFILES, "test", profile)
    study = tmp_path / "study"
    assert collapse("figures", study, "--list")[0] == 2
    assert collapse("sweep", "2", "--profile", "test", "--out", study, "--jobs", 1)[0] == 0
    code, out, err = collapse("figures", study, "--list")
    assert (code, err) == (0, "")
    assert "2           1 of    1 runs" in out
    code, _, err = collapse("figures", study, "--figure", "table-7")
    assert (code, "collapse sweep table-7 --profile test" in err) == (2, True)
    code, out, err = collapse("figures", study, "--figure", "table-1")
    assert (code, err) == (0, "")
    assert "collapse sweep table-1 --profile test" in out
    assert (study / "figures" / "table-1.tex").exists()
    assert collapse("figures", study, "--figure", "99")[0] == 2
    assert collapse("figures", study)[0] == 2
    code, _, err = collapse("sweep", "2", "--profile", "test", "--out", study, "--base-size", 3)
    assert (code, "other settings" in err) == (2, True)


def test_columns_of_numbers_are_on_the_right() -> None:
    table = pd.DataFrame(
        {
            "field": ["C1", "C2"],
            "auc": ["0.75 ± 0.01", "0.7"],
            "change": ["+0.05 (-0.01 to +0.10)", ""],
            "rows": ["1,024", "7"],
            "size": ["10x", "50%"],
            "day": ["2013-01-02", "2013-01-03"],
            "unknown": ["", ""],
        }
    )
    rule = markdown_table(table).splitlines()[1]
    assert rule == "| --- | ---: | ---: | ---: | ---: | --- | --- |"
    assert markdown_table(table[:0]).splitlines()[1] == f"|{' --- |' * 7}"
