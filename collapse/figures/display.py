"""Base classes of figures: a tidy table, and a drawing of that table only."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar, Self

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from collapse.errors import CollapseError
from collapse.figures import style
from collapse.figures.readings import reading
from collapse.files.atomic import atomic_write
from collapse.files.csv_cells import plain_cells, write_csv
from collapse.files.opening import explain_os_errors, open_file
from collapse.printable import clipped

_NUMBERS_THAT_MAY_BE_MISSING = (
    "cardinality", "rows_trained", "ia", "ia_source", "ia_target", "ia_random", "ia_normalised", "ia_adjusted",
    "ia_per_k", "norm", "unitary_distance", "divergence", "div", "div_rank", "div_random",
    "test_auc", "test_logloss", "constant_logloss", "epoch", "train_loss", "validation_auc", "validation_logloss",
)  # fmt: skip
# Numbers exactly as written, which is the default from pandas 3.0.
_EXACTLY: dict[str, Any] = {"float_precision": "round_trip"} if int(pd.__version__.split(".")[0]) < 3 else {}
_MAY_BE_MISSING = {column: [""] for column in _NUMBERS_THAT_MAY_BE_MISSING}


@dataclass(frozen=True, kw_only=True)
class PanelLayout:
    """Arrangement of the panels of a figure."""

    mosaic: str | list[list[str]]
    """Argument of `matplotlib.figure.Figure.subplot_mosaic`."""
    size: tuple[float, float]
    """Width and height in inches."""
    ratios: Mapping[str, Any] = field(default_factory=dict)
    """``width_ratios`` and ``height_ratios``, if they differ."""

    @property
    def panels(self) -> list[str]:
        """Names of the panels, in the order in which `Display.plot` takes their axes."""
        rows = self.mosaic.splitlines() if isinstance(self.mosaic, str) else self.mosaic
        return [name for name in dict.fromkeys(cell for row in rows for cell in row) if name != "."]


def in_rows(panels: Sequence[str], most: int) -> list[list[str]]:
    """Arrange panels in rows of at most `most`, the last of which is filled up with empty places.

    Returns
    -------
    list of list of str
        Argument of `matplotlib.figure.Figure.subplot_mosaic`.
    """
    across = min(most, len(panels))
    rows = [list(panels[first : first + across]) for first in range(0, len(panels), across)]
    return [row + ["."] * (across - len(row)) for row in rows]


_LONGEST_NAME, _LONGEST_LINE = 40, 600
"""Longest name and longest line of a caption, in characters. Longer ones are cut, to keep the figure legible."""


def _shown(name: str, longest: int = _LONGEST_NAME) -> str:
    """Make a name drawable: escape dollar signs, which would begin a formula, and cut a long name."""
    return clipped(name, longest).replace("$", r"\$")


def _with_names_shown(table: pd.DataFrame) -> pd.DataFrame:
    texts = table.select_dtypes(exclude="number").columns
    return table.assign(
        **{name: table[name].map(lambda cell: _shown(cell) if isinstance(cell, str) else cell) for name in texts}
    )


class Display(ABC):
    """A figure; `plot` draws its table, which other constructors compute.

    Parameters
    ----------
    table : pandas.DataFrame
        The tidy table of the figure, with at least the columns of `columns`.
    """

    number: ClassVar[str] = ""
    """Number of the figure in the paper, from the catalogue."""
    paper: ClassVar[str] = ""
    """What the paper's figure shows, from the catalogue."""
    columns: ClassVar[tuple[str, ...]]
    """Columns that the drawing needs."""
    size: ClassVar[tuple[float, float]]
    """Width and height in inches."""
    legend_lines: ClassVar[int] = 1
    """Lines that a checkpoint takes in its legend; 0 without a legend."""
    mosaic: ClassVar[str] = "a"
    """Arrangement of its panels, for `matplotlib.figure.Figure.subplot_mosaic`; `layout` overrides it if it
    depends on the table."""

    def __init__(self, table: pd.DataFrame) -> None:
        missing = [column for column in self.columns if column not in table]
        if missing or table.empty:
            raise CollapseError(
                f"figure {self.number} cannot be drawn from this table: "
                + (f"it has no column {missing[0]!r}" if missing else "it is empty")
            )
        self.table = table
        self.derived = self.derive()
        """Numbers derived from the table that are drawn too, by name."""
        self.figure_: Figure | None = None
        self.axes_: list[Axes] = []

    @classmethod
    def from_csv(cls, path: Path) -> Self:
        """Read a table that `save` wrote, to draw the figure again without checkpoints.

        Raises
        ------
        CollapseError
            If the file cannot be read, or is not a table of this figure.
        """
        try:
            with open_file(path) as file:
                table = pd.read_csv(file, keep_default_na=False, na_values=_MAY_BE_MISSING, **_EXACTLY)
                return cls(plain_cells(table))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise CollapseError(f"{path} is not a table of figure {cls.number}: {error}") from error

    def derive(self) -> dict[str, pd.DataFrame]:
        """Compute derived numbers; `save` writes each table as a separate CSV file."""
        return {}

    def layout(self) -> PanelLayout:
        """Return the arrangement of the panels for this table."""
        return PanelLayout(mosaic=self.mosaic, size=self.size)

    def plot(self, axes: Sequence[Axes] | None = None, *, new_figure: Callable[..., Figure] = Figure) -> Self:
        """Draw the table.

        Parameters
        ----------
        axes : sequence of Axes, optional
            One per panel. Without them a figure is made.
        new_figure : callable
            Makes the figure, for example `matplotlib.pyplot.figure`, which notebooks show.

        Returns
        -------
        Display
            The figure itself, with ``axes_`` and ``figure_``.
        """
        with mpl.style.context(style.RC):
            self.axes_ = list(self._new_axes(new_figure) if axes is None else axes)
            self.figure_ = self.axes_[0].get_figure(root=True)
            with self._as_shown():
                self.draw(self.axes_)
            if axes is None and self.figure_ and (engine := self.figure_.get_layout_engine()):
                # The first layout leaves too little room for titles. The second, at drawing, is right.
                engine.execute(self.figure_)
        return self

    def _new_axes(self, new_figure: Callable[..., Figure]) -> list[Axes]:
        """Return the axes of a new figure with the caption."""
        layout = self.layout()
        lines = [_shown(line, _LONGEST_LINE) for line in self.caption.split("\n")]
        caption = style.wrapped("\n".join(lines), layout.size[0])
        height = layout.size[1] + style.CAPTION_LINE * caption.count("\n") + self._legend_height()
        figure = new_figure(figsize=(layout.size[0], height), layout="compressed")
        figure.supxlabel(caption, fontsize=6, color=style.REFERENCE)
        # Rows of names, or a string of letters; matplotlib's types do not accept the union.
        mosaic: Any = layout.mosaic
        return list(figure.subplot_mosaic(mosaic, **layout.ratios).values())

    def on_axes(self, ax: Axes | Sequence[Axes] | None = None) -> Any:
        """Draw the table on given axes, or on those of a new figure of pyplot, which notebooks show.

        Returns
        -------
        Axes or array of Axes
            The axes of a figure with one panel, or an array with one per panel.

        Raises
        ------
        CollapseError
            If there are not as many axes as panels.
        """
        if ax is None:
            import matplotlib.pyplot as plt

            self.plot(new_figure=plt.figure)
        else:
            axes = [ax] if isinstance(ax, Axes) else list(ax)
            panels = len(self.layout().panels)
            if len(axes) != panels:
                raise CollapseError(f"figure {self.number} has {panels} panels, but {len(axes)} axes were given")
            self.plot(axes)
        return self.axes_[0] if len(self.axes_) == 1 else np.array(self.axes_, dtype=object)

    def _repr_png_(self) -> bytes:
        content = BytesIO()
        figure = self.figure_ or self.plot().figure_
        assert figure is not None
        with mpl.style.context(style.RC):
            figure.savefig(content, format="png")
        return content.getvalue()

    @contextmanager
    def _as_shown(self) -> Iterator[None]:
        """Replace names in the tables by drawable ones for the duration of the block."""
        table, derived = self.table, self.derived
        self.table = _with_names_shown(table)
        self.derived = {name: _with_names_shown(each) for name, each in derived.items()}
        try:
            yield
        finally:
            self.table, self.derived = table, derived

    def _legend_height(self) -> float:
        """Return the height of a legend that lists every checkpoint, beyond the first."""
        count = self.table["label"].nunique() if "label" in self.table else 1
        return style.LEGEND_LINE * self.legend_lines * (count - 1)

    @abstractmethod
    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the table on given axes, one per panel. `plot` calls it with the style set."""

    @property
    def caption(self) -> str:
        """The reading, followed by the provenance."""
        return "\n".join(filter(None, (self.reading, self.provenance)))

    @property
    def reading(self) -> str:
        """What to see in the paper's figure, and what is seen here."""
        return reading(self.paper, self.here)

    @property
    def here(self) -> str:
        """What this figure shows, as a clause; empty if the numbers say nothing."""
        return ""

    @property
    @abstractmethod
    def provenance(self) -> str:
        """Where the numbers are from."""

    def save(self, folder: str | Path) -> list[Path]:
        """Draw the figure, and write it as PNG and PDF and its tables as CSV. No file is left half-written.

        Parameters
        ----------
        folder : str or Path
            Folder of the files, which is created if needed.

        Raises
        ------
        CollapseError
            If a file cannot be written.
        """
        folder = Path(folder)
        with explain_os_errors("write to", folder):
            folder.mkdir(parents=True, exist_ok=True)
        figure = self.plot().figure_
        assert figure is not None
        paths = [folder / f"figure-{self.number}.{suffix}" for suffix in ("png", "pdf", "csv")]
        for path in paths[:2]:
            with mpl.style.context(style.RC), atomic_write(path) as file:
                # Leave out the date, so that equal numbers give equal files.
                metadata: dict[str, Any] = {"CreationDate": None} if path.suffix == ".pdf" else {}
                figure.savefig(file, format=path.suffix[1:], metadata=metadata)
        numbers = {paths[2]: self.table}
        numbers |= {folder / f"figure-{self.number}-{name}.csv": table for name, table in self.derived.items()}
        for path, table in numbers.items():
            write_csv(path, table)
        return [*paths[:2], *numbers]


class StudyDisplay(Display):
    """A figure of many runs: one row per run, with its ``data``, the number of ``runs`` and the ``profile``."""

    @property
    def provenance(self) -> str:
        """Number of runs, data and profile."""
        first = self.table.iloc[0]
        return f"{first['runs']} runs on {', '.join(self.table['data'].unique())}; {first['profile']}"
