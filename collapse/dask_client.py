"""Clients of Dask clusters, and the results of their tasks."""

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from collapse.errors import CollapseError
from collapse.extras import require

_PATIENCE = 60.0
"""Seconds that a cluster may be without workers. Nannies and batch systems take this long to start one."""
_POLL = 0.02
"""Seconds between two checks for results."""


@contextmanager
def dask_client(address: str | None = None, *, workers: int | None = None) -> Iterator[Any]:
    """Connect to a Dask cluster for the duration of the block.

    Parameters
    ----------
    address : str, optional
        Address of the scheduler, such as ``tcp://node1:8786``. Without one, a cluster is started on this machine.
    workers : int, optional
        Number of processes of such a cluster, with one thread each. The default is one per core.

    Yields
    ------
    distributed.Client
        The client.

    Raises
    ------
    CollapseError
        If Dask is not installed, or no scheduler answers.
    """
    require("distributed", "--engine dask")
    import dask
    from distributed import Client, LocalCluster

    if address is None:
        number = workers or os.cpu_count() or 1
        with (
            # Give up on a task when a second worker dies of it.
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
    """Collect the results of tasks, each as soon as it is ready, so that a worker that dies later loses nothing.

    Parameters
    ----------
    client : distributed.Client
        The client.
    futures : sequence of distributed.Future
        The tasks. They are cancelled if an error occurs.
    what : str
        What the tasks work on, for the progress bar and messages.
    unit : str
        What one task works on, in the plural.
    needed : int
        Bytes of memory that a worker needs.
    patience : float
        Seconds that the cluster may be without workers.

    Returns
    -------
    list
        The results, in the order of `futures`.

    Raises
    ------
    CollapseError
        If a task killed its workers, or the cluster has no worker for longer than `patience`.
    Exception
        Any exception that a task raises.
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
                            f"the Dask cluster has had no worker for {patience:.0f} s and {what} is not done: "
                            f"start workers; {memory}"
                        )
                    last_worker = time.monotonic()
                else:
                    time.sleep(_POLL)
    except KilledWorker as error:
        raise CollapseError(
            f"{what}: a task killed {error.allowed_failures + 1} workers of the Dask cluster: {memory}; raise "
            "the limit with `dask worker --memory-limit`"
        ) from error
    finally:
        client.cancel(futures)
    return found


def _error(result: Any) -> BaseException:
    """Return the error that ended a task: a cancellation, or the exception in the result of `sys.exc_info`."""
    error = result[1] if isinstance(result, tuple) else result
    return error if isinstance(error, BaseException) else CollapseError("the Dask cluster lost a task")
