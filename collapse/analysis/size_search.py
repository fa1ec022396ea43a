"""Search for the least sizes of all fields that keep a loss within a tolerance.

Shapes: N fields.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import accumulate, pairwise

from tqdm import tqdm

_STEP = 0.75
"""Factor from one size that is tried to the next: 12 sizes from 40 to 1. Smaller steps cost more tests."""

Sizes = tuple[int, ...]
Loss = Callable[[Sizes], float]
Bytes = Callable[[int], int]


def ladder(K: int, bytes_: Bytes) -> list[int]:
    """Return the sizes that are tried for a field, descending from K. Each has fewer bytes than the one before."""
    steps, k = [K], K
    while k > 1:
        k = max(1, min(k - 1, round(k * _STEP)))
        if bytes_(k) < bytes_(steps[-1]):
            steps.append(k)
    return steps


def least_sizes(loss: Loss, bytes_: Sequence[Bytes], columns: Sequence[int], *, tolerance: float) -> Sizes:
    """Cut the fields that lose least per saved byte, as far as the measured loss of all cuts allows.

    Parameters
    ----------
    loss : callable
        Loss of a metric at given sizes, compared with full sizes. It may be negative.
    bytes_ : sequence of callable
        Bytes of every field at a size.
    columns : sequence of int
        Full sizes, shape (N,).
    tolerance : float
        Largest loss.

    Returns
    -------
    tuple of int
        The sizes. Their loss, measured together, is at most the tolerance, and one more step of any single field
        exceeds it.

    Notes
    -----
    1. For every field alone, the loss is measured from size 1 upwards, until it is below tolerance / 2N.
    2. A greedy pass orders all cuts by marginal loss per saved byte, as if the losses added up.
    3. They do not quite add up, so the number of cuts that are made is found by bisection, with the loss of all of
       them measured together.
    4. Every field is then cut further, one step at a time, while the measured loss allows it.
    """
    full = tuple(columns)
    with tqdm(desc="sizes", unit="tests", leave=False, disable=None) as progress:

        def tested(sizes: Sizes) -> float:
            progress.update()
            return loss(sizes)

        def alone(i: int, k: int) -> float:
            return tested(_with(full, i, k))

        ladders = [ladder(K, of) for K, of in zip(full, bytes_, strict=True)]
        negligible = tolerance / (2 * len(full))
        curves = [_curve(steps, partial(alone, i), negligible) for i, steps in enumerate(ladders)]
        path = list(accumulate(_cuts(curves, bytes_), lambda sizes, cut: _with(sizes, *cut), initial=full))
        at = least_within(tested, path, tolerance=tolerance)
        sizes = full if at is None else path[at]
        return _further(tested, sizes, ladders, tolerance)


def least_within(loss: Loss, candidates: Sequence[Sizes], *, tolerance: float) -> int | None:
    """Find the smallest of several candidates whose loss is within a tolerance, by bisection.

    Parameters
    ----------
    loss : callable
        Loss at given sizes.
    candidates : sequence of sizes
        In the order of falling sizes, so that the loss rises.
    tolerance : float
        Largest loss.

    Returns
    -------
    int or None
        Index of the last candidate within the tolerance; None if not even the first is.
    """
    low, high = -1, len(candidates)
    while high - low > 1:
        middle = (low + high) // 2
        if loss(candidates[middle]) <= tolerance:
            low = middle
        else:
            high = middle
    return low if low >= 0 else None


def _curve(steps: Sequence[int], loss: Callable[[int], float], negligible: float) -> list[tuple[int, float]]:
    """Return sizes, descending from the full one, with the loss at each: from where it is negligible to size 1."""
    found: list[tuple[int, float]] = []
    for k in reversed(steps[1:]):
        found.append((k, max(loss(k), 0.0)))
        if found[-1][1] <= negligible:
            break
    return [(steps[0], 0.0), *reversed(found)]


def _cuts(curves: Sequence[Sequence[tuple[int, float]]], bytes_: Sequence[Bytes]) -> list[tuple[int, int]]:
    """Order all cuts, each a field and its new size, by marginal loss per saved byte, each field's in order."""
    costs: list[tuple[float, int, int, int]] = []
    for i, (curve, of) in enumerate(zip(curves, bytes_, strict=True)):
        worst = 0.0
        for step, ((before, low), (after, high)) in enumerate(pairwise(curve)):
            # A later cut of a field cannot come before an earlier one.
            worst = max(worst, max(high - low, 0.0) / (of(before) - of(after)))
            costs.append((worst, i, step, after))
    return [(i, after) for _, i, _, after in sorted(costs)]


def _further(loss: Loss, sizes: Sizes, ladders: Sequence[Sequence[int]], tolerance: float) -> Sizes:
    """Cut single fields further while the loss allows it, beginning with the largest."""
    for i in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        for k in (k for k in ladders[i] if k < sizes[i]):
            if loss(_with(sizes, i, k)) > tolerance:
                break
            sizes = _with(sizes, i, k)
    return sizes


def _with(sizes: Sizes, i: int, k: int) -> Sizes:
    return (*sizes[:i], k, *sizes[i + 1 :])
