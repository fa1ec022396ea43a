"""What every figure is: a tidy table, and a drawing of nothing else."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import matplotlib as mpl
import matplotlib.style
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from collapse.analysis.factors import FactoredTables
from collapse.analysis.labels import labels
from collapse.errors import CollapseError
from collapse.figures import style
from collapse.files import atomic_write, explained


class Display(ABC):
    """A figure of the paper: `from_checkpoints` computes its table, `plot` draws the table.

    Parameters
    ----------
    table : pandas.DataFrame
        The tidy table behind the figure, the columns of `columns` among others.
    """

    number: ClassVar[str]
    """The figure's number in the paper."""
    content: ClassVar[str]
    """What it shows, in a line."""
    columns: ClassVar[tuple[str, ...]]
    """The columns that the drawing needs."""
    size: ClassVar[tuple[float, float]]
    """Width and height in inches."""
    takes_one: ClassVar[bool] = False
    """Whether it draws one checkpoint alone."""
    mosaic: ClassVar[str] = "a"
    """The arrangement of its panels, as `matplotlib.figure.Figure.subplot_mosaic` takes it."""

    def __init__(self, table: pd.DataFrame) -> None:
        missing = [column for column in self.columns if column not in table]
        if missing or table.empty:
            raise CollapseError(
                f"figure {self.number} cannot be drawn from this table: "
                + (f"it lacks the column {missing[0]!r}" if missing else "it is empty")
            )
        self.table = table
        self.figure_: Figure | None = None
        self.axes_: list[Axes] = []

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables]) -> Self:
        """Compute the table.

        Parameters
        ----------
        checkpoints : sequence of FactoredTables
            The checkpoints to draw; each gets a label of its own, whatever they differ in.

        Returns
        -------
        Display
            Ready to be drawn.

        Raises
        ------
        CollapseError
            If the checkpoints cannot serve this figure; the sentence names what would.
        """
        if cls.takes_one and len(checkpoints) != 1:
            raise CollapseError(
                f"figure {cls.number} draws one checkpoint, and {len(checkpoints)} were given: name one"
            )
        names = labels([checkpoint.tables for checkpoint in checkpoints])
        tables = [
            with_provenance(cls.compute(checkpoint), checkpoint, label)
            for checkpoint, label in zip(checkpoints, names, strict=True)
        ]
        return cls(pd.concat(tables, ignore_index=True))

    @classmethod
    @abstractmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the table of one checkpoint, without the columns of `PROVENANCE`."""

    @classmethod
    def from_csv(cls, path: Path) -> Self:
        """Take the table that `save` wrote, to draw the figure again without any checkpoint.

        Parameters
        ----------
        path : Path
            A table of this figure.

        Returns
        -------
        Display
            Ready to be drawn.

        Raises
        ------
        CollapseError
            If the file cannot be read or is no table of this figure.
        """
        try:
            with explained("read", path):
                return cls(pd.read_csv(path, keep_default_na=False, na_values={"cardinality": [""]}))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
            raise CollapseError(f"{path} is not a table of figure {cls.number}: {error}") from error

    def plot(self, axes: Sequence[Axes] | None = None) -> Self:
        """Draw the table.

        Parameters
        ----------
        axes : sequence of Axes, optional
            One a panel; a figure is made where none are given.

        Returns
        -------
        Display
            Itself, with ``axes_`` and ``figure_``.
        """
        with mpl.style.context(style.RC):
            if axes is None:
                figure = Figure(figsize=self.size, layout="constrained")
                axes = list(figure.subplot_mosaic(self.mosaic).values())
                figure.supxlabel(style.wrapped(self.caption, self.size[0]), fontsize=6, color=style.REFERENCE)
            self.axes_ = list(axes)
            self.figure_ = axes[0].get_figure(root=True)
            self.draw(self.axes_)
        return self

    @abstractmethod
    def draw(self, axes: Sequence[Axes]) -> None:
        """Draw the table on given axes, one a panel; `plot` calls it in the house style."""

    @property
    def caption(self) -> str:
        """What data, models, rows and seeds the numbers are from."""
        lines = self.table[list(PROVENANCE)].astype(str).drop_duplicates()
        return "\n".join(
            f"{row.label} on {row.data}, epoch {row.epoch}, seeds {row.seeds}, {row.rows} rows"
            for row in lines.itertuples()
        )

    def save(self, folder: Path) -> list[Path]:
        """Draw, and write a PNG, a PDF and the table as CSV, each whole or not at all.

        Parameters
        ----------
        folder : Path
            Where to; made if it is not there.

        Returns
        -------
        list of Path
            The three files.

        Raises
        ------
        CollapseError
            If a file cannot be written.
        """
        with explained("write to", folder):
            folder.mkdir(parents=True, exist_ok=True)
        figure = self.plot().figure_
        assert figure is not None
        paths = [folder / f"figure-{self.number}.{suffix}" for suffix in ("png", "pdf", "csv")]
        for path in paths[:2]:
            with mpl.style.context(style.RC), atomic_write(path) as file:
                # No clock time inside: the same numbers give the same file.
                metadata: dict[str, Any] = {"CreationDate": None} if path.suffix == ".pdf" else {}
                figure.savefig(file, format=path.suffix[1:], metadata=metadata)
        with atomic_write(paths[2]) as file:
            file.write(self.table.to_csv(index=False, lineterminator="\n").encode())
        return paths


PROVENANCE = ("label", "model", "data", "epoch", "seeds", "rows")


def with_provenance(table: pd.DataFrame, checkpoint: FactoredTables, label: str) -> pd.DataFrame:
    """Put the columns that say where numbers are from before a table.

    Parameters
    ----------
    table : pandas.DataFrame
        Numbers of one checkpoint.
    checkpoint : FactoredTables
        The checkpoint.
    label : str
        What it is called in the figure.

    Returns
    -------
    pandas.DataFrame
        The table behind the columns of `PROVENANCE`.
    """
    tables = checkpoint.tables
    described = {key: tables.description.get(key, "unknown") for key in ("data", "epoch", "seeds")}
    provenance = {"label": label, "model": tables.name, **described, "rows": checkpoint.choices.rows}
    return pd.concat([pd.DataFrame(provenance, index=table.index), table], axis=1)
