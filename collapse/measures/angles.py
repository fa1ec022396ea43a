"""Principal angles between embedding sets, and their diversity (Section 5.3, Appendix F).

Shapes: D rows of a table (cardinality), C_m columns of set m, r_m its rank.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from collapse.measures.precision import numerical_rank, precision
from collapse.measures.row_stream import RowStream, as_table, in_memory
from collapse.measures.spectra import decompose, gram, threads_for

Divisor = Literal["K", "rank"]


class ColumnSpaces:
    """Column spaces of the sets of one field.

    They take two streaming passes per set and one over all sets together, and no (D, C) matrix. With
    E_m = U_m diag(sigma) V_m^T and P_m = V_m / sigma, the sets [E_1 P_1 .. E_M P_M] = [U_1 .. U_M] have the Gram
    matrix of all U_m^T U_n. The Cholesky factors of its diagonal blocks remove what rounding leaves in P_m.

    A direction belongs to a span if it lies above the rounding noise of the set's type (`numerical_rank`).

    Parameters
    ----------
    sets : sequence of (D, C_m) arrays
        The sets, as `singular_values` takes tables.

    Raises
    ------
    ValueError
        If the sets have different numbers of rows, are not tables of numbers, or hold NaN or infinity.
    """

    def __init__(self, sets: Sequence[Any]) -> None:
        shapes = [tuple(E.shape) for E in sets]
        if any(len(shape) != 2 for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"the sets of a field must have the same number of rows, got shapes {shapes}")
        self.shapes = shapes
        spectra = [decompose(E) for E in sets]
        self.ranks = [
            numerical_rank(spectrum.values, *shape, eps=eps, spacing=spacing / spectrum.scale)
            for spectrum, shape, (eps, spacing) in zip(spectra, shapes, map(precision, sets), strict=True)
        ]
        """Rank r_m of each set."""
        self._sets, self._scales = sets, [spectrum.scale for spectrum in spectra]
        whiten = [
            spectrum.V[:, :rank] / spectrum.values[:rank]
            for spectrum, rank in zip(spectra, self.ranks, strict=True)
        ]
        G = self._gram(_SideBySide(sets, self._scales, whiten))
        ends = np.cumsum(self.ranks)
        self._blocks = [slice(end - rank, end) for end, rank in zip(ends, self.ranks, strict=True)]
        inverses = [np.linalg.inv(np.linalg.cholesky(G[block, block])) for block in self._blocks]
        self._whiten = [P @ inverse.T for P, inverse in zip(whiten, inverses, strict=True)]
        spread = linalg.block_diag(*inverses)
        self._inner = spread @ G @ spread.T

    def _gram(self, table: Any) -> NDArray[np.float64]:
        columns = table.shape[1]
        if not columns:
            return np.zeros((0, 0))
        with threads_for(columns) as threads:
            return gram(RowStream(table), np.eye(columns), threads=threads)

    def inner(self, m: int, n: int) -> NDArray[np.float64]:
        """Return U_m^T U_n, shape (r_m, r_n)."""
        return self._inner[self._blocks[m], self._blocks[n]]

    def cosines(self, m: int, n: int) -> NDArray[np.float64]:
        """Return the cosines of the principal angles of two sets, descending, shape (min(D, C_m, C_n),).

        A direction that is missing in a rank-deficient set forms no angle and counts as 0.
        """
        cosines = np.zeros(min(self.shapes[m][0], self.shapes[m][1], self.shapes[n][1]))
        found = np.linalg.svd(self.inner(m, n), compute_uv=False)
        cosines[: len(found)] = np.clip(found, 0, 1)
        return cosines

    def angles(self, m: int, n: int) -> NDArray[np.float64]:
        """Return the principal angles of two sets in radians, ascending, shape (min(r_m, r_n),).

        Angles below 45 degrees are computed from their sines, the singular values of U_n - U_m U_m^T U_n, in
        another pass: a cosine near 1 carries no information on a small angle (Knyazev and Argentati, SIAM J. Sci.
        Comput. 23, 2002).
        """
        if self.ranks[m] < self.ranks[n]:
            m, n = n, m
        C = self.inner(m, n)
        _, cosines, Vt = np.linalg.svd(C, full_matrices=False)
        angles = np.arccos(np.clip(cosines, 0, 1))
        small = int(np.count_nonzero(cosines > np.sqrt(0.5)))
        if small:
            directions = Vt[:small].T
            maps = [-self._whiten[m] @ (C @ directions), self._whiten[n] @ directions]
            rest = _Sum([self._sets[m], self._sets[n]], [self._scales[m], self._scales[n]], maps)
            # Use the passes of a decomposition: a single Gram matrix would blur small sines next to larger ones.
            angles[:small] = np.arcsin(np.clip(decompose(rest).sigma[::-1], 0, 1))
        return np.asarray(angles)


class _SideBySide:
    """The concatenation [E_1 P_1 .. E_M P_M] as a table, with a scale for each set."""

    def __init__(self, sets: Sequence[Any], scales: Sequence[float], maps: Sequence[NDArray[np.float64]]) -> None:
        self.sets, self.scales, self.maps = sets, scales, maps
        self.shape = (sets[0].shape[0], sum(P.shape[1] for P in maps))

    def parts(self, rows: slice) -> list[NDArray[np.float64]]:
        """Return the rows of all E_m P_m."""
        found = []
        for E, scale, P in zip(self.sets, self.scales, self.maps, strict=True):
            stream = RowStream(E[rows])
            stream.scale = scale
            found.append(in_memory(stream.chunk(0, stream.shape[0])) @ P)
        return found

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        return np.hstack(self.parts(rows))


class _Sum(_SideBySide):
    """The sum E_1 P_1 + .. + E_M P_M as a table."""

    def __init__(self, sets: Sequence[Any], scales: Sequence[float], maps: Sequence[NDArray[np.float64]]) -> None:
        super().__init__(sets, scales, maps)
        self.shape = (sets[0].shape[0], maps[0].shape[1])

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        return np.asarray(sum(self.parts(rows)))


def principal_cosines(A: Any, B: Any) -> NDArray[np.float64]:
    """Cosines of the principal angles between the column spaces of two tables.

    Parameters
    ----------
    A, B : (D, K) and (D, L) arrays
        Two sets of one field with the same rows, as `singular_values` takes tables.

    Returns
    -------
    (min(D, K, L),) float64 array
        Descending, from 0 (orthogonal) to 1 (a common direction). A direction that is missing in a rank-deficient
        set forms no angle and counts as 0.

    Raises
    ------
    ValueError
        If the tables have different numbers of rows, are not tables of real numbers, or hold NaN or infinity.

    Notes
    -----
    The cosines are the singular values of U_A^T U_B. A direction belongs to a span if it lies above the rounding
    noise of the table's type (`numerical_rank`).
    """
    return ColumnSpaces([as_table(A), as_table(B)]).cosines(0, 1)


def principal_angles(A: Any, B: Any) -> NDArray[np.float64]:
    """Principal angles between the column spaces of two tables, in radians.

    Parameters
    ----------
    A, B : (D, K) and (D, L) arrays
        Two sets of one field with the same rows, as `singular_values` takes tables.

    Returns
    -------
    (min(rank A, rank B),) float64 array
        Ascending, from 0 (a common direction) to pi / 2 (orthogonal). Small angles are computed from their sines
        and are accurate to about eps / sigma_min of the sets.

    Raises
    ------
    ValueError
        If the tables have different numbers of rows, are not tables of real numbers, or hold NaN or infinity.
    """
    return ColumnSpaces([as_table(A), as_table(B)]).angles(0, 1)


def diversity(A: Any, B: Any, *, divisor: Divisor = "K") -> float:
    """Diversity of two sets, div = 1 - ||cos phi||_1 / K (Section 5.3).

    Parameters
    ----------
    A, B : (D, K) arrays
        Two sets of one field, as `singular_values` takes tables.
    divisor : {"K", "rank"}
        ``"K"`` is the paper's definition. If D < K it is at least 1 - D / K, because every cosine is 1. ``"rank"``
        divides by min(D, K), the largest possible number of angles.

    Returns
    -------
    float
        From 0 (the same span of full rank) to 1 (orthogonal spans); symmetric. A set of rank r < K has diversity
        1 - r / K with itself, because its missing directions form no angles.

    Raises
    ------
    ValueError
        If the sets differ in shape, are not tables of real numbers, hold NaN or infinity, or the divisor is
        unknown.

    Examples
    --------
    >>> import numpy as np
    >>> from collapse import diversity
    >>> axes = np.eye(4)
    >>> round(diversity(axes[:, :2], axes[:, 2:]), 6), round(diversity(axes[:, :2], axes[:, :2]), 6)
    (1.0, 0.0)
    """
    A, B = as_table(A), as_table(B)
    if tuple(A.shape) != tuple(B.shape):
        raise ValueError(f"both sets must have the same shape, got {tuple(A.shape)} and {tuple(B.shape)}")
    return diversity_of_cosines(principal_cosines(A, B), int(A.shape[1]), divisor=divisor)


def diversity_of_cosines(cosines: NDArray[np.float64], K: int, *, divisor: Divisor = "K") -> float:
    """Diversity of two sets of K columns, given the cosines of their principal angles.

    Parameters
    ----------
    cosines : (min(D, K),) array
        The cosines.
    K : int
        Number of columns of each set.
    divisor : {"K", "rank"}
        As in `diversity`.

    Returns
    -------
    float
        From 0 to 1.

    Raises
    ------
    ValueError
        If the divisor is unknown.
    """
    if divisor not in get_args(Divisor):
        raise ValueError(f"divisor must be {' or '.join(map(repr, get_args(Divisor)))}, got {divisor!r}")
    return float(1 - cosines.sum() / (K if divisor == "K" else len(cosines)))
