"""Singular values of tables of any length, exact, streamed.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K), or the rows of positive weight and K.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from collapse.measures.row_stream import RowStream, in_memory

_DIRECT_ROWS = 512
"""Rows up to which a table is decomposed by one SVD, which is as fast as passes over chunks."""
SQUARES = 1e-250, 1e250
"""Sums of squares between these neither over- nor underflow."""
_TAIL = 1e-6
"""Relative eigenvalue of the Gram matrix from which on a pass is trusted. Squaring halves the digits, so singular
values below 1e-3 of the first take another pass on their own subspace."""
_NOISE = 1e-26
"""Relative eigenvalue below which nothing but rounding is left, and no further pass helps: eps^2 is 5e-32."""
_WIDE = 40
"""Columns that a product is widened to with rows side by side: with fewer, `syrk` leaves vector units idle."""
_PARTIAL_SUMS = 4
"""Gram matrices summed separately, so that threads need not wait for each other; more would cost memory for wide
tables."""
_OWN_THREADS = 512
"""Columns above which the product library's threads are faster than ours."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """Singular values and right singular vectors of a table, E = U diag(sigma) V^T."""

    values: NDArray[np.float64]
    """sigma / scale, descending, shape (R,)."""
    V: NDArray[np.float64]
    """The right singular vectors, orthonormal columns, shape (K, R)."""
    scale: float = 1.0
    """A power of two; 1 unless squares of the entries over- or underflow."""

    @property
    def sigma(self) -> NDArray[np.float64]:
        """The singular values, descending, shape (R,); infinite where a double cannot hold them."""
        with np.errstate(over="ignore"):
            return self.values * self.scale

    @property
    def factor(self) -> NDArray[np.float64]:
        """The matrix R = diag(values) V^T, shape (R, K): scale^2 R^T R = E^T E.

        R A has the singular values of E A / scale for every A, so what is asked of a long table can be asked of
        its factor.
        """
        factor: NDArray[np.float64] = self.values[:, None] * self.V.T
        return factor


def singular_values(E: Any, *, weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Singular values of a table, in float64 whatever the table's type.

    Parameters
    ----------
    E : (D, K) array
        The table, floating: an array, a memory-mapped file, a torch tensor on any device, or anything that has a
        shape and gives its rows by slices.
    weights : (D,) array, optional
        Weights of the rows, from 0; those of diag(weights)^1/2 E are returned.

    Returns
    -------
    (R,) float64 array
        Descending, R = min(D, K).

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, or a row holds NaN or infinity; the message names the row.

    See Also
    --------
    decompose : How they are computed, and how exactly.

    Examples
    --------
    >>> import numpy as np
    >>> from collapse import singular_values
    >>> singular_values(np.diag([3.0, 4.0])).round(6).tolist()
    [4.0, 3.0]
    """
    return decompose(E, weights=weights).sigma


def decompose(E: Any, *, weights: NDArray[Any] | None = None) -> Spectrum:
    """Decompose a table in as many streaming passes as its spectrum needs: one, or two for a deep one.

    Parameters
    ----------
    E : (D, K) array
        The table, as `singular_values` takes it.
    weights : (D,) array, optional
        Weights of the rows, from 0.

    Returns
    -------
    Spectrum
        Singular values and right singular vectors.

    Raises
    ------
    ValueError
        If `E` is no matrix of numbers, the weights do not fit it, or a row holds NaN or infinity; the message
        names the row.

    Notes
    -----
    A pass accumulates G = E^T E in float64 and takes V L V^T = G. Squaring blurs what is small, so of its
    directions those with L >= 1e-6 max L are kept; a next pass streams Y = E V_T for the T directions below, whose
    Gram matrix is small throughout and so tells them apart, and so on until what is left is below 1e-13 sigma_max,
    the rounding of float64 itself. E has no row space outside of V, and V_T is orthogonal to what was kept, so the
    values of all passes are those of E.

    Singular values down to 1e-6 sigma_max are right to 1e-9 of themselves. A table in a shorter type has a noise
    floor of its own, which no decomposition can see below: `rounding_noise`.

    Chunks are read in fixed bounds into a fixed number of sums, so a table of up to 512 columns gives the same
    numbers every time, whatever the number of threads. A table with hardly more rows than columns is decomposed
    directly.
    """
    stream = RowStream(E, weights)
    with threads_for(stream.shape[1]) as threads:
        return _direct(stream) if is_short(*stream.shape) else decompose_passes(_StreamPasses(stream, threads))


def is_short(D: int, K: int) -> bool:
    """Tell whether a table has so few rows that it is decomposed directly."""
    return max(4 * K, _DIRECT_ROWS) >= D


class Passes(Protocol):
    """What the decomposition of a long table asks of it."""

    shape: tuple[int, int]
    """Its rows and columns."""
    rank_bound: int
    """The most singular values that can differ from zero."""
    scale: float
    """What its entries are divided by, a power of two."""

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (E B)^T (E B) in one pass."""

    def largest(self) -> float:
        """Return the largest entry by size, or raise ValueError with the row of one that is not finite."""


class _StreamPasses:
    """The passes over a table that is read here."""

    def __init__(self, stream: RowStream, threads: int) -> None:
        self._stream, self._threads = stream, threads
        self.shape, self.rank_bound, self.scale = stream.shape, stream.rank_bound, stream.scale

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        self._stream.scale = self.scale
        return gram(self._stream, basis, threads=self._threads)

    def largest(self) -> float:
        return self._stream.largest()


def decompose_passes(passes: Passes) -> Spectrum:
    """Decompose a long table, wherever its passes are made; `decompose` tells how.

    Parameters
    ----------
    passes : Passes
        The table; its scale is set where squares over- or underflow.

    Returns
    -------
    Spectrum
        Singular values and right singular vectors.

    Raises
    ------
    ValueError
        If a row holds NaN or infinity.
    """
    K = passes.shape[1]
    G = passes.gram(np.eye(K))
    if not SQUARES[0] < np.diagonal(G).max() < SQUARES[1]:
        passes.scale = _scale(passes.largest())
        G = passes.gram(np.eye(K))
    values: list[NDArray[np.float64]] = []
    vectors: list[NDArray[np.float64]] = []
    basis, noise = np.eye(K), 0.0
    while True:
        L, Q = (ordered[..., ::-1] for ordered in np.linalg.eigh(G))
        noise = noise or _NOISE * L[0]
        kept = int(np.count_nonzero(_TAIL * L[0] <= L)) if L[0] > noise else len(L)
        values.append(np.sqrt(np.maximum(L[:kept], 0)))
        vectors.append(basis @ Q[:, :kept])
        if kept == len(L):
            break
        basis = basis @ Q[:, kept:]
        G = passes.gram(basis)
    # The smallest that a pass keeps and the largest that the next one finds may change places by rounding.
    found, V = np.concatenate(values), np.hstack(vectors)
    order = np.argsort(-found, kind="stable")[: passes.rank_bound]
    return Spectrum(values=found[order], V=V[:, order], scale=passes.scale)


def _direct(stream: RowStream) -> Spectrum:
    exact = np.concatenate(list(stream.arrays()))
    scale = _scale(float(np.abs(exact).max()))
    _, values, Vt = np.linalg.svd(exact / scale, full_matrices=False)
    return Spectrum(values=values[: stream.rank_bound], V=Vt.T[:, : stream.rank_bound], scale=scale)


def _scale(largest: float) -> float:
    """Return a power of two near the largest entry, 1 for a table of zeros."""
    return float(2.0 ** np.clip(np.frexp(largest)[1], -1021, 1023)) if largest else 1.0


def gram(stream: RowStream, basis: NDArray[np.float64], *, threads: int) -> NDArray[np.float64]:
    """Add up the Gram matrix of a table under a map, (E B)^T (E B), in one pass.

    Parameters
    ----------
    stream : RowStream
        The table E, (D, K).
    basis : (K, T) array
        The map B; the identity costs nothing.
    threads : int
        How many chunks are multiplied at once.

    Returns
    -------
    (T, T) float64 array
        Symmetric; not finite where a row is not, or where squares overflow.
    """
    D, K = stream.shape
    if not basis.shape[1]:
        return np.zeros((0, 0))
    identity = basis.shape == (K, K) and bool((basis == np.eye(K)).all())
    # What a map makes of a chunk takes room too.
    rows = stream.rows_per_chunk if identity else max(1, stream.rows_per_chunk * K // (K + basis.shape[1]))
    starts = range(0, D, rows)
    # Sums of their own for threads, while they are few bytes beside the table.
    sums = min(int(np.clip(D // (40 * K), 1, _PARTIAL_SUMS)), len(starts))
    F = max(1, _WIDE // basis.shape[1])

    def of_chunk(start: int) -> Any:
        chunk = stream.chunk(start, rows)
        if isinstance(chunk, np.ndarray):
            return _wide_product(chunk if identity else chunk @ basis, F)
        Y = chunk if identity else chunk @ chunk.new_tensor(basis)
        return Y.T @ Y

    @np.errstate(all="ignore")  # what over- or underflows is seen on the diagonal, and done again to scale
    def partial(first: int) -> Any:
        # Chunk by chunk in a function of its own, so that one is gone before the next is made.
        total: Any = sum(of_chunk(start) for start in starts[first::sums])
        return _fold(total, F) if isinstance(total, np.ndarray) else in_memory(total)

    with ThreadPoolExecutor(min(sums, threads)) as pool:
        # A thread takes longer to start than a short table to read.
        totals = list(pool.map(partial, range(sums)) if sums > 1 else map(partial, range(sums)))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sum(totals, axis=0))


def _wide_product(Y: NDArray[np.float64], F: int) -> NDArray[np.float64]:
    """Multiply Y^T Y with F rows side by side, which `_fold` adds up: a product library is slow on ten columns."""
    whole = len(Y) - len(Y) % F
    wide = Y[:whole].reshape(-1, F * Y.shape[1])
    # NumPy knows a product with its own transpose, and lets the other thread run meanwhile.
    product = wide.T @ wide
    if whole < len(Y):
        rest = Y[whole:]
        product[: Y.shape[1], : Y.shape[1]] += rest.T @ rest
    return np.asarray(product)


def _fold(product: NDArray[np.float64], F: int) -> NDArray[np.float64]:
    """Add the diagonal blocks up."""
    columns = len(product) // F
    return np.asarray(np.einsum("fafb->ab", product.reshape(F, columns, F, columns)))


@contextmanager
def threads_for(columns: int) -> Iterator[int]:
    """Choose between threads of our own over chunks and the product library's within a product.

    The library's wait spinning for more work while ours compute, so that one of both kinds has to be alone: ours
    up to 512 columns.

    Parameters
    ----------
    columns : int
        The columns of the table.

    Yields
    ------
    int
        How many threads of our own to use.
    """
    if columns > _OWN_THREADS:
        yield 1
        return
    threads = max(library["num_threads"] for library in _blas().info() if library["user_api"] == "blas")
    with _blas().limit(limits=1, user_api="blas"):
        yield threads


@cache
def _blas() -> ThreadpoolController:
    # Finding the loaded libraries takes milliseconds, so it is done once.
    return ThreadpoolController()
