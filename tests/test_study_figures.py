"""Figures of many runs: the lines in them, and the result for an incomplete study."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.lines import Line2D
from scipy import stats

from collapse.analysis.settings import PAPER
from collapse.analysis.toy_settings import ToySettings
from collapse.errors import CollapseError
from collapse.figures.display import Display
from collapse.figures.regenerate import regenerate
from collapse.paper.catalogue import CATALOGUE, all_items, runs_of
from collapse.paper.item import Item, item_of, read_profile, record_profile
from collapse.paper.making import made_of
from collapse.paper.page import write_page
from collapse.paper.profiles import PROFILES, SIX, Profile, profile_of
from collapse.paper.render import Rendered
from collapse.paper.tables.abundance_table import abundance_table
from collapse.paper.tables.data_table import data_table
from collapse.study.execute import execute
from collapse.study.study import StudyRun
from collapse.training.runs.folder import RunFolder
from collapse.training.runs.paired import Predictions
from tests.conftest import Collapse
from tests.pretended import pretend, pretended
from tests.small_data import write_small_data

Study = Callable[..., Item]


def figure(item: Item) -> Display:
    """Make the figure of an item."""
    made = made_of(item)
    assert isinstance(made, Display)
    return made


@pytest.fixture
def profile(small_data: Path) -> Profile:
    return Profile(name="smoke", content="", data=(str(small_data),), base_size=2, repeats=3, epochs=1)


@pytest.fixture
def study(profile: Profile, tmp_path: Path) -> Study:
    return partial(pretended, tmp_path / "study", profile)


def lines(ax: Axes) -> dict[str, Line2D]:
    return {str(line.get_label()): line for line in ax.get_lines()}


def bands(ax: Axes) -> list[PolyCollection]:
    return [each for each in ax.collections if isinstance(each, PolyCollection)]


def xy(line: Line2D) -> "tuple[list[float], list[float]]":
    x, y = np.asarray(line.get_xydata()).T
    return x.tolist(), y.tolist()


def test_a_line_a_model_is_the_mean_of_its_seeds_and_the_band_its_interval(study: Study) -> None:
    item = study("1a")
    display = figure(item).plot()
    [ax] = display.axes_
    assert list(lines(ax)) == ["DNN", "IPNN", "NFwFM", "xDeepFM", "DCNv2", "FinalMLP"]
    multiples, means = xy(lines(ax)["DCNv2"])
    assert multiples == [1, 2, 3, 4, 10]
    # A seed more is a thousandth more, a size more three; DCNv2's 15 runs come after four models' 60.
    assert means == pytest.approx([0.7 + (60 + 3 * size + 1) / 1000 for size in range(5)])
    assert len(bands(ax)) == len(SIX)
    edges = bands(ax)[0].get_paths()[0].vertices
    interval = 2 * stats.t.ppf(0.975, 2) * 0.001 / np.sqrt(3)
    assert np.ptp(np.asarray(edges)[np.asarray(edges)[:, 0] == 1][:, 1]) == pytest.approx(interval)
    points = [each for each in ax.collections if isinstance(each, PathCollection)]
    assert sum(len(np.asarray(each.get_offsets())) for each in points) == 6 * 5 * 3
    assert "bands are 95 % intervals of" in display.caption


def test_runs_that_are_worse_than_a_constant_are_counted(study: Study) -> None:
    item = study("1a")
    assert "worse" not in figure(item).caption
    for number, run in enumerate(item.runs):
        # All pretend to a logloss of 0.5; that of a mean label of 0.1 is 0.33, and of one of a half 0.69.
        labels = np.arange(20) < (2 if number < 7 else 10)
        Predictions(labels=labels.astype(np.uint8), logits=np.zeros(20)).save(RunFolder(run.path).predictions)
    assert "7 of 90 runs have a test logloss worse" in figure(item).caption


def test_all_is_what_the_profile_asks_for(tmp_path: Path) -> None:
    """Flights has two models and leaves out items that need many more runs than the findings."""
    assert all_items(PROFILES["smoke"]) == tuple(CATALOGUE)
    flights = PROFILES["flights"]
    assert set(all_items(flights)) == set(flights.items) < set(CATALOGUE)
    runs = runs_of(["all"], flights)
    assert set(runs) == {run for name in flights.items for run in CATALOGUE[name].runs(flights)}
    assert len(set(runs) - set(CATALOGUE["findings"].runs(flights))) <= 5
    record_profile(tmp_path, flights)
    assert item_of(tmp_path, "findings").profile == flights


def test_a_study_recorded_with_former_names_of_settings_is_read(tmp_path: Path) -> None:
    flights = profile_of("flights")
    record_profile(tmp_path, flights)
    text = (tmp_path / "study.json").read_text()
    (tmp_path / "study.json").write_text(
        text.replace('"multiples"', '"factors"').replace('"fractions"', '"shares"')
    )
    assert read_profile(tmp_path) == flights


def test_one_seed_has_no_band(profile: Profile, tmp_path: Path) -> None:
    item = pretended(tmp_path, Profile(**{**vars(profile), "repeats": 1}), "1a")
    [ax] = figure(item).plot().axes_
    assert not bands(ax)


def test_lines_of_several_sets_begin_at_the_one_set_that_they_share(study: Study) -> None:
    [ax] = figure(study("10c")).plot().axes_
    drawn = {label: xy(line) for label, line in lines(ax).items()}
    assert list(drawn) == ["DCNv2", "DCNv2, interactions=shared", "DCNv2, interactions=aligned"]
    assert {tuple(x) for x, _ in drawn.values()} == {(1, 2, 3, 4, 10)}
    assert len({y[0] for _, y in drawn.values()}) == 1
    assert len({y[1] for _, y in drawn.values()}) == 3


def test_readings_are_of_the_means(study: Study, profile: Profile, tmp_path: Path) -> None:
    """Each size adds three thousandths, and sets come after the sizes of SE: 10x is 4 sizes above 1x."""
    assert "from 1x to 10x mean test AUC rises for 6 of 6 models, with changes of +0.0120 to +0.0120." in (
        figure(study("1a")).reading
    )
    several = figure(study("12")).reading
    assert "at 10x ME has the higher mean test AUC for 6 of 6 models, with differences from +0.0120 to" in several
    of_each = figure(study("10c")).reading
    assert re.search(r"changes by \+0\.\d{4} \(DCNv2\), \+0\.\d{4} \(DCNv2, interactions=shared\), ", of_each)
    one_size = pretended(tmp_path / "one", profile, "6b", leave_out=29)
    assert figure(one_size).reading == "Paper: DNN loses AUC as it grows."


def test_captions_of_regularised_runs_say_how_far_regularising_took(study: Study) -> None:
    item = study("5b")
    assert "unitary" not in figure(item).caption
    for run in item.runs:
        folder = RunFolder(run.path)
        distance = 0.2 if run.config.model.name.endswith("lambda") else 0.7
        metrics = pd.read_csv(folder.metrics).assign(unitary_distance=[0.9, distance, 0.8])
        metrics.to_csv(folder.metrics, index=False)
        folder.write_manifest({**folder.read_manifest(), "best_epoch": 2})
    summary = "distance of the projections from unitary ones: 0.70 (DCNv2), 0.20 (DCNv2, regularised=lambda)"
    assert summary in figure(item).caption


def test_a_panel_a_model_with_a_line_a_variant(study: Study) -> None:
    display = figure(study("12")).plot()
    assert [ax.get_title() for ax in display.axes_] == ["DNN", "IPNN", "NFwFM", "xDeepFM", "DCNv2", "FinalMLP"]
    for ax in display.axes_:
        single, multi = (xy(line) for line in ax.get_lines())
        assert single[0] == multi[0] == [1, 2, 3, 4, 10]
        assert single[1][0] == multi[1][0]
        assert single[1][1] != multi[1][1]


def test_two_seeds_are_two_curves_along_the_epochs(study: Study) -> None:
    display = figure(study("5b")).plot()
    by_size, loss, auc = display.axes_
    assert [line.get_label() for line in by_size.get_lines()] == ["DCNv2", "DCNv2, regularised=lambda"]
    for ax in (loss, auc):
        assert len(ax.get_lines()) == 2 * 3
        assert all(xy(line)[0] == [1, 2, 3] for line in ax.get_lines())
        assert ax.get_xlabel() == "epoch, at 10x"
        assert len({tuple(xy(line)[1]) for line in ax.get_lines()}) == 6


def test_a_study_that_lacks_runs_draws_what_it_has(profile: Profile, study: Study, tmp_path: Path) -> None:
    # Without the first three models' runs.
    display = figure(study("1a", leave_out=45)).plot()
    assert list(lines(display.axes_[0])) == ["xDeepFM", "DCNv2", "FinalMLP"]
    assert display.provenance.startswith("45 of 90 runs on small")
    record_profile(tmp_path / "none", profile)
    with pytest.raises(CollapseError, match="collapse sweep 1a --profile smoke --data"):
        figure(item_of(tmp_path / "none", "1a"))


def test_the_command_that_makes_the_rest_asks_for_the_same_study(
    study: Study, profile: Profile, tmp_path: Path
) -> None:
    assert "--seeds 3 --base-size 2 --epochs 1 --batch-size 2048 --out" in study("1a", leave_out=1).command
    fewer = pretended(tmp_path / "fewer", replace(profile, rows=0.1), "table-2")
    assert "--rows 0.1 --epochs 1 --batch-size 2048 --out" in fewer.command
    assert "K = 2 at 1x, enlarged 10x, 0.1 of the training rows" in fewer.summary
    shares = sorted({run.config.train_share for run in fewer.runs})
    assert shares == pytest.approx([fraction / 10 for fraction in fewer.profile.fractions])
    assert shares[-1] == profile_of("smoke", rows=0.1).rows
    for rows in (0, 1.5, float("nan")):
        with pytest.raises(CollapseError, match="greater than 0"):
            profile_of("smoke", rows=rows)


@pytest.mark.parametrize(
    "name", [name for name in CATALOGUE if name not in {"4", "11", "13", "table-6", "cures", "findings"}]
)
def test_every_item_is_made(name: str, profile: Profile, tmp_path: Path) -> None:
    """From real runs if it reads checkpoints; the others have their own tests or need more data."""
    record_profile(tmp_path, profile)
    item = item_of(tmp_path, name)
    if CATALOGUE[name].is_of_checkpoints:
        for run in item.runs:
            execute(run.config.as_dict(), str(run.path), device="cpu", threads=1)
    elif name != "table-2":
        pretend(item)
    else:
        execute(item.runs[0].config.as_dict(), str(item.runs[0].path), device="cpu", threads=1)
    paths = made_of(item).save(tmp_path / "figures")
    assert len(paths) >= 3
    assert all(path.stat().st_size for path in paths)


def test_along_training_a_line_is_an_initialisation(study: Study) -> None:
    """Every panel has all initialisations, with the numbers that each run recorded."""
    display = figure(study("along-training"))
    axes = display.plot().axes_
    assert [len(ax.get_lines()) for ax in axes] == [3, 3, 3, 3]
    assert xy(axes[0].get_lines()[0]) == ([1, 2, 3], [0.9, 0.8, 0.7])
    assert xy(axes[1].get_lines()[2]) == ([1, 2, 3], [0.1, 0.2, 0.3])
    assert len({str(line.get_color()) for line in axes[3].get_lines()}) == 1


def test_figure_11_takes_a_text_model(profile: Profile, tmp_path: Path, collapse: Collapse) -> None:
    record_profile(tmp_path / "study", profile)
    [run] = item_of(tmp_path / "study", "11").runs
    execute(run.config.as_dict(), str(run.path), device="cpu", threads=1)
    np.save(tmp_path / "text.npy", np.random.default_rng(0).standard_normal((50, 6)).astype(np.float32))
    words = ("figures", tmp_path / "study", "--figure", "11", "--text-model", tmp_path / "text.npy")
    code, _, err = collapse(*words)
    assert (code, err) == (0, "")
    drawn = pd.read_csv(tmp_path / "study" / "figures" / "figure-11.csv")
    assert drawn["label"].nunique() == 2


@pytest.mark.parametrize("kind", ["2", "10a"])
def test_what_was_computed_is_kept_beside_the_checkpoints(
    kind: str, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drawing a figure again reads no spectrum, and gives the same result."""
    record_profile(tmp_path, profile)
    item = item_of(tmp_path, kind)
    for run in item.runs:
        execute(run.config.as_dict(), str(run.path), device="cpu", threads=1)
    first = figure(item)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr("collapse.analysis.factorised.decompose", refuse)
    monkeypatch.setattr("collapse.figures.diversity.set_diversity", refuse)
    pd.testing.assert_frame_equal(figure(item).table, first.table)


@pytest.mark.parametrize("rows", [1.0, 0.7])
def test_table_2_is_the_mean_over_the_fields_beside_the_papers(
    rows: float, profile: Profile, tmp_path: Path
) -> None:
    data = write_small_data(tmp_path / "criteo", name="criteo")
    profile = replace(profile, rows=rows, data=(str(data),))
    record_profile(tmp_path / "study", profile)
    item = item_of(tmp_path / "study", "table-2")
    [run] = [
        run for run in item.runs if run.config.train_share == 0.3 * profile.rows and run.config.model.sets == 4
    ]
    execute(run.config.as_dict(), str(run.path), device="cpu", threads=1)
    table = abundance_table(item)
    numbers = table.numbers
    assert len(numbers) == 45
    assert sorted(set(numbers["train_share"])) == list(profile.fractions)
    assert list(numbers["embedding_size"][:9]) == [1, 2, 3, 4, 5, 6, 7, 8, 2]
    [row] = numbers[numbers["ia"].notna()].to_dict("records")
    assert (row["train_share"], row["variant"], row["printed_size"], row["printed"]) == (0.3, "ME", 40, 7.70)
    assert row["ia"] == pytest.approx(StudyRun(run.path).fields(PAPER)["ia"].mean())
    assert 1 <= row["ia_trained"] <= 8
    assert "1 of 45 runs" in table.caption
    assert list(table.text["ours"]).count("") == 44
    assert set(table.text["difference"]) == {""}
    same = replace(item, profile=replace(profile, base_size=10))
    assert set(abundance_table(same).numbers["embedding_size"]) == {5, 10, 15, 20, 25, 30, 35, 40}


def test_table_4_has_the_papers_rows_and_ours(profile: Profile, tmp_path: Path) -> None:
    record_profile(tmp_path, profile)
    table = data_table(item_of(tmp_path, "table-4"))
    assert list(table.text["data"]) == ["Criteo", "Avazu", "small"]
    assert list(table.text["rows"][:2]) == ["45,800,000", "40,400,000"]
    assert pd.isna(table.numbers["positive"][0])
    assert 0 < table.numbers["positive"][2] < 1


def test_all_that_there_is(study: Study, collapse: Collapse, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--figure all` skips items without runs, and says how to train them."""
    monkeypatch.setattr(
        "collapse.figures.toy.ToySettings", lambda: ToySettings(iterations=20, measure_every=10, seeds=2)
    )
    item = study("table-7")
    code, out, err = collapse("figures", item.folder, "--figure", "all")
    assert (code, err) == (0, "")
    assert "collapse sweep 8a" in out
    made = {path.name for path in (item.folder / "figures").glob("*.*")}
    page = (item.folder / "figures" / "index.html").read_text()
    # The study has one data set: what shows a second is not there.
    shown = [name for name in CATALOGUE if name not in ("13", "table-6")]
    assert sorted(re.findall(r'<(?:section|dialog|li) id="(.*?)"', page)) == sorted(shown)
    linked = {*re.findall(r'(?:src|href)="([^#"]*?\.\w+)"', page)} - {"https://arxiv.org/abs/2310.04400"}
    assert linked == made - {"index.html"}
    assert page.count("runs are missing. Train them with <code>collapse sweep ") == len(shown) - 4
    assert ">ME</td>" in page
    assert {"table-7.csv", "table-7.md", "table-7.tex", "table-4.tex", "figure-4.png"} <= made
    assert not [name for name in made if name.startswith(("figure-8a", "table-1"))]
    code, _, err = collapse("figures", item.folder, "--figure", "3z")
    assert (code, "'3z'" in err) == (2, True)
    code, _, err = collapse("analyze", "whatever.pt", "--figure", "8a")
    assert (code, "collapse figures STUDY --figure 8a" in err) == (2, True)


def test_reproduce(small_data: Path, tmp_path: Path, collapse: Collapse, only: Callable[..., None]) -> None:
    """From nothing to the page, and again without training; here for three items."""
    only("2", "7", "table-4")
    study = tmp_path / "study"
    words = ("reproduce", "--data", small_data, "--base-size", 1, "--jobs", 1, "--out", study)
    code, out, err = collapse(*words)
    assert (code, err) == (0, "")
    assert out.startswith("1 runs, 1 of them to train")
    assert out.endswith(f"figures/index.html\nnext: collapse findings {study}\n")
    page = (study / "figures" / "index.html").read_text()
    assert page.count("<dialog id=") == 2
    assert "missing" not in page[page.index("<main>") : page.index("</main>")]
    assert "K = 1 at 1x" in page
    code, out, err = collapse(*words)
    assert (code, err) == (0, "")
    assert out.startswith("1 runs, 0 of them to train")


@pytest.mark.slow
def test_the_script_does_the_same(
    small_data: Path,
    tmp_path: Path,
    only: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    only("2", "table-4")
    profile = Profile(name="test", content="", data=(str(small_data),), base_size=1, epochs=1)
    monkeypatch.setitem(PROFILES, "test", profile)
    page = regenerate("test", str(tmp_path / "study"))
    assert page == tmp_path / "study" / "figures" / "index.html"
    text = page.read_text()
    assert (text.count("<section "), text.count("<dialog id=")) == (1, 1)
    assert capfd.readouterr().out.startswith("dcnv2-10,epochs=1: 0.")


def test_a_page_shows_what_could_not_be_made_and_no_markup_of_a_name(study: Study, tmp_path: Path) -> None:
    item = study("1a")
    evil = Rendered(item=item, made=None, error=CollapseError("<script>alert(1)</script> & more"))
    page = write_page([evil], tmp_path, item.profile).read_text()
    assert "<script>alert" not in page
    assert "it could not be made: &lt;script&gt;" in page
