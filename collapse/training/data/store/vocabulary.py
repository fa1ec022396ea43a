"""Which values of encoded fields have a row of a table, in which order."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl
from numpy.typing import ArrayLike, NDArray

from collapse.errors import CollapseError, shortened
from collapse.training.data.store.prepared import field_column
from collapse.training.data.store.schema import OOV_ID

GROUP = 1 << 20
"""Values that are sorted at one time: fields of few are taken together, as each sort costs a fixed time."""

_NONE = pl.Series([None], dtype=pl.String)
_FIRST = np.iinfo(np.int64).max

Counts = Mapping[str, NDArray[np.int64]]


def vocabulary_of(
    categories: Mapping[str, pl.Categories], counts: Counts, deciding: Counts, *, rows: int, min_count: int
) -> tuple[pl.DataFrame, list[NDArray[np.int32]], list[int]]:
    """Give every value that is frequent enough an id, the most frequent first, and the others the OOV row's.

    Parameters
    ----------
    categories : mapping of str to pl.Categories
        What a field's codes stand for.
    counts : mapping of str to numpy.ndarray
        How many rows have a code, by field.
    deciding : mapping of str to numpy.ndarray
        The same of the rows that decide which values have an id, and in which order.
    rows : int
        All rows.
    min_count : int
        The deciding rows that a value needs.

    Returns
    -------
    tuple of (pl.DataFrame, list of numpy.ndarray, list of int)
        ``field``, ``id``, ``value``, ``count``; the id of every code, by field; and the ids of every field.
    """
    parts, tables, cardinalities = [], [], []
    for kept in _groups(deciding, min_count):
        part, of_group = _numbered(kept, categories, counts, deciding, rows)
        parts.append(part)
        tables += of_group
        cardinalities += [1 + len(codes) for codes in kept.values()]
    return pl.concat(parts), tables, cardinalities


def _groups(deciding: Counts, min_count: int) -> Iterator[dict[str, NDArray[np.int64]]]:
    """Yield the codes that have an id, by field, some fields at a time."""
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
    """Give the values of some fields their ids; the OOV row, which has no value, comes first in its field."""
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
    """Refuse a field with one id in all rows, which tells a model nothing.

    Parameters
    ----------
    vocabulary : pl.DataFrame
        Of all fields, as `vocabulary_of` returns it.
    cardinalities : sequence of int
        The rows that each field has in it.
    min_count : int
        The rows that a value needs.

    Raises
    ------
    CollapseError
        If there is one.
    """
    starts = np.cumsum([0, *cardinalities[:-1]])
    seen = np.add.reduceat(vocabulary["count"].to_numpy() > 0, starts, dtype=np.int64)
    single = starts[seen < 2]
    if not len(single):
        return
    names = vocabulary["field"].gather(single).to_list()
    rare = vocabulary["count"][int(single[0])] > 0
    why = (
        f"no value in {min_count} rows or more"
        if rare
        else f"one value in all rows, {shortened(vocabulary['value'][int(single[0]) + 1])}"
    )
    others = f", as have {len(names) - 1} more" if len(names) > 1 else ""
    raise CollapseError(
        f"field {shortened(names[0])} has {why}{others}: it tells nothing; leave it out with --drop "
        f"{','.join(names)}"
    )
