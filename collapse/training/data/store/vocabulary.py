"""Which values of encoded fields get a table row, and in which order."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from collapse.errors import CollapseError, shortened
from collapse.training.data.store.prepared import field_column
from collapse.training.data.store.schema import OOV_ID

GROUP = 1 << 20
"""Values that are sorted together. Small fields are grouped, because each sort has a fixed cost."""

_NONE = pl.Series([None], dtype=pl.String)
_FIRST = np.iinfo(np.int64).max

Counts = Mapping[str, NDArray[np.int64]]


def vocabulary_of(
    categories: Mapping[str, pl.Categories], counts: Counts, deciding: Counts, *, rows: int, min_count: int
) -> tuple[pl.DataFrame, list[NDArray[np.int32]], list[int]]:
    """Give ids to values that are frequent enough, the most frequent first, and the others the OOV id.

    Parameters
    ----------
    categories : mapping of str to pl.Categories
        Meaning of a field's codes.
    counts : mapping of str to numpy.ndarray
        Number of rows with each code, by field.
    deciding : mapping of str to numpy.ndarray
        The same for the rows that decide which values get an id, and in which order.
    rows : int
        Total number of rows.
    min_count : int
        Number of deciding rows that a value needs.

    Returns
    -------
    tuple of (pl.DataFrame, list of numpy.ndarray, list of int)
        ``field``, ``id``, ``value``, ``count``; the id of every code, by field; and the number of ids of every
        field.
    """
    parts, tables, cardinalities = [], [], []
    for kept in _groups(deciding, min_count):
        part, of_group = _numbered(kept, categories, counts, deciding, rows)
        parts.append(part)
        tables += of_group
        cardinalities += [1 + len(codes) for codes in kept.values()]
    return pl.concat(parts), tables, cardinalities


def _groups(deciding: Counts, min_count: int) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Yield the codes that get an id, by field, for groups of fields."""
    group: dict[str, NDArray[np.int64]] = {}
    size = 0
    for field, of_field in deciding.items():
        codes = np.flatnonzero(of_field >= min_count)
        if group and size + len(codes) > GROUP:
            yield group
            group, size = {}, 0
        group[field] = codes
        size += len(codes)
    yield group


def _numbered(
    kept: Counts, categories: Mapping[str, pl.Categories], counts: Counts, deciding: Counts, rows: int
) -> tuple[pl.DataFrame, list[NDArray[np.int32]]]:
    """Give ids to the values of some fields, after the out-of-vocabulary row, which has no value."""
    sizes = np.array([1 + len(codes) for codes in kept.values()])
    starts = np.cumsum(sizes) - sizes
    values: list[pl.Series] = []
    columns: dict[str, list[ArrayLike]] = {"code": [], "count": [], "deciding": []}
    for field, codes in kept.items():
        of_codes = counts[field][codes]
        texts = pl.Series(codes, dtype=pl.UInt32).cat.to(pl.Categorical(categories[field])).cast(pl.String)
        values += [_NONE, texts]
        columns["code"] += [[-1], codes]
        columns["count"] += [[rows - of_codes.sum()], of_codes]
        columns["deciding"] += [[_FIRST], deciding[field][codes]]
    part = pl.DataFrame(
        {
            "place": np.repeat(np.arange(len(sizes)), sizes),
            "value": pl.concat(values),
            **{name: np.concatenate(of_fields) for name, of_fields in columns.items()},
        }
    ).sort("place", "deciding", "value", descending=[False, True, False])
    codes = part["code"].to_numpy()
    tables = []
    for field, start, size in zip(kept, starts, sizes, strict=True):
        table = np.full(len(counts[field]), OOV_ID, dtype=np.int32)
        table[codes[start + 1 : start + size]] = np.arange(1, size)
        tables.append(table)
    ids = np.arange(len(part)) - np.repeat(starts, sizes)
    fields = field_column(list(kept), sizes)
    return pl.DataFrame([fields, pl.Series("id", ids, pl.Int32), part["value"], part["count"]]), tables


def check_several(vocabulary: pl.DataFrame, cardinalities: Sequence[int], min_count: int) -> None:
    """Refuse fields with the same id in all rows, which no model can use.

    Parameters
    ----------
    vocabulary : pl.DataFrame
        The vocabulary of all fields, as `vocabulary_of` returns it.
    cardinalities : sequence of int
        Number of its rows for each field.
    min_count : int
        Number of rows that a value needs.

    Raises
    ------
    CollapseError
        If there is such a field.
    """
    starts = np.cumsum([0, *cardinalities[:-1]])
    seen = np.add.reduceat(vocabulary["count"].to_numpy() > 0, starts, dtype=np.int64)
    single = starts[seen < 2]
    if not len(single):
        return
    names = vocabulary["field"].gather(single).to_list()
    counts, values = vocabulary["count"].gather(single), vocabulary["value"]
    rare = [name for name, count in zip(names, counts, strict=True) if count > 0]
    same = [name for name in names if name not in rare]
    reasons = []
    if rare:
        reasons.append(f"{_some(rare)} no value that occurs in {min_count} rows or more")
    if same:
        first = values[int(single[names.index(same[0])]) + 1]
        reasons.append(f"{_some(same)} the same value in all rows" + f", {shortened(first)}" * (len(same) == 1))
    raise CollapseError(
        f"no model can use a field with one value: {' and '.join(reasons)}: use --drop {','.join(names)}"
    )


def _some(names: Sequence[str]) -> str:
    """Return the first fields and their verb: ``a, b, c and 4 more have``."""
    shown = ", ".join(map(shortened, names[:3])) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{shown} {'has' if len(names) == 1 else 'have'}"
