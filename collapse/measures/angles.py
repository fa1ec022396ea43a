"""Principal angles between embedding sets, and the diversity made of them (Section 5.3, Appendix F).

Shapes: D rows of a table (cardinality), C_m columns of set m, r_m its rank.
"""

from collections.abc import Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from collapse.measures.precision import machine_epsilon, numerical_rank, smallest_spacing
from collapse.measures.row_stream import RowStream, as_table, in_memory
from collapse.measures.spectra import decompose, gram, threads_for

Divisor = Literal["K", "rank"]


class ColumnSpaces:
    """The column spaces of several sets of one field.

    Two streaming passes a set and one for all together, without any (D, C) matrix: with E_m = U_m diag(sigma)
    V_m^T and P_m = V_m / sigma, the sets [E_1 P_1 .. E_M P_M] = [U_1 .. U_M] have the Gram matrix of all U_m^T
    U_n. What P_m leaves of rounding is taken out by the Cholesky factors of its diagonal blocks.

    A direction belongs to a span if it stands above the rounding noise of the set's type: `numerical_rank`.

    Parameters
    ----------
    sets : sequence of (D, C_m) arrays
        The sets, as `singular_values` takes tables.

    Raises
    ------
    ValueError
        If the sets have no common rows, are no tables of numbers, or hold NaN or infinity.
    """

    def __init__(self, sets: Sequence[Any]) -> None:
        shapes = [tuple(E.shape) for E in sets]
        if any(len(shape) != 2 for shape in shapes) or len({shape[0] for shape in shapes}) != 1:
            raise ValueError(f"sets of one field have the same rows, and these have shapes {shapes}")
        self.shapes = shapes
        spectra = [decompose(E) for E in sets]
        self.ranks = [
            numerical_rank(
                spectrum.values,
                *shape,
                eps=machine_epsilon(E[:1].dtype),
                spacing=smallest_spacing(E[:1].dtype) / spectrum.scale,
            )
            for spectrum, shape, E in zip(spectra, shapes, sets, strict=True)
        ]
        """The rank r_m of every set."""
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

        A direction that a rank-deficient set lacks makes no angle and counts as 0.
        """
        cosines = np.zeros(min(self.shapes[m][0], self.shapes[m][1], self.shapes[n][1]))
        found = np.linalg.svd(self.inner(m, n), compute_uv=False)
        cosines[: len(found)] = np.clip(found, 0, 1)
        return cosines

    def angles(self, m: int, n: int) -> NDArray[np.float64]:
        """Return the principal angles of two sets in radians, ascending, shape (min(r_m, r_n),).

        Those below 45 degrees by their sines, the singular values of U_n - U_m U_m^T U_n, in a pass of its own: a
        cosine near 1 tells nothing of a small angle (Knyazev and Argentati, SIAM J. Sci. Comput. 23, 2002).
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
            # By the passes of a decomposition: one Gram matrix would blur small sines beside greater ones.
            angles[:small] = np.arcsin(np.clip(decompose(rest).sigma[::-1], 0, 1))
        return np.asarray(angles)


class _SideBySide:
    """[E_1 P_1 .. E_M P_M] as a table, each set over a scale of its own."""

    def __init__(self, sets: Sequence[Any], scales: Sequence[float], maps: Sequence[NDArray[np.float64]]) -> None:
        self.sets, self.scales, self.maps = sets, scales, maps
        self.shape = (sets[0].shape[0], sum(P.shape[1] for P in maps))

    def parts(self, rows: slice) -> list[NDArray[np.float64]]:
        """Return the rows of every E_m P_m."""
        found = []
        for E, scale, P in zip(self.sets, self.scales, self.maps, strict=True):
            stream = RowStream(E[rows])
            stream.scale = scale
            found.append(in_memory(stream.chunk(0, stream.shape[0])) @ P)
        return found

    def __getitem__(self, rows: slice) -> NDArray[np.float64]:
        return np.hstack(self.parts(rows))


class _Sum(_SideBySide):
    """E_1 P_1 + .. + E_M P_M as a table."""

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
        Two sets of one field, floating, with the same rows, as `singular_values` takes tables.

    Returns
    -------
    (min(D, K, L),) float64 array
        Descending, from 0 (orthogonal) to 1 (a common direction). A direction that a rank-deficient set lacks
        makes no angle and counts as 0.

    Raises
    ------
    ValueError
        If the tables have no common rows, are no tables of real numbers, or hold NaN or infinity.

    Notes
    -----
    The cosines are the singular values of U_A^T U_B. A direction belongs to a span if it stands above what
    rounding to the table's type leaves behind: `numerical_rank`.
    """
    return ColumnSpaces([as_table(A), as_table(B)]).cosines(0, 1)


def principal_angles(A: Any, B: Any) -> NDArray[np.float64]:
    """Principal angles between the column spaces of two tables, in radians.

    Parameters
    ----------
    A, B : (D, K) and (D, L) arrays
        Two sets of one field, floating, with the same rows, as `singular_values` takes tables.

    Returns
    -------
    (min(rank A, rank B),) float64 array
        Ascending, from 0 (a common direction) to pi / 2 (orthogonal). Small ones are right to some eps / sigma_min
        of the sets, as they are taken by the sine.

    Raises
    ------
    ValueError
        If the tables have no common rows, are no tables of real numbers, or hold NaN or infinity.
    """
    return ColumnSpaces([as_table(A), as_table(B)]).angles(0, 1)


def diversity(A: Any, B: Any, *, divisor: Divisor = "K") -> float:
    """Diversity of two sets, div = 1 - ||cos phi||_1 / K (Section 5.3).

    Parameters
    ----------
    A, B : (D, K) arrays
        Two sets of one field, floating, as `singular_values` takes tables.
    divisor : {"K", "rank"}
        ``K`` is the paper's. Where D < K it is never 0: every cosine is 1 and div = 1 - D / K. ``rank`` divides by
        min(D, K), the angles that there can be.

    Returns
    -------
    float
        From 0, for the same span of full rank, to 1, for orthogonal spans; symmetric. A set of rank r < K has
        1 - r / K with itself: what it lacks makes no angle.

    Raises
    ------
    ValueError
        If the sets differ in shape, are no tables of real numbers, hold NaN or infinity, or the divisor is
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
        raise ValueError(f"sets have one shape, and these have {tuple(A.shape)} and {tuple(B.shape)}")
    return diversity_of_cosines(principal_cosines(A, B), int(A.shape[1]), divisor=divisor)


def diversity_of_cosines(cosines: NDArray[np.float64], K: int, *, divisor: Divisor = "K") -> float:
    """Diversity of two sets of K columns with given cosines of their principal angles.

    Parameters
    ----------
    cosines : (min(D, K),) array
        The cosines.
    K : int
        The columns of a set.
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
        raise ValueError(f"the divisor is {divisor!r}; it is one of {', '.join(get_args(Divisor))}")
    return float(1 - cosines.sum() / (K if divisor == "K" else len(cosines)))
