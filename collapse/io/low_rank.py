"""The file of `collapse truncate`: each table as two factors, or unchanged if these would not be smaller."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from collapse.errors import CollapseError
from collapse.extras import require
from collapse.files.atomic import atomic_write
from collapse.files.opening import explain_os_errors
from collapse.io.blocks import Product, as_array, side_by_side
from collapse.io.readers.state import State
from collapse.io.row_wise import decode_rows, encode_rows, row_bytes
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
    bits: Literal[16, 8, 4] | None = None
    """Bits per number of the rows that are stored: 16 for float16, 8 and 4 for codes with a scale and a bias per
    row. None keeps the table's type."""

    def __repr__(self) -> str:
        return f"<Truncated {self.field!r}, set {self.set}: {self.k} of {self.columns} directions>"

    @property
    def bytes_before(self) -> int:
        """Size of the table in bytes."""
        return int(len(self.left) * self.columns * self.left.itemsize)

    @property
    def bytes_after(self) -> int:
        """Size in bytes of what is stored: the factors, or the table if it is not larger."""
        return min(self._costs)

    @property
    def is_factored(self) -> bool:
        """Whether the factors are smaller than the table."""
        of_factors, of_table = self._costs
        return of_factors < of_table

    @property
    def _costs(self) -> tuple[int, int]:
        return stored_bytes(len(self.left), self.columns, self.k, itemsize=self.left.itemsize, bits=self.bits)

    @property
    def _stored_right(self) -> NDArray[Any]:
        # It is small, and its error would be in every row.
        return self.right.astype(np.float16) if self.bits == 16 else self.right

    @cached_property
    def parts(self) -> dict[str, NDArray[Any]]:
        """The arrays that are stored: ``left`` and ``right``, or ``table``.

        Raises
        ------
        CollapseError
            If a number is beyond float16.
        """
        if self.is_factored:
            return {"left": self._encoded(self.left), "right": self._stored_right}
        return {"table": self._encoded(self.left @ self.right)}

    def _encoded(self, rows: NDArray[Any]) -> NDArray[Any]:
        if self.bits is None:
            return rows
        try:
            if self.bits != 16:
                return encode_rows(rows, self.bits)
            with np.errstate(over="ignore"):
                half = rows.astype(np.float16)
            if not np.isfinite(half).all():
                raise ValueError("it holds numbers beyond float16")
        except ValueError as error:
            raise CollapseError(f"field {self.field!r} cannot be stored in {self.bits} bits: {error}") from error
        return half

    @property
    def table(self) -> NDArray[Any]:
        """What the stored parts stand for, shape (D, K): the approximation of rank k, rounded to the bits."""
        if self.bits is None:
            product: NDArray[Any] = self.left @ self.right
            return product
        return np.asarray(decoded(self.parts, self.bits, self.columns)[:], self.left.dtype)


def stored_bytes(D: int, K: int, k: int, *, itemsize: int, bits: int | None = None) -> tuple[int, int]:
    """Return the bytes of two factors of rank k, and those of a table.

    Parameters
    ----------
    D, K : int
        Rows and columns of the table.
    k : int
        Rank.
    itemsize : int
        Bytes per number of the table's type.
    bits : int, optional
        Bits of the rows, as in `Truncated`.
    """

    def row(columns: int) -> int:
        if bits in (8, 4):
            return row_bytes(columns, bits)
        return columns * (2 if bits == 16 else itemsize)

    return D * row(k) + k * K * (2 if bits == 16 else itemsize), D * row(K)


def decoded(parts: Mapping[str, Any], bits: int | None, columns: int) -> Any:
    """Return the table that stored parts stand for, which is decoded and multiplied on demand.

    Parameters
    ----------
    parts : mapping of str to array
        ``left`` and ``right``, or ``table``.
    bits : int or None
        Bits of the rows, as in `Truncated`.
    columns : int
        Number of columns K.

    Raises
    ------
    ValueError
        If shapes do not fit.
    """
    if "table" in parts:
        table = parts["table"]
        return decode_rows(as_array(table), bits, columns) if bits in (8, 4) else table
    left, right = parts["left"], parts["right"]
    if bits in (8, 4):
        return Product(decode_rows(as_array(left), bits, int(right.shape[0])), right)
    return Product(left, right)


FORMAT = "embedding-collapse factors"
_VERSION, _QUANTISED = 1, 2
"""Versions of the format: of plain numbers, and with rows of 8 or 4 bits."""


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
    entries = [_head(each) for each in tables]
    version = _QUANTISED if any("bits" in entry for entry in entries) else _VERSION
    head = {"format": FORMAT, "model": source.name, "source": source.source}
    if path.suffix == ".safetensors":
        arrays = {_key(each, part): array for each in tables for part, array in each.parts.items()}
        metadata = {
            **head,
            "format_version": str(version),
            "energy": repr(energy),
            "tables": json.dumps(
                [entry | {"parts": list(each.parts)} for entry, each in zip(entries, tables, strict=True)]
            ),
        }
        with explain_os_errors("write", path), atomic_write(path) as file:
            file.write(safetensors.numpy.save(arrays, metadata))
        return
    import torch

    whole = [
        entry | {part: torch.from_numpy(array) for part, array in each.parts.items()}
        for entry, each in zip(entries, tables, strict=True)
    ]
    content = {**head, "format_version": version, "energy": energy, "tables": whole}
    with explain_os_errors("write", path), atomic_write(path) as file:
        torch.save(content, file)


def _key(cut: Truncated, part: str) -> str:
    return f"{cut.field}.{cut.set}.{part}"


def _head(cut: Truncated) -> dict[str, Any]:
    entry: dict[str, Any] = {"field": cut.field, "set": cut.set, "k": cut.k, "energy": cut.energy}
    return entry | ({"bits": cut.bits, "columns": cut.columns} if cut.bits in (8, 4) else {})


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
                "bits": entry.bits,
                "columns": entry.columns,
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
    bits: Literal[8, 4] | None = None
    columns: int = 0


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
        if content["format_version"] not in (_VERSION, _QUANTISED):
            raise ValueError(
                f"it has version {content['format_version']!r}, but this program reads version {_QUANTISED}"
            )
        fields: dict[str, list[Any]] = {}
        for entry in content["tables"]:
            table = decoded(entry, entry.get("bits"), int(entry.get("columns", 0)))
            fields.setdefault(str(entry["field"]), []).append(table)
        tables = tuple(_table(field, sets) for field, sets in fields.items())
        name = f"{content['model']}, energy {float(content['energy']):g}"
    except (KeyError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise CollapseError(f"{path} is damaged: {error}") from error
    if not tables:
        raise CollapseError(f"{path} is damaged: it contains no table")
    return TableSet(name=name, source=path_text(path), tables=tables, description={"read as": "factors"})


def _table(field: str, sets: Sequence[Any]) -> EmbeddingTable:
    return EmbeddingTable(field=field, E=side_by_side(sets), sizes=tuple(int(table.shape[1]) for table in sets))
