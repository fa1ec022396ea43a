"""A user's figures, next to the paper's items in a study."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Self

from collapse.errors import CollapseError
from collapse.figures.own import OwnDisplay
from collapse.figures.own_figure import OwnFigure
from collapse.paper.catalogue import catalogue
from collapse.paper.own_figures import figures_of, read_figures
from collapse.paper.own_table import own_table
from collapse.study.study import Study, StudyRun


@dataclass(frozen=True, kw_only=True)
class OwnItem:
    """A figure that a grid's file describes, of the finished runs in a study."""

    figure: OwnFigure
    """The description."""
    study: Study
    """The study."""

    @property
    def name(self) -> str:
        """Name of the figure."""
        return self.figure.name

    @cached_property
    def runs(self) -> tuple[StudyRun, ...]:
        """The finished runs of the study, of which the figure shows those that fit."""
        return self.study.finished

    @property
    def finished(self) -> int:
        """Number of finished runs."""
        return len(self.runs)

    @property
    def can_be_made(self) -> bool:
        """Whether there is a finished run."""
        return bool(self.runs)

    @property
    def lacks_data(self) -> bool:
        """Whether it is about data that the study does not have: never."""
        return False

    @property
    def command(self) -> str:
        """What trains missing runs: the sweep of the grid."""
        return "train its grid with `collapse sweep --config`"

    def with_finished_runs(self) -> Self:
        """Return the item itself if it can be made.

        Raises
        ------
        CollapseError
            If there are no finished runs.
        """
        if not self.can_be_made:
            raise CollapseError(f"{self.study.folder} has no finished run for {self.name}: {self.command}")
        return self

    def make(self) -> OwnDisplay:
        """Make the figure.

        Raises
        ------
        CollapseError
            If no run fits it.
        """
        table = own_table(self.figure, self.runs)
        shown = table["run"].nunique()
        data = ", ".join(dict.fromkeys(run.data for run in self.runs))
        return OwnDisplay.of(
            self.figure, table, f"{shown} of {self.finished} runs in {self.study.folder}, on {data}"
        )


def own_items(folder: Path, config: Path | None = None) -> dict[str, OwnItem]:
    """Return the figures that a study's grid describes, or another file.

    Parameters
    ----------
    folder : Path
        Folder of the study.
    config : Path, optional
        A file with ``[[figures]]`` to read instead of the grid's.

    Raises
    ------
    CollapseError
        If a figure is not described well, or has the name of an item of the paper.
    """
    found = figures_of(folder) if config is None else read_figures(config)
    for figure in found:
        if figure.name in catalogue() or figure.name == "all":
            raise CollapseError(
                f"the figure {figure.name} of a grid has the name of an item of the paper: rename it"
            )
    study = Study(folder)
    return {figure.name: OwnItem(figure=figure, study=study) for figure in found}
