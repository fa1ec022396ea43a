"""The file of `collapse truncate`: each table as two factors, or unchanged if these would not be smaller."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import safetensors.numpy
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.extras import require
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors
from collapse.io.blocks import Product, side_by_side
from collapse.io.readers.state import State
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.printable import path_text


@dataclass(frozen=True, kw_only=True, repr=False)
class Truncated:
    """A truncated table: E is replaced by left right, its best approximation of rank k (Eckart and Young)."""

    field: str
    """Name of the field."""
    set: int
    """Index of the set."""
    columns: int
    """Number of columns K."""
    k: int
    """Number k of directions that are kept: the fewest that hold the fraction of the energy."""
    energy: float
    """Fraction of the energy sum sigma^2 that they hold; 1 for a table of zeros."""
    left: NDArray[Any]
    """E V_k, shape (D, k), in the table's type."""
    right: NDArray[Any]
    """V_k^T, shape (k, K), with orthonormal rows, in the table's type."""

    def __repr__(self) -> str:
        return f"<Truncated {self.field!r}, set {self.set}: {self.k} of {self.columns} directions>"

    @property
    def bytes_before(self) -> int:
        """Size of the table in bytes."""
        return int(len(self.left) * self.columns * self.left.itemsize)

    @property
    def bytes_after(self) -> int:
        """Size in bytes of the factors, or of the table if it is not larger."""
        return min(self.bytes_before, int(self.left.nbytes + self.right.nbytes))

    @property
    def is_factored(self) -> bool:
        """Whether the factors are smaller than the table."""
        return self.bytes_after < self.bytes_before

    @property
    def table(self) -> NDArray[Any]:
        """The approximation of rank k, shape (D, K)."""
        product: NDArray[Any] = self.left @ self.right
        return product


FORMAT = "embedding-collapse factors"
_VERSION = 1


def check_can_write(path: Path) -> None:
    """Check that a file of factors can be written here, before any work is done.

    Raises
    ------
    CollapseError
        If the file does not end in .safetensors and torch is not installed.
    """
    if path.suffix != ".safetensors":
        require("torch", f"writing a file other than .safetensors ({path})")


def save_factors(path: Path, cut: Iterable[Truncated], *, source: TableSet, energy: float) -> None:
    """Write factors to a plain torch file or a .safetensors file. A failure leaves the old file unchanged.

    Parameters
    ----------
    path : Path
        The file to write. A name ending in ``.safetensors`` selects that format, which needs no torch.
    cut : iterable of Truncated
        The truncated tables.
    source : TableSet
        The tables that were truncated.
    energy : float
        Fraction of the energy that was requested.

    Raises
    ------
    CollapseError
        If the file cannot be written.

    Notes
    -----
    The torch file is a dictionary of strings, numbers and tensors, which ``torch.load(path, weights_only=True)``
    reads. ``tables`` has one entry per field and set, with ``field``, ``set``, ``k``, ``energy``, and either
    ``left`` (D, k) and ``right`` (k, K), whose product is the table, or ``table``. In a .safetensors file the
    arrays are named ``FIELD.SET.left`` and so on, and the metadata holds the entries as JSON.
    """
    tables = list(cut)
    entries = [{"field": each.field, "set": each.set, "k": each.k, "energy": each.energy} for each in tables]
    head = {"format": FORMAT, "model": source.name, "source": source.source}
    if path.suffix == ".safetensors":
        arrays = {_key(each, part): array for each in tables for part, array in _arrays(each).items()}
        metadata = {
            **head,
            "format_version": str(_VERSION),
            "energy": repr(energy),
            "tables": json.dumps(
                [entry | {"parts": list(_arrays(each))} for entry, each in zip(entries, tables, strict=True)]
            ),
        }
        with explain_os_errors("write", path), atomic_write(path) as file:
            file.write(safetensors.numpy.save(arrays, metadata))
        return
    import torch

    whole = [
        entry | {part: torch.from_numpy(array) for part, array in _arrays(each).items()}
        for entry, each in zip(entries, tables, strict=True)
    ]
    content = {**head, "format_version": _VERSION, "energy": energy, "tables": whole}
    with explain_os_errors("write", path), atomic_write(path) as file:
        torch.save(content, file)


def _key(cut: Truncated, part: str) -> str:
    return f"{cut.field}.{cut.set}.{part}"


def _arrays(cut: Truncated) -> dict[str, Any]:
    return {"left": cut.left, "right": cut.right} if cut.is_factored else {"table": cut.table}


def is_factors(content: Any) -> bool:
    """Return whether the content or metadata of a file describes such factors."""
    return isinstance(content, Mapping) and content.get("format") == FORMAT


def factors_of_state(state: State, path: Path) -> Mapping[str, Any]:
    """Convert the arrays of a .safetensors file of factors to the content of the torch file.

    Parameters
    ----------
    state : State
        The result of `read_safetensors`.
    path : Path
        The file.

    Raises
    ------
    CollapseError
        If the file is damaged.
    """
    try:
        entries = msgspec.json.decode(state.metadata["tables"], type=list[_Entry])
        tables = [
            {
                "field": entry.field,
                **{part: state.tensors[f"{entry.field}.{entry.set}.{part}"] for part in entry.parts},
            }
            for entry in entries
        ]
        version = int(state.metadata["format_version"])
    except (KeyError, ValueError) as error:
        raise CollapseError(f"{path} is damaged: {error}") from error
    return {**state.metadata, "format_version": version, "tables": tables}


class _Entry(msgspec.Struct):
    """Entry of a table in the metadata of a .safetensors file."""

    field: str
    set: int
    parts: list[str]


def read_factors(content: Any, path: Path) -> TableSet:
    """Read factors as tables.

    Returns
    -------
    TableSet
        The tables, which are multiplied on demand.

    Raises
    ------
    CollapseError
        If the file is damaged.
    """
    try:
        if content["format_version"] != _VERSION:
            raise ValueError(
                f"it has version {content['format_version']!r}, but this program reads version {_VERSION}"
            )
        fields: dict[str, list[Any]] = {}
        for entry in content["tables"]:
            table = entry["table"] if "table" in entry else Product(entry["left"], entry["right"])
            fields.setdefault(str(entry["field"]), []).append(table)
        tables = tuple(_table(field, sets) for field, sets in fields.items())
        name = f"{content['model']}, energy {float(content['energy']):g}"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CollapseError(f"{path} is damaged: {error}") from error
    if not tables:
        raise CollapseError(f"{path} is damaged: it contains no table")
    return TableSet(name=name, source=path_text(path), tables=tables, description={"read as": "factors"})


def _table(field: str, sets: Sequence[Any]) -> EmbeddingTable:
    return EmbeddingTable(field=field, E=side_by_side(sets), sizes=tuple(int(table.shape[1]) for table in sets))
