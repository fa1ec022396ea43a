"""The file of `collapse truncate`: every table as two factors, or as it was where these would not be smaller."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from collapse.analysis.readers.blocks import Product, side_by_side
from collapse.analysis.truncation import Truncated
from collapse.errors import CollapseError
from collapse.files import atomic_write, explained
from collapse.tables import EmbeddingTable, TableSet
from collapse.visible import path_text

FORMAT = "embedding-collapse factors"
_VERSION = 1


def save_factors(path: Path, cut: Iterable[Truncated], *, source: TableSet, energy: float) -> None:
    """Write factors as a plain torch file, whole or not at all.

    Parameters
    ----------
    path : Path
        The file.
    cut : iterable of Truncated
        The tables.
    source : TableSet
        What was cut.
    energy : float
        The share of the energy that was asked for.

    Raises
    ------
    CollapseError
        If it cannot be written.

    Notes
    -----
    A dictionary of strings, numbers and tensors, which ``torch.load(path, weights_only=True)`` reads: under
    ``tables`` an entry a field and set with ``field``, ``set``, ``k``, ``energy``, and either ``left`` (D, k) and
    ``right`` (k, K), whose product is the table, or ``table``.
    """
    import torch

    entries = [
        {
            "field": each.field,
            "set": each.set,
            "k": each.k,
            "energy": each.energy,
            **{name: torch.from_numpy(array) for name, array in _arrays(each).items()},
        }
        for each in cut
    ]
    content = {
        "format": FORMAT,
        "format_version": _VERSION,
        "model": source.name,
        "source": source.source,
        "energy": energy,
        "tables": entries,
    }
    with explained("write", path), atomic_write(path) as file:
        torch.save(content, file)


def _arrays(cut: Truncated) -> dict[str, Any]:
    return {"left": cut.left, "right": cut.right} if cut.is_factored else {"table": cut.table}


def is_factors(content: Any) -> bool:
    """Tell whether what a torch file holds are such factors."""
    return isinstance(content, dict) and content.get("format") == FORMAT


def read_factors(content: Any, path: Path) -> TableSet:
    """Read factors as the tables that they make.

    Parameters
    ----------
    content : Any
        What the file holds.
    path : Path
        The file.

    Returns
    -------
    TableSet
        The tables, multiplied where they are looked at.

    Raises
    ------
    CollapseError
        If the file is damaged.
    """
    try:
        if content["format_version"] != _VERSION:
            raise ValueError(f"it has version {content['format_version']!r}, and this reads {_VERSION}")
        fields: dict[str, list[Any]] = {}
        for entry in content["tables"]:
            table = entry["table"] if "table" in entry else Product(entry["left"], entry["right"])
            fields.setdefault(str(entry["field"]), []).append(table)
        tables = tuple(_table(field, sets) for field, sets in fields.items())
        name = f"{content['model']}, energy {float(content['energy']):g}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CollapseError(f"{path} is damaged: {error}") from error
    if not tables:
        raise CollapseError(f"{path} is damaged: it holds no table")
    return TableSet(name=name, source=path_text(path), tables=tables, description={"read as": "factors"})


def _table(field: str, sets: Sequence[Any]) -> EmbeddingTable:
    return EmbeddingTable(field=field, E=side_by_side(sets), sizes=tuple(int(table.shape[1]) for table in sets))
