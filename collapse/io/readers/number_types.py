"""Types of numbers that are read as others: extended, complex and 8-bit floats, and quantised tables.

A table keeps its bytes, and its rows are converted when they are read. The precision that is left is known to the
rank (`collapse.measures.precision`).
"""

from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np
from numpy.typing import NDArray

from collapse.io.checkpoint.schema import FLOATS, dtype_of
from collapse.io.decoded import DecodedTable, quantised
from collapse.io.row_wise import Codes, unpacked

_EIGHT_BITS = (
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e4m3",
    "float8_e4m3b11fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
)
_CHECKED = 1000
"""Rows that are looked at to tell how a table is quantised."""
_ZERO = np.zeros(1)
_FEW = 0.01
"""Share of these rows that may be odd, such as rows that were never written."""


def as_floats(tensors: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Convert matrices to types that tables have.

    Complex tables become real ones of twice the columns, the real parts before the imaginary ones: as a matrix
    over the real numbers, a table has the rows that a model looks up and multiplies.

    Parameters
    ----------
    tensors : mapping
        Tensors by name.

    Returns
    -------
    tensors : dict
        The same, with matrices of other types as tables that are converted when they are read.
    notes : tuple of str
        What was converted.
    """
    found, converted = dict(tensors), dict[str, list[str]]()
    parameters_of_rows: set[str] = set()
    for name, tensor in tensors.items():
        if (
            not isinstance(tensor, np.ndarray)
            or tensor.ndim != 2
            or 0 in tensor.shape
            or dtype_of(tensor) in FLOATS
        ):
            continue
        result, how = _table(name, tensor, tensors)
        if result is not None:
            found[name] = result
            converted.setdefault(how, []).append(name)
            parameters_of_rows |= {f"{name}_qscale", f"{name}_qbias"}
    kept = {name: tensor for name, tensor in found.items() if name not in parameters_of_rows}
    return kept, tuple(f"{how}: {', '.join(names)}" for how, names in converted.items())


def _table(name: str, tensor: NDArray[Any], tensors: Mapping[str, Any]) -> tuple[DecodedTable | None, str]:
    dtype = tensor.dtype
    if dtype.kind == "f" and dtype.name not in _EIGHT_BITS:
        table = _converted(tensor, np.float64, lambda rows: rows.astype(np.float64))
        return table, f"{dtype.name} was read as float64"
    if dtype.kind == "c":
        D, K = tensor.shape
        real = np.float32 if dtype.itemsize == 8 else np.float64
        return DecodedTable(
            (D, 2 * K),
            real,
            lambda first, last: np.concatenate([tensor[first:last].real, tensor[first:last].imag], axis=1),
            tensor,
        ), "complex numbers were read as twice as many real columns"
    if dtype.name in _EIGHT_BITS:
        info: Any = ml_dtypes.finfo(dtype)  # type: ignore[no-untyped-call]
        table = _converted(tensor, np.float32, lambda rows: rows.astype(np.float32))
        table.eps, table.spacing = float(info.eps), float(info.smallest_subnormal)
        return table, f"{dtype.name} was read as float32"
    if dtype == np.uint8 and (of_rows := _row_wise(name, tensor, tensors)) is not None:
        return of_rows
    return None, ""


def _converted(tensor: NDArray[Any], dtype: Any, convert: Callable[[NDArray[Any]], NDArray[Any]]) -> DecodedTable:
    shape = (tensor.shape[0], tensor.shape[1])
    return DecodedTable(shape, dtype, lambda first, last: convert(tensor[first:last]), tensor)


def _row_wise(name: str, tensor: NDArray[np.uint8], tensors: Mapping[str, Any]) -> tuple[DecodedTable, str] | None:
    """Dequantise a table of FBGEMM, TorchRec or torch, whose rows each have a scale and a bias.

    They are separate tensors (``weight_qscale``, ``weight_qbias``), or in its rows: as float32 at the end of
    int8 rows, or as float16 at the end or, in FBGEMM's inference kernels, at the start of int8 and int4 rows.
    Which of them it is, the codes tell: the smallest of a row is 0, and the largest the largest of its type.

    Source: https://docs.pytorch.org/FBGEMM, FusedRowwiseQuantizedSBFloat and IntNBitTableBatchedEmbeddingBags
    """
    scales, biases = tensors.get(f"{name}_qscale"), tensors.get(f"{name}_qbias")
    if scales is not None and biases is not None and _is_vector(scales, tensor) and _is_vector(biases, tensor):
        fits = [bits for bits in (8, 4) if _is_quantised(unpacked(tensor[:_CHECKED], bits), bits)]
        return (quantised(Codes(tensor, fits[0]), scales, _ZERO, biases), _said(fits[0])) if fits else None
    for bits, half, front in (
        (8, False, False),
        (8, True, False),
        (8, True, True),
        (4, True, False),
        (4, True, True),
    ):
        width = 4 if half else 8
        if tensor.shape[1] <= width:
            continue
        parameters, stored = (
            (tensor[:, :width], tensor[:, width:]) if front else (tensor[:, -width:], tensor[:, :-width])
        )
        pairs = np.ascontiguousarray(parameters).view("<f2" if half else "<f4").astype(np.float32)
        if _is_quantised(unpacked(stored[:_CHECKED], bits), bits) and _is_plausible(pairs[:_CHECKED], bits):
            return quantised(Codes(stored, bits), pairs[:, 0], _ZERO, pairs[:, 1]), _said(bits)
    return None


def _said(bits: int) -> str:
    return f"int{bits} with a scale for each row was read as float32"


def _is_vector(values: Any, tensor: NDArray[Any]) -> bool:
    return isinstance(values, np.ndarray) and values.dtype.kind == "f" and values.size == tensor.shape[0]


def _is_quantised(codes: NDArray[np.uint8], bits: int) -> bool:
    """Return whether the codes of nearly all rows reach from 0 to the largest, or are all equal."""
    top = 2**bits - 1
    least, most = codes.min(axis=1), codes.max(axis=1)
    # A scale that is rounded to float16 may leave the largest code one short.
    fits = ((least == 0) & (most >= top - 1)) | (least == most)
    return bool(np.mean(~fits) <= _FEW) and bool((most >= top - 1).any())


def _is_plausible(pairs: NDArray[np.float32], bits: int) -> bool:
    """Return whether scales are positive, and biases, the smallest numbers of their rows, not far beyond them."""
    scale, bias = pairs[:, 0], pairs[:, 1]
    with np.errstate(all="ignore"):
        fits = (
            np.isfinite(pairs).all(axis=1)
            & (scale >= 0)
            & (np.abs(bias) <= 1e4 * 2**bits * np.maximum(scale, 1e-30))
        )
    return bool(np.mean(~fits) <= _FEW)
