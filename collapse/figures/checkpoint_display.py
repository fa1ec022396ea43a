"""Figures of checkpoints."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Self

import pandas as pd

from collapse.analysis.factorised import FactoredTables
from collapse.analysis.several import labels
from collapse.errors import CollapseError
from collapse.figures.display import Display

Keep = Callable[[FactoredTables, Mapping[str, Any], Callable[[], pd.DataFrame]], pd.DataFrame]


def computed(_: FactoredTables, __: Mapping[str, Any], compute: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """Compute a result without storing it."""
    return compute()


class CheckpointDisplay(Display):
    """A figure of one or several checkpoints; `from_checkpoints` computes its table."""

    takes_one: ClassVar[bool] = False
    """Whether it draws only a single checkpoint."""
    needs_text_model: ClassVar[bool] = False
    """Whether a text model's token table must be among its checkpoints."""

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables], keep: Keep = computed) -> Self:
        """Compute the table of the figure.

        Parameters
        ----------
        checkpoints : sequence of FactoredTables
            The checkpoints to draw. Each gets a distinct label.
        keep : callable, optional
            Called for every checkpoint with the settings that its numbers depend on and a function that computes
            them. It may return stored numbers instead.

        Returns
        -------
        Display
            The figure, ready to be drawn.

        Raises
        ------
        CollapseError
            If the figure cannot be made from these checkpoints. The message says what is needed.
        """
        tables = [
            with_provenance(keep(checkpoint, {}, partial(cls.compute, checkpoint)), checkpoint, label)
            for checkpoint, label in zip(checkpoints, cls.labelled(checkpoints), strict=True)
        ]
        return cls(pd.concat(tables, ignore_index=True))

    @classmethod
    def labelled(cls, checkpoints: Sequence[FactoredTables]) -> list[str]:
        """Return one label per checkpoint, or refuse more checkpoints than the figure draws."""
        if cls.takes_one and len(checkpoints) != 1:
            raise CollapseError(
                f"figure {cls.number} draws a single checkpoint, but {len(checkpoints)} were given"
            )
        return labels([checkpoint.tables for checkpoint in checkpoints])

    @classmethod
    @abstractmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the table of one checkpoint, without the columns of `PROVENANCE`."""

    @property
    def provenance(self) -> str:
        """Data, models, rows and seeds of the numbers."""
        lines = self.table[list(PROVENANCE)].astype(str).drop_duplicates()
        profile = self.table["profile"].unique() if "profile" in self.table else ()
        return "\n".join(
            [
                *(
                    f"{row.label} on {row.data}, epoch {row.epoch}, seeds {row.seeds}, {row.rows} rows"
                    for row in lines.itertuples()
                ),
                *profile,
            ]
        )


PROVENANCE = ("label", "model", "data", "epoch", "seeds", "rows")


def with_provenance(table: pd.DataFrame, checkpoint: FactoredTables, label: str) -> pd.DataFrame:
    """Add the columns of `PROVENANCE` to a table.

    Returns
    -------
    pandas.DataFrame
        The columns of `PROVENANCE`, followed by the table.
    """
    tables = checkpoint.tables
    described = {key: tables.description.get(key, "unknown") for key in ("data", "epoch", "seeds")}
    provenance = {"label": label, "model": tables.name, **described, "rows": checkpoint.rows}
    return pd.concat([pd.DataFrame(provenance, index=table.index), table], axis=1)
