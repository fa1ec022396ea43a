"""Writing the figures and tables of a study into one folder."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from collapse.errors import CollapseError
from collapse.figures.display import Display
from collapse.figures.study_table import StudyTable
from collapse.paper.catalogue import catalogue
from collapse.paper.item import Item, PaperStudy
from collapse.paper.making import made_of
from collapse.paper.own_items import OwnItem


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """Result for an item."""

    item: Item | OwnItem
    """The item in its study."""
    made: Display | StudyTable | None
    """Its figure or table; None if it could not be made."""
    paths: tuple[Path, ...] = ()
    """The files that were written."""
    error: CollapseError | None = None
    """Why it could not be made; None if runs are missing."""

    @property
    def study(self) -> Path:
        """Folder of the study."""
        return self.item.study.folder if isinstance(self.item, OwnItem) else self.item.folder

    @property
    def missing(self) -> int:
        """Number of missing runs."""
        return len(self.item.runs) - self.item.finished

    @property
    def title(self) -> str:
        """``Figure 8a``, ``Table 1`` or ``Findings``; the name of a user's figure."""
        if isinstance(self.item, OwnItem):
            return f"Figure {self.item.name}"
        kind, _, number = self.item.name.rpartition("-")
        if not kind:
            return number.capitalize() if number.isalpha() else f"Figure {number}"
        return f"{kind.capitalize()} {number}"

    @property
    def content(self) -> str:
        """What the item shows."""
        if isinstance(self.item, OwnItem):
            return self.item.figure.content
        return catalogue()[self.item.name].shows

    @property
    def caption(self) -> str:
        """The caption."""
        return self.made.caption if self.made else ""

    @property
    def picture(self) -> str:
        """File name of the image; empty for a table."""
        return next((path.name for path in self.paths if path.suffix == ".png"), "")

    @property
    def rows(self) -> list[list[str]]:
        """Cells of a table with the headings first; none for a figure."""
        if not isinstance(self.made, StudyTable):
            return []
        text = self.made.text
        return [[str(heading) for heading in text.columns], *text.astype(str).to_numpy().tolist()]


def render(
    study: PaperStudy | Path,
    names: Iterable[str],
    folder: Path,
    *,
    text_model: Path | None = None,
    own: Mapping[str, OwnItem] | None = None,
) -> Iterator[Rendered]:
    """Make and write items of a study one after another.

    Parameters
    ----------
    study : PaperStudy or Path
        The study, or its folder.
    names : iterable of str
        The items.
    folder : Path
        Folder of the files.
    text_model : Path, optional
        Text model for Figure 11.
    own : mapping of str to OwnItem, optional
        A user's figures by name.

    Yields
    ------
    Rendered
        One per item. An item that cannot be made does not stop the others.

    Raises
    ------
    CollapseError
        If the folder is not a study, or an item does not exist.
    """
    of_paper = study if isinstance(study, PaperStudy) else PaperStudy(study)
    for name in names:
        item = own[name] if own and name in own else of_paper.item(name)
        if not item.can_be_made:
            yield Rendered(item=item, made=None)
            continue
        try:
            made = item.make() if isinstance(item, OwnItem) else made_of(item, text_model=text_model)
            paths = made.save(folder)
        except CollapseError as error:
            yield Rendered(item=item, made=None, error=error)
        else:
            yield Rendered(item=item, made=made, paths=tuple(paths))
