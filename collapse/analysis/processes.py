"""Processes of this machine that measure the shards of a long table, in place of a cluster."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from threadpoolctl import threadpool_limits
from tqdm import tqdm

from collapse.errors import CollapseError


class Processes:
    """What `collapse.analysis.shards` needs of a cluster, with processes of one thread each.

    Parameters
    ----------
    pool : ProcessPoolExecutor
        The processes.
    """

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def scatter(self, value: Any, *, broadcast: bool) -> Any:
        """Return a value that every task gets with its arguments."""
        del broadcast
        return value

    def submit(self, function: Callable[..., Any], *args: Any, pure: bool, **named: Any) -> "Future[Any]":
        """Start a task."""
        del pure
        return self._pool.submit(function, *args, **named)

    def collect(self, futures: "Sequence[Future[Any]]", *, what: str, unit: str, needed: int) -> list[Any]:
        """Return the results in order.

        Raises
        ------
        CollapseError
            If a process died.
        """
        try:
            waited = tqdm(futures, desc=what, unit=unit, leave=False, disable=None)
            return [future.result() for future in waited]
        except BrokenProcessPool as error:
            raise CollapseError(
                f"{what}: a process died; it needs {needed / 1e6:.0f} MB of memory. Use fewer --jobs"
            ) from error
        finally:
            for future in futures:
                future.cancel()


@contextmanager
def processes(number: int) -> Iterator[Processes]:
    """Start processes for the duration of the block.

    Parameters
    ----------
    number : int
        Number of processes.
    """
    # A fork would copy locks that threads of this process hold.
    with ProcessPoolExecutor(number, mp_context=get_context("spawn"), initializer=_one_thread) as pool:
        yield Processes(pool)


def _one_thread() -> None:
    threadpool_limits(1)
