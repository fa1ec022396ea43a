"""A client of a Dask cluster: one that runs already, or one on this machine; and what its tasks return."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.extras import require

_PATIENCE = 60.0
"""Seconds that a cluster may be without any worker: as long as nannies and batch systems take to start one."""
_POLL = 0.02
"""Seconds between two looks for results."""


@contextmanager
def dask_client(address: str | None = None, *, workers: int | None = None) -> Iterator[Any]:
    """Connect to a cluster while the block lasts.

    Parameters
    ----------
    address : str, optional
        The scheduler's, such as ``tcp://node1:8786``; without one a cluster is started on this machine.
    workers : int, optional
        The processes of such a cluster, of one thread each; by default one a core.

    Yields
    ------
    distributed.Client
        The client.

    Raises
    ------
    CollapseError
        If Dask is not installed, or no scheduler answers.
    """
    require("distributed", "the engine dask")
    import dask
    from distributed import Client, LocalCluster

    if address is None:
        number = workers or os.cpu_count() or 1
        with (
            # A task whose worker dies a second time is given up.
            dask.config.set({"distributed.scheduler.allowed-failures": 1}),
            LocalCluster(n_workers=number, threads_per_worker=1, dashboard_address=":0") as cluster,
            Client(cluster) as client,
        ):
            yield client
        return
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError, TypeError) as error:
        raise CollapseError(f"no Dask scheduler answers at {address}: {error}") from error
    with client:
        yield client


def results(
    client: Any, futures: Sequence[Any], *, what: str, unit: str, needed: int, patience: float = _PATIENCE
) -> list[Any]:
    """Fetch what tasks return, each as soon as it is there: a worker that dies later takes nothing along.

    Parameters
    ----------
    client : distributed.Client
        The client.
    futures : sequence of distributed.Future
        The tasks; cancelled where an error ends this.
    what : str
        What they work on, for the progress bar and errors.
    unit : str
        What one of them is, in the plural.
    needed : int
        The bytes of memory that a worker needs.
    patience : float
        Seconds that the cluster may be without workers.

    Returns
    -------
    list
        Their results, in the order of `futures`.

    Raises
    ------
    CollapseError
        If a task killed its workers, or the cluster has no worker for longer than `patience`.
    Exception
        Whatever a task raises.
    """
    from distributed import KilledWorker, as_completed

    place = {future.key: number for number, future in enumerate(futures)}
    found: list[Any] = [None] * len(futures)
    waiting = as_completed(futures, with_results=True, raise_errors=False)
    memory = f"a worker needs about {needed / 1e6:,.0f} MB of memory"
    last_worker = time.monotonic()
    try:
        with tqdm(total=len(futures), desc=what, unit=unit, leave=False, disable=None) as progress:
            while not waiting.is_empty():
                batch = waiting.next_batch(block=False)
                for future, result in batch:
                    if future.status != "finished":
                        raise _error(result)
                    found[place[future.key]] = result
                progress.update(len(batch))
                if batch:
                    last_worker = time.monotonic()
                elif time.monotonic() - last_worker > patience:
                    if not client.nthreads():
                        raise CollapseError(
                            f"the Dask cluster has had no worker for {patience:.0f} s, with {what} not done: "
                            f"start workers; {memory}"
                        )
                    last_worker = time.monotonic()
                else:
                    time.sleep(_POLL)
    except KilledWorker as error:
        raise CollapseError(
            f"{what}: {error.allowed_failures + 1} workers of the Dask cluster died of one task: {memory}, which "
            "`dask worker --memory-limit` sets"
        ) from error
    finally:
        client.cancel(futures)
    return found


def _error(result: Any) -> BaseException:
    """Return what ended a task: a cancellation, or the second of what `sys.exc_info` returns."""
    error = result[1] if isinstance(result, tuple) else result
    return error if isinstance(error, BaseException) else CollapseError("a task of the Dask cluster was lost")
