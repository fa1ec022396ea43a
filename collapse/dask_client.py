"""A client of a Dask cluster: one that runs already, or one on this machine."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from collapse.errors import CollapseError


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
    if find_spec("distributed") is None:
        raise CollapseError(
            "the engine dask needs the package distributed: pip install 'embedding-collapse[dask]'"
        )
    from distributed import Client, LocalCluster

    if address is None:
        number = workers or os.cpu_count() or 1
        with (
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
