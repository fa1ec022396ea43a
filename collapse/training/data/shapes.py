"""The shape of a data set, also of one that is not there: rows and cardinalities, for plans."""

from dataclasses import dataclass
from pathlib import Path

from collapse.errors import CollapseError
from collapse.training.data.load import is_prepared, load_data
from collapse.training.data.sources.synthetic.settings import SyntheticSettings, parse_synthetic

_FLIGHTS_ROWS = 327_346
_FLIGHTS = (
    13, 32, 366, 8, 20, 61, 1007, 1142, 17, 3489, 3870, 4, 104, 220, 210, 48, 5, 37, 125, 6, 49, 8, 170, 150, 89,
    456, 39, 37, 38, 57, 22,
)  # fmt: skip
"""Cardinalities of all flights; a fraction of them has fewer values."""


@dataclass(frozen=True, kw_only=True)
class DataShape:
    """Rows and cardinalities of a data set."""

    rows: int
    """Number of rows."""
    cardinalities: tuple[int, ...]
    """Cardinalities D_i of the fields."""
    is_there: bool
    """Whether the data set is prepared. Otherwise the numbers are those of the published set or of its
    settings."""


def shape_of(name_or_path: str | Path) -> DataShape:
    """Return the shape of a data set without preparing it.

    Parameters
    ----------
    name_or_path : str or Path
        As `load_data` takes it. A folder that does not exist stands for Criteo or Avazu if its name contains that
        of the set: Table 4 of the paper has their sizes.

    Raises
    ------
    CollapseError
        If nothing is known of the data set.
    """
    if is_prepared(name_or_path):
        data = load_data(name_or_path)
        return DataShape(rows=data.rows, cardinalities=tuple(data.schema.cardinalities), is_there=True)
    name = str(name_or_path)
    kind, _, fraction = name.partition(":")
    if kind == "flights":
        return DataShape(rows=round(_FLIGHTS_ROWS * float(fraction or 1)), cardinalities=_FLIGHTS, is_there=False)
    settings = parse_synthetic(name)
    if settings is None:
        published = next((each for each in ("criteo", "avazu") if each in Path(name).name.lower()), None)
        if published is None:
            raise CollapseError(
                f"{name!r} is not prepared, and its size is unknown: prepare it with `collapse prepare`, or "
                "pass a "
                "folder whose name contains criteo or avazu"
            )
        settings = SyntheticSettings(shape=published)  # type: ignore[arg-type]
    return DataShape(rows=settings.drawn_rows, cardinalities=tuple(settings.cardinalities), is_there=False)
