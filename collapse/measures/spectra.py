"""Exact singular values of tables of any length, in streaming passes.

Shapes: D rows of a table (cardinality), K columns, R = min(D, K) or the smaller of K and the rows of positive
weight.
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
"""Tables of up to this many rows are decomposed by one SVD, where passes over chunks gain nothing."""
SQUARES = 1e-250, 1e250
"""Sums of squares in this range neither overflow nor underflow."""
_TAIL = 1e-6
"""Relative eigenvalue of the Gram matrix above which a pass is trusted. Squaring halves the digits, so singular
values below 1e-3 of the first take another pass on their own subspace."""
_NOISE = 1e-26
"""Relative eigenvalue below which only rounding is left and another pass cannot help; eps^2 is 5e-32."""
_WIDE = 40
"""Width of the products: rows of narrow tables are joined, because `syrk` leaves vector units idle on few
columns."""
_PARTIAL_SUMS = 4
"""Number of Gram matrices that are summed separately, so that threads do not wait for each other. More would cost
memory for wide tables."""
_OWN_THREADS = 512
"""Number of columns above which threads inside the matrix library are faster than threads of our own."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spectrum:
    """Singular values and right singular vectors of a table, E = U diag(sigma) V^T."""

    values: NDArray[np.float64]
    """sigma / scale, descending, shape (R,)."""
    V: NDArray[np.float64]
    """Right singular vectors as orthonormal columns, shape (K, R)."""
    scale: float = 1.0
    """A power of two; 1 unless squares of the entries overflow or underflow."""

    @property
    def sigma(self) -> NDArray[np.float64]:
        """Singular values, descending, shape (R,); infinite if a double cannot hold them."""
        with np.errstate(over="ignore"):
            return self.values * self.scale

    @property
    def factor(self) -> NDArray[np.float64]:
        """The matrix R = diag(values) V^T, shape (R, K), with scale^2 R^T R = E^T E.

        R A has the singular values of E A / scale for every A, so a long table can be replaced by its factor.
        """
        factor: NDArray[np.float64] = self.values[:, None] * self.V.T
        return factor


def singular_values(E: Any, *, weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Singular values of a table, computed in float64 for every type.

    Parameters
    ----------
    E : (D, K) array
        A floating-point table: an array, a memory-mapped file, a torch tensor on any device, or any object with a
        shape whose rows can be sliced.
    weights : (D,) array, optional
        Non-negative weights of the rows. The result is then for diag(weights)^1/2 E.

    Returns
    -------
    (R,) float64 array
        Descending, with R = min(D, K).

    Raises
    ------
    ValueError
        If `E` is not a matrix of numbers, or a row holds NaN or infinity. The message has the number of the row.

    See Also
    --------
    decompose : Describes the algorithm and its accuracy.

    Examples
    --------
    >>> import numpy as np
    >>> from collapse import singular_values
    >>> singular_values(np.diag([3.0, 4.0])).round(6).tolist()
    [4.0, 3.0]
    """
    return decompose(E, weights=weights).sigma


def decompose(E: Any, *, weights: NDArray[Any] | None = None) -> Spectrum:
    """Decompose a table in one streaming pass, or two if its spectrum is deep.

    Parameters
    ----------
    E : (D, K) array
        The table, as `singular_values` takes it.
    weights : (D,) array, optional
        Non-negative weights of the rows.

    Returns
    -------
    Spectrum
        Singular values and right singular vectors.

    Raises
    ------
    ValueError
        If `E` is not a matrix of numbers, the weights have the wrong shape, or a row holds NaN or infinity. The
        message has the number of the row.

    Notes
    -----
    A pass accumulates G = E^T E in float64 and decomposes it as V L V^T = G. Squaring blurs small values, so only
    directions with L >= 1e-6 max L are kept. The next pass streams Y = E V_T for the remaining T directions. Their
    Gram matrix is small throughout, which resolves them. This repeats until what is left is below 1e-13 sigma_max,
    the rounding of float64 itself. V_T is orthogonal to the directions that were kept, so the values of all passes
    together are those of E.

    Singular values down to 1e-6 sigma_max have a relative error of at most 1e-9. A table in a shorter type has its
    own noise floor, which no decomposition can resolve (`rounding_noise`).

    Chunks have fixed bounds and are added to a fixed number of sums, so the result for a table of up to 512
    columns does not depend on the number of threads. Tables with hardly more rows than columns are decomposed
    directly.
    """
    stream = RowStream(E, weights)
    with threads_for(stream.shape[1]) as threads:
        return _direct(stream) if is_short(*stream.shape) else decompose_passes(StreamPasses(stream, threads))


def is_short(D: int, K: int) -> bool:
    """Return whether a table has so few rows that it is decomposed directly."""
    return max(4 * K, _DIRECT_ROWS) >= D


class Passes(Protocol):
    """What the decomposition of a long table needs from it."""

    shape: tuple[int, int]
    """Shape (D, K)."""
    rank_bound: int
    """Largest possible number of non-zero singular values."""
    scale: float
    """Power of two that its entries are divided by."""

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (E B)^T (E B) in one pass."""

    def largest(self) -> float:
        """Return the largest absolute entry, or raise a ValueError with the row of an entry that is not finite."""


class StreamPasses:
    """Passes over a table that this process reads.

    Parameters
    ----------
    stream : RowStream
        The table.
    threads : int
        Number of chunks that are multiplied at the same time.
    """

    def __init__(self, stream: RowStream, threads: int) -> None:
        self._stream, self._threads = stream, threads
        self.shape, self.rank_bound, self.scale = stream.shape, stream.rank_bound, stream.scale

    def gram(self, basis: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (E B)^T (E B) in one pass."""
        self._stream.scale = self.scale
        return gram(self._stream, basis, threads=self._threads)

    def largest(self) -> float:
        """Return the largest absolute entry."""
        return self._stream.largest()


def decompose_passes(passes: Passes, *, deep: bool = True) -> Spectrum:
    """Decompose a long table through its passes; see `decompose`.

    Parameters
    ----------
    passes : Passes
        The table. Its scale is set if squares overflow or underflow.
    deep : bool
        Take further passes for small singular values.

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
        kept = int(np.count_nonzero(_TAIL * L[0] <= L)) if deep and L[0] > noise else len(L)
        values.append(np.sqrt(np.maximum(L[:kept], 0)))
        vectors.append(basis @ Q[:, :kept])
        if kept == len(L):
            break
        basis = basis @ Q[:, kept:]
        G = passes.gram(basis)
    # Rounding may swap the smallest value of one pass and the largest of the next.
    found, V = np.concatenate(values), np.hstack(vectors)
    order = np.argsort(-found, kind="stable")[: passes.rank_bound]
    return Spectrum(values=found[order], V=V[:, order], scale=passes.scale)


def _direct(stream: RowStream) -> Spectrum:
    exact = np.concatenate(list(stream.arrays()))
    scale = _scale(float(np.abs(exact).max()))
    _, values, Vt = np.linalg.svd(exact / scale, full_matrices=False)
    return Spectrum(values=values[: stream.rank_bound], V=Vt.T[:, : stream.rank_bound], scale=scale)


def _scale(largest: float) -> float:
    """Return a power of two near the largest entry, or 1 for a table of zeros."""
    return float(2.0 ** np.clip(np.frexp(largest)[1], -1021, 1023)) if largest else 1.0


def gram(stream: RowStream, basis: NDArray[np.float64], *, threads: int) -> NDArray[np.float64]:
    """Return the Gram matrix of a table under a map, (E B)^T (E B), in one pass.

    Parameters
    ----------
    stream : RowStream
        The table E, shape (D, K).
    basis : (K, T) array
        The map B. The identity costs nothing.
    threads : int
        Number of chunks that are multiplied at the same time.

    Returns
    -------
    (T, T) float64 array
        Symmetric. Not finite if a row is not finite or squares overflow.
    """
    D, K = stream.shape
    if not basis.shape[1]:
        return np.zeros((0, 0))
    identity = basis.shape == (K, K) and bool((basis == np.eye(K)).all())
    # The product of a chunk and the map takes memory too.
    rows = stream.rows_per_chunk if identity else max(1, stream.rows_per_chunk * K // (K + basis.shape[1]))
    starts = range(0, D, rows)
    sums = partial_sums(D, K, len(starts))
    F = joined_rows(basis.shape[1])

    def of_chunk(start: int) -> Any:
        chunk = stream.chunk(start, rows)
        if isinstance(chunk, np.ndarray):
            return wide_product(chunk if identity else chunk @ basis, F)
        Y = chunk if identity else chunk @ chunk.new_tensor(basis)
        return Y.T @ Y

    @np.errstate(all="ignore")  # what over- or underflows is seen on the diagonal, and done again to scale
    def partial(first: int) -> Any:
        # A function of its own, so that each chunk is freed before the next is made.
        total: Any = sum(of_chunk(start) for start in starts[first::sums])
        return fold(total, F) if isinstance(total, np.ndarray) else in_memory(total)

    with ThreadPoolExecutor(min(sums, threads)) as pool:
        # Starting a thread takes longer than reading a short table.
        totals = list(pool.map(partial, range(sums)) if sums > 1 else map(partial, range(sums)))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sum(totals, axis=0))


def partial_sums(D: int, K: int, chunks: int) -> int:
    """Return how many Gram matrices are summed separately: threads have their own while these are small."""
    return min(int(np.clip(D // (40 * K), 1, _PARTIAL_SUMS)), chunks)


def joined_rows(columns: int) -> int:
    """Return how many rows of a narrow table are joined for a product (`wide_product`)."""
    return max(1, _WIDE // columns)


def wide_product(Y: NDArray[np.float64], F: int) -> NDArray[np.float64]:
    """Compute Y^T Y with F rows joined, which `fold` adds up; matrix libraries are slow on ten columns."""
    whole = len(Y) - len(Y) % F
    wide = Y[:whole].reshape(-1, F * Y.shape[1])
    # NumPy uses `syrk` for a product with its own transpose, and releases the GIL meanwhile.
    product = wide.T @ wide
    if whole < len(Y):
        rest = Y[whole:]
        product[: Y.shape[1], : Y.shape[1]] += rest.T @ rest
    return np.asarray(product)


def fold(product: NDArray[np.float64], F: int) -> NDArray[np.float64]:
    """Add up the diagonal blocks."""
    columns = len(product) // F
    return np.asarray(np.einsum("fafb->ab", product.reshape(F, columns, F, columns)))


@contextmanager
def threads_for(columns: int) -> Iterator[int]:
    """Choose between threads of our own over chunks and the matrix library's threads within a product.

    Waiting threads of the library spin while ours compute, so only one kind may be active: ours up to 512 columns.

    Parameters
    ----------
    columns : int
        Columns of the table.

    Yields
    ------
    int
        Number of our own threads.
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
