"""Figures drawn from the runs of a study."""

from abc import abstractmethod
from pathlib import Path
from typing import Self

import pandas as pd

from collapse.figures.display import Display
from collapse.study.item import Item


class StudyDisplay(Display):
    """A figure of many runs: `from_study` computes its table from those that are finished."""

    @classmethod
    def from_study(cls, item: Item, *, text_model: Path | None = None) -> Self:  # noqa: ARG003
        """Compute the table from an item's finished runs; see `Display.from_study`."""
        table = cls.compute(item.with_finished_runs())
        return cls(table.assign(runs=f"{item.finished} of {len(item.runs)}", profile=item.profile.told))

    @classmethod
    @abstractmethod
    def compute(cls, item: Item) -> pd.DataFrame:
        """Compute the table of an item that has finished runs: a row a run, with its ``data`` among others."""

    @property
    def provenance(self) -> str:
        """How many runs, of which data and profile."""
        first = self.table.iloc[0]
        return f"{first['runs']} runs on {', '.join(self.table['data'].unique())}; {first['profile']}"
