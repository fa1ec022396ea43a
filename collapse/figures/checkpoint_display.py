"""Figures drawn from checkpoints."""

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
    """Keep nothing."""
    return compute()


class CheckpointDisplay(Display):
    """A figure of one or several checkpoints: `from_checkpoints` computes its table."""

    takes_one: ClassVar[bool] = False
    """Whether it draws one checkpoint alone."""
    needs_text_model: ClassVar[bool] = False
    """Whether a text model's token table is to be among its checkpoints."""

    @classmethod
    def from_checkpoints(cls, checkpoints: Sequence[FactoredTables], keep: Keep = computed) -> Self:
        """Compute the table.

        Parameters
        ----------
        checkpoints : sequence of FactoredTables
            The checkpoints to draw; each gets a label of its own, whatever they differ in.
        keep : callable, optional
            Called for every checkpoint with what its numbers depend on beside it, and with what computes them; it
            may return numbers that were kept.

        Returns
        -------
        Display
            Ready to be drawn.

        Raises
        ------
        CollapseError
            If the checkpoints cannot serve this figure; the sentence names what would.
        """
        tables = [
            with_provenance(keep(checkpoint, {}, partial(cls.compute, checkpoint)), checkpoint, label)
            for checkpoint, label in zip(checkpoints, cls.labelled(checkpoints), strict=True)
        ]
        return cls(pd.concat(tables, ignore_index=True))

    @classmethod
    def labelled(cls, checkpoints: Sequence[FactoredTables]) -> list[str]:
        """Return a label each, or refuse more than the figure draws."""
        if cls.takes_one and len(checkpoints) != 1:
            raise CollapseError(
                f"figure {cls.number} draws one checkpoint, and {len(checkpoints)} were given: name one"
            )
        return labels([checkpoint.tables for checkpoint in checkpoints])

    @classmethod
    @abstractmethod
    def compute(cls, checkpoint: FactoredTables) -> pd.DataFrame:
        """Compute the table of one checkpoint, without the columns of `PROVENANCE`."""

    @property
    def provenance(self) -> str:
        """What data, models, rows and seeds the numbers are from."""
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
    provenance = {"label": label, "model": tables.name, **described, "rows": checkpoint.rows}
    return pd.concat([pd.DataFrame(provenance, index=table.index), table], axis=1)
