"""Rows of 8- or 4-bit codes, each with a scale and a bias at its end, as FBGEMM stores them.

An int8 row ends with scale and bias as float32, an int4 row as float16, with two codes per byte, the first in the
low bits. Source: FBGEMM, FloatToFused8BitRowwiseQuantized and FloatToFusedNBitRowwiseQuantizedSBHalf.

Shapes: D rows, K columns.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from collapse.io.blocks import release
from collapse.io.decoded import DecodedTable, quantised

_PARAMETERS: dict[int, np.dtype[Any]] = {8: np.dtype("<f4"), 4: np.dtype("<f2")}
"""Type of the scale and the bias."""
_ROWS = 1 << 16
"""Rows that are encoded together."""


def row_bytes(columns: int, bits: int) -> int:
    """Return the bytes of a row."""
    return -(-columns * bits // 8) + 2 * _PARAMETERS[bits].itemsize


def encode_rows(E: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Quantise a table row by row.

    Parameters
    ----------
    E : (D, K) array
        The table. An odd number of columns is padded with zeros for 4 bits.
    bits : int
        8 or 4.

    Returns
    -------
    (D, row_bytes) array
        Codes, scale and bias of each row: x is about code * scale + bias.

    Raises
    ------
    ValueError
        If the table holds NaN or infinity, or for 4 bits a number beyond float16.
    """
    stored = np.empty((len(E), row_bytes(E.shape[1], bits)), np.uint8)
    for first in range(0, len(E), _ROWS):
        stored[first : first + _ROWS] = _encoded(np.asarray(E[first : first + _ROWS], np.float32), bits)
    return stored


def _encoded(E: NDArray[np.float32], bits: int) -> NDArray[np.uint8]:
    if not np.isfinite(E).all():
        raise ValueError("it holds NaN, infinity or a number beyond float32")
    low, high, top = E.min(axis=1, keepdims=True), E.max(axis=1, keepdims=True), np.float32(2**bits - 1)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        if bits == 8:
            scale, bias = (high - low) / top, low
            inverse = top / (high - low + np.float32(1e-8))
        else:
            bias = low.astype(np.float16)
            scale = ((high - bias.astype(np.float32)) / top).astype(np.float16)
            scale[scale <= 0] = 1
            if not (np.isfinite(bias).all() and np.isfinite(scale).all()):
                raise ValueError("it holds numbers beyond float16, which 4-bit rows have for their scale and bias")
            inverse = 1 / scale.astype(np.float32)
        shifted = (E - bias.astype(np.float32)) * inverse
    codes = np.clip(np.rint(shifted), 0, top).astype(np.uint8)
    if bits == 4:
        codes = np.pad(codes, ((0, 0), (0, codes.shape[1] % 2)))
        codes = codes[:, ::2] | codes[:, 1::2] << 4
    parameters = np.concatenate([scale, bias], axis=1, dtype=_PARAMETERS[bits])
    return np.concatenate([codes, parameters.view(np.uint8)], axis=1)


def decode_rows(stored: NDArray[np.uint8], bits: int, columns: int) -> DecodedTable:
    """Return the table of the result of `encode_rows`, decoded on demand.

    Raises
    ------
    ValueError
        If the shape does not fit.
    """
    if stored.dtype != np.uint8 or stored.ndim != 2 or stored.shape[1] != row_bytes(columns, bits):
        raise ValueError(
            f"an int{bits} table of {columns} columns has shape {stored.shape} and type {stored.dtype}"
        )
    width = 2 * _PARAMETERS[bits].itemsize
    parameters = np.ascontiguousarray(stored[:, -width:]).view(_PARAMETERS[bits]).astype(np.float32)
    codes = Codes(stored[:, :-width], bits, columns)
    return quantised(codes, parameters[:, 0], np.zeros(1), parameters[:, 1])


class Codes:
    """Codes of 8 or 4 bits, two in a byte, that are unpacked when they are read."""

    def __init__(self, stored: NDArray[np.uint8], bits: int, columns: int | None = None) -> None:
        self._stored, self._bits = stored, bits
        self.shape = (stored.shape[0], stored.shape[1] * 8 // bits if columns is None else columns)

    def __getitem__(self, rows: slice) -> NDArray[np.uint8]:
        return unpacked(self._stored[rows], self._bits)[:, : self.shape[1]]

    def release(self) -> None:
        """Free the memory of the mapped bytes."""
        release(self._stored)


def unpacked(stored: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Return one code per entry."""
    if bits == 8:
        return stored
    return np.stack([stored & 15, stored >> 4], axis=2).reshape(len(stored), -1)
