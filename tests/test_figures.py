"""Displays: the contract that all of them follow, and what each draws."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from collapse.analysis.factorised import FactoredTables, factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.toy_settings import ToySettings
from collapse.errors import CollapseError
from collapse.figures import style
from collapse.figures.checkpoint_display import PROVENANCE, CheckpointDisplay
from collapse.figures.display import Display
from collapse.io.field_maps import ProjectionMaps
from collapse.io.load import load
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.paper.catalogue import CATALOGUE, PANELS
from collapse.paper.item import Item
from collapse.paper.making import display_class, display_of, made_of
from collapse.paper.profiles import Profile
from collapse.training.models.registry import model_config
from tests.pretended import pretended
from tests.small_data import write_small_data

Factored = Callable[..., list[FactoredTables]]


@pytest.fixture
def factored(trained: dict[str, Path]) -> Factored:
    """Return a function that factors trained checkpoints by name."""
    return lambda *names: [factorise(load(trained[name]), AnalysisSettings()) for name in names]


# What a display draws in the tests of its contract; one checkpoint of DCNv2 where nothing is said.
ALL: dict[str, type[Display]] = {
    name: display_class(name) for name, entry in {**CATALOGUE, **PANELS}.items() if entry.draw
}
SERVED_BY = {"10a": ["dcnv2-8", "dcnv2-4x2"], "10b": ["dcnv2-4x2"], "10d": ["dcnv2-4x2"], "14": ["ffm-2"]}


def write_layers(folder: Path) -> None:
    """Write what `train --monitor layers` records."""
    rows = [
        {
            "epoch": epoch, "step": 9 * epoch, "layer": layer, "rows": 40, "size": 8, "ia": 1.5 + epoch,
            "effective_rank": 2.0, "mean_cosine": 0.5,
        }
        for epoch in range(3)
        for layer in ("embedding.0", "head.mlp.0")
    ]  # fmt: skip
    pd.DataFrame(rows).to_csv(folder / "layers.csv", index=False)


@pytest.fixture
def item(small_data: Path, tmp_path: Path) -> Callable[..., Item]:
    """Return a function that returns an item of a study on two data sets, with runs that count as finished."""
    other = write_small_data(tmp_path / "other", seed=1)
    profile = Profile(name="smoke", content="", data=(str(small_data), str(other)), base_size=2, repeats=2)
    return partial(pretended, tmp_path / "study", profile)


@pytest.fixture
def made(
    display: type[Display],
    factored: Factored,
    trained: dict[str, Path],
    item: Callable[..., Item],
    monkeypatch: pytest.MonkeyPatch,
) -> Display:
    """Return a display made from suitable input."""
    if display.number == "4":
        monkeypatch.setattr(
            "collapse.figures.toy.ToySettings", lambda: ToySettings(iterations=20, measure_every=10, seeds=2)
        )
    if not issubclass(display, CheckpointDisplay):
        found = made_of(item(display.number))
        assert isinstance(found, Display)
        return found
    if display.number == "layers":
        write_layers(trained["dcnv2-4"].parent)
    checkpoints = factored(*SERVED_BY.get(display.number, ["dcnv2-4"]))
    if display.needs_text_model:
        text = np.random.default_rng(0).standard_normal((50, 6))
        table = EmbeddingTable(field="token", E=text, sizes=(6,))
        checkpoints.append(
            factorise(TableSet(name="text", source="text.npy", tables=(table,)), AnalysisSettings())
        )
    return display.from_checkpoints(checkpoints)


def covered(display: Display) -> list[tuple[str, str]]:
    """Return the parts of different panels, and the caption, that share more than a few pixels or are cut off."""
    figure = display.plot().figure_
    assert figure is not None
    figure.draw_without_rendering()
    boxes: dict[str, Any] = {"caption": figure._supxlabel.get_window_extent()}  # type: ignore[attr-defined]
    for n, ax in enumerate(figure.axes):
        parts: dict[str, Any] = {"title": ax.title, "legend": ax.get_legend()}
        if ax.axison:
            parts |= {"x": ax.xaxis, "y": ax.yaxis}
        found = {name: part.get_tightbbox() for name, part in parts.items() if part} | {"area": ax.bbox}
        drawn = {name: box for name, box in found.items() if box and 0 < box.width < np.inf}
        boxes |= {f"{n} {name}": box for name, box in drawn.items()}
    cut = [(name, "outside") for name, box in boxes.items() if box.y1 > figure.bbox.y1 + 2 or box.y0 < -2]
    pairs = [(a, b) for a, b in combinations(boxes, 2) if a.split()[0] != b.split()[0]]
    shared = {(a, b): Bbox.intersection(boxes[a], boxes[b]) for a, b in pairs}
    return cut + [pair for pair, box in shared.items() if box and min(box.width, box.height) > 3]


@pytest.mark.parametrize("display", ALL.values(), ids=ALL.keys())
class TestContract:
    """Every display: constructors, drawing on given axes, files, and drawing again from its table."""

    def test_it_says_what_it_shows(self, display: type[Display], made: Display) -> None:
        assert display.number in ALL
        assert ({**CATALOGUE, **PANELS})[display.number].shows
        assert set(display.columns) <= set(made.table)
        assert made.caption == f"{made.reading}\n{made.provenance}"
        if display.number == "4":
            assert "seeds 2" in made.provenance
            assert "bands reach from the smallest to the largest" in made.provenance
        elif display.number == "7":
            assert "each box is a part" in made.caption
        elif not issubclass(display, CheckpointDisplay):
            of_study = r"\d+ of \d+ runs on .*; K = 2 at 1x, .* 2 initialisations .* \(profile smoke\)"
            assert re.match(of_study, made.provenance)
        else:
            assert set(PROVENANCE) <= set(made.table)
            assert re.match(".* on small, epoch [12], seeds 0/0/0, (all|trained|validation) rows", made.provenance)

    @pytest.mark.slow
    def test_nothing_covers_anything(self, display: type[Display], made: Display) -> None:
        assert display.number in ALL
        assert covered(made) == []

    def test_its_caption_begins_with_what_to_see(self, display: type[Display], made: Display) -> None:
        """It says what the paper shows and what was found here, and no value is missing."""
        begins = {
            "7": "Every set has its own",
            "along-training": "Not in the paper. Here, from epoch 1 to 3: ",
            "layers": "Not in the paper. Here, ",
        }
        said = made.reading
        assert said.startswith(begins.get(display.number, "Paper: "))
        assert said.endswith(".")
        assert "nan" not in said
        if said.startswith("Paper: "):
            assert re.fullmatch(r"Paper: .+\. Here: .*\d.*\.", said)

    def test_it_draws_on_given_axes_and_returns_itself(self, display: type[Display], made: Display) -> None:
        figure = Figure()
        axes = [figure.add_subplot(1, 12, place) for place in range(1, len(made.layout().panels) + 1)]
        assert made.plot(axes) is made
        assert made.axes_ == axes
        assert made.figure_ is figure
        assert all(ax.has_data() for ax in axes)

    def test_its_table_draws_it_again(self, display: type[Display], made: Display, tmp_path: Path) -> None:
        """The CSV alone gives the same bytes."""
        paths = made.save(tmp_path / "first")
        ends = [".png", ".pdf", ".csv", *(f"-{name}.csv" for name in made.derived)]
        assert [path.name for path in paths] == [f"figure-{display.number}{end}" for end in ends]
        again = display.from_csv(paths[2]).save(tmp_path / "again")
        for first, second in zip(paths, again, strict=True):
            assert first.read_bytes() == second.read_bytes()

    def test_all_that_is_drawn_is_within_its_axes(self, display: type[Display], made: Display) -> None:
        for ax in made.plot().axes_:
            left, right = sorted(ax.get_xlim())
            low, high = sorted(ax.get_ylim())
            lowest = -np.inf if ax.get_yscale() == "log" else low
            for line in ax.get_lines():
                xy = np.asarray(line.get_xydata())
                if line.get_transform() != ax.transData or not len(xy):
                    continue
                assert (xy[:, 0] >= left - 1e-9).all()
                assert (xy[:, 0] <= right + 1e-9).all()
                assert (xy[:, 1] >= lowest - 1e-9).all()
                assert (xy[:, 1] <= high + 1e-9).all()

    def test_drawing_computes_nothing(self, display: type[Display], made: Display) -> None:
        """All numbers were computed when the display was made."""
        made.derive = None  # type: ignore[assignment, method-assign]
        made.compute = None  # type: ignore[attr-defined]
        assert made.plot().axes_

    def test_another_table_is_refused(self, display: type[Display], tmp_path: Path) -> None:
        (tmp_path / "other.csv").write_text("a,b\n1,2\n")
        with pytest.raises(CollapseError, match=f"figure {display.number} cannot be drawn .* has no column"):
            display.from_csv(tmp_path / "other.csv")
        (tmp_path / "empty.csv").write_text("")
        with pytest.raises(CollapseError, match="table of figure"):
            display.from_csv(tmp_path / "empty.csv")


def test_an_unknown_figure_lists_those_there_are() -> None:
    with pytest.raises(CollapseError, match=r"'99'.* 1b \(.* 2 \(.* 3 \("):
        display_of("99")


class TestSpectrum:
    def test_a_line_a_field_and_dashes_for_the_base_size(self, factored: Factored) -> None:
        """Compared with NumPy's singular values."""
        large, base = factored("dcnv2-8", "dcnv2-4")
        display = display_of("1b").from_checkpoints([large, base]).plot()
        lines = display.axes_[0].get_lines()
        assert [line.get_linestyle() for line in lines] == ["--"] * 3 + ["-"] * 3
        for line, table in zip(lines, (*base.tables, *large.tables), strict=True):
            sigma = np.linalg.svd(trained_rows(table), compute_uv=False)
            np.testing.assert_allclose(np.asarray(line.get_ydata(), np.float64), sigma / sigma[0], rtol=1e-6)
        assert display.axes_[0].get_yscale() == "log"

    def test_a_single_size_is_not_dashed(self, factored: Factored) -> None:
        display = display_of("1b").from_checkpoints(factored("dcnv2-4")).plot()
        assert {line.get_linestyle() for line in display.axes_[0].get_lines()} == {"-"}


def trained_rows(table: EmbeddingTable) -> NDArray[np.float64]:
    assert table.row_counts is not None
    return np.asarray(table.E, np.float64)[table.row_counts > 0]


class TestAbundance:
    def test_points_in_the_order_of_cardinality(self, factored: Factored) -> None:
        """Compared with NumPy's singular values."""
        both = factored("dcnv2-4", "dcnv2-8")
        display = display_of("2").from_checkpoints(both).plot()
        ax = display.axes_[0]
        labels = [label.get_text() for label in ax.get_xticklabels()]
        assert labels == ["colour  6", "shape  41", "customer  301"]
        for line, each in zip(ax.get_lines(), both, strict=True):
            spectra = [np.linalg.svd(trained_rows(table), compute_uv=False) for table in each.tables]
            np.testing.assert_allclose(
                np.asarray(line.get_ydata(), np.float64), [sigma.sum() / sigma[0] for sigma in spectra], rtol=1e-6
            )
        levels = [
            c for c in ax.collections if isinstance(c, LineCollection) and str(c.get_label()).startswith("random")
        ]
        drawn = [segment[0, 1] for level in levels for segment in level.get_segments()]
        np.testing.assert_allclose(drawn, display.table["ia_random"])
        assert [text.get_text() for text in ax.get_legend().get_texts()][:2] == ["DCNv2 SE 4", "DCNv2 SE 8"]  # type: ignore[union-attr]


@pytest.mark.parametrize("display", [display_of("1b"), display_of("2")])
def test_two_seeds_of_one_model_are_two_colours(display: type[CheckpointDisplay], factored: Factored) -> None:
    """They have different lines and legend entries."""
    (first,) = factored("dcnv2-4")
    settings = {**first.tables.settings, "seeds.order": "1"}
    second = replace(first, tables=replace(first.tables, settings=settings))
    made = display.from_checkpoints([first, second]).plot()
    legend = made.axes_[0].get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names[:2] == ["DCNv2 SE 4, order seed 0", "DCNv2 SE 4, order seed 1"]
    colours = {line.get_color() for line in made.axes_[0].get_lines()}
    assert len(colours) == 2
    assert {line.get_linestyle() for line in made.axes_[0].get_lines()} <= {"-", "None"}


@pytest.mark.parametrize("display", [display_of("1b"), display_of("2")])
def test_long_labels_leave_room_for_the_drawing(
    display: type[CheckpointDisplay], factored: Factored, tmp_path: Path
) -> None:
    """Labels are wrapped, in fewer columns: the legend is inside the figure, and saving gives no warning."""
    (first,) = factored("dcnv2-4")
    name = "dcnv2-4x2,interactions=aligned,cross_layers=8,regularised=lambda,penalty_weight=0.0001"
    settings = {**first.tables.settings, "seeds.order": "1"}
    runs = [
        replace(first, tables=replace(first.tables, name=name, settings=each))
        for each in (first.tables.settings, settings)
    ]
    made = display.from_checkpoints(runs)
    made.save(tmp_path)
    figure = made.figure_
    assert figure is not None
    legend = made.axes_[0].get_legend()
    assert legend is not None
    box = legend.get_window_extent()
    assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1
    assert made.axes_[0].get_position().height > 0.2


@pytest.mark.parametrize("count", range(1, 8))
def test_a_legend_is_inside_its_figure(count: int) -> None:
    with plt.rc_context(style.RC):  # type: ignore[arg-type]
        figure, ax = plt.subplots(figsize=(style.COLUMN, 3), layout="constrained")
        ax.set_ylabel("an axis that is labelled")
        handles = [ax.plot([0, 1], label=f"DCNv2 SE {10 * n}")[0] for n in range(count)]
        style.legend_above(ax, handles, columns=3)
        figure.draw_without_rendering()
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_window_extent().x1 <= figure.bbox.x1
    plt.close(figure)


@pytest.mark.parametrize("number", ["2", pytest.param("3a", marks=pytest.mark.slow), "16"])
def test_not_all_of_many_fields_are_named(number: str) -> None:
    """One name per field would widen the picture without limit and take most of the time."""
    fields, K = 210, 2
    random = np.random.default_rng(0)
    tables = tuple(EmbeddingTable(field=f"f{i}", E=random.normal(size=(3, K)), sizes=(K,)) for i in range(fields))
    maps = ProjectionMaps(layer=0, set=0, W=np.eye(fields * K), sizes=(K,) * fields)
    many = TableSet(name="many", source="many.pt", tables=tables, field_maps=(maps,))
    display = display_of(number).from_checkpoints([factorise(many, AnalysisSettings())]).plot()
    named = [label.get_text() for ax in display.axes_ for label in ax.get_xticklabels() if label.get_text()]
    assert 100 < len([name for name in named if name.startswith("f")]) <= 200
    assert display.figure_ is not None
    assert display.figure_.get_figwidth() < 25
    assert len(display.table["field" if number == "2" else "source"].unique()) == fields


@given(text=st.text("ab ,=x4%", max_size=80), characters=st.integers(1, 30))
def test_wrapped_lines_fit_and_lose_only_spaces(text: str, characters: int) -> None:
    lines = style.wrapped_lines(text, characters).splitlines()
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(len(line) <= characters for line in lines)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("DCNv2 ME 4 x 4, interactions=shared", ["DCNv2 ME", "4 x 4,", "interactions=", "shared"]),
        ("DCNv2 ME 10 x 4", ["DCNv2 ME", "10 x 4"]),
        ("these bands are 95 % intervals", ["these bands", "are 95 %", "intervals"]),
        ("a run with K = 10 at 1x", ["a run with", "K = 10 at 1x"]),
        ("one two three four five", ["one two three", "four five"]),
        ("a" * 20, ["a" * 14, "a" * 6]),
    ],
)
def test_names_break_where_a_reader_would_break_them(text: str, lines: list[str]) -> None:
    assert style.wrapped_lines(text, 14).splitlines() == lines


def test_the_lines_of_a_caption_are_about_equally_long() -> None:
    caption = "K = 4 at 1x, enlarged 10x, at most 2 epochs of batches of 64, 5 initialisations (profile small)"
    first, second = style.wrapped_lines(caption, 90).splitlines()
    assert abs(len(first) - len(second)) < 10


@pytest.mark.slow
@pytest.mark.parametrize("number", ["3", "10b", "16"])
@pytest.mark.parametrize("fields", [2, 30])
def test_heatmaps_with_long_names_cover_nothing(number: str, fields: int) -> None:
    sets, K = (2 if number == "10b" else 1), 2
    random = np.random.default_rng(0)
    tables = tuple(
        EmbeddingTable(field=f"the field of number {i}", E=random.normal(size=(3, K * sets)), sizes=(K,) * sets)
        for i in range(fields)
    )
    maps = tuple(
        ProjectionMaps(layer=0, set=m, W=random.normal(size=(fields * K, fields * K)), sizes=(K,) * fields)
        for m in range(sets)
    )
    many = TableSet(name="many", source="many.pt", tables=tables, field_maps=maps)
    assert covered(display_of(number).from_checkpoints([factorise(many, AnalysisSettings())])) == []


class TestSubEmbeddings:
    def test_the_heatmap_and_the_sums_by_ascending_abundance(self, factored: Factored) -> None:
        display = display_of("3").from_checkpoints(factored("dcnv2-4")).plot()
        heat, by_source, by_target = display.axes_
        raw = display.table.drop_duplicates("source").set_index("source")["ia_source"].sort_values()
        assert [label.get_text() for label in heat.get_yticklabels()] == list(raw.index)
        assert [label.get_text() for label in heat.get_xticklabels()] == list(raw.index)
        (mesh,) = (c for c in heat.collections if isinstance(c, QuadMesh))
        matrix = display.table.pivot_table(index="source", columns="target", values="ia").loc[raw.index, raw.index]
        np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(3, 3), matrix)
        for ax, axis in ((by_source, 1), (by_target, 0)):
            (points,) = (c for c in ax.collections if isinstance(c, PathCollection))
            np.testing.assert_allclose(np.asarray(points.get_offsets())[:, 1], matrix.to_numpy().sum(axis=axis))

    def test_it_takes_one_checkpoint(self, factored: Factored) -> None:
        with pytest.raises(CollapseError, match="figure 3 .*2"):
            display_of("3").from_checkpoints(factored("dcnv2-4", "dcnv2-8"))


def test_a_folder_that_cannot_be_written_is_named(factored: Factored, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    display = display_of("1b").from_checkpoints(factored("dcnv2-4"))
    with pytest.raises(CollapseError, match="file/in"):
        display.save(tmp_path / "file" / "in")
    assert isinstance(display.table, pd.DataFrame)


def test_the_schematic_sets_the_names_of_tables_as_formulas() -> None:
    display = display_class("7").from_models([model_config("dcnv2-10"), model_config("dcnv2-10x2")]).plot()  # type: ignore[attr-defined]
    texts = {text.get_text() for ax in display.axes_ for text in ax.texts}
    assert {"$E_{1}$", "$E_{3}$", "$E_{2}^{(2)}$"} <= texts
    assert not [text for text in texts if "\\$" in text]
