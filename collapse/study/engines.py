"""Engines that execute a sweep's runs: processes on this machine, a Dask cluster, or Slurm jobs."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from collapse.dask_client import dask_client
from collapse.errors import CollapseError
from collapse.extras import require
from collapse.study.captured import Captured, captured, settle
from collapse.study.processes import process_pool, stopping_children

Engine = Literal["processes", "dask", "submitit"]
LOGS = ".jobs"
"""Folder of submitit's files within a study."""


@contextmanager
def open_executor(
    kind: Engine, options: Mapping[str, str], *, jobs: int, folder: Path
) -> Iterator[Callable[[], Executor]]:
    """Open an engine for a sweep.

    Parameters
    ----------
    kind : str
        ``processes``, ``dask`` or ``submitit``.
    options : mapping of str to str
        For Dask the scheduler's ``address``; without it, a cluster on this machine. For submitit the parameters of
        `SubmititExecutor`. None for processes.
    jobs : int
        Number of processes on this machine, or workers of a Dask cluster on it.
    folder : Path
        Folder of the study.

    Yields
    ------
    callable
        Makes an executor, again if its processes died.

    Raises
    ------
    CollapseError
        If the engine is not installed, does not answer, or does not have an option.
    KeyboardInterrupt
        On Ctrl-C or a termination signal. Runs in processes and Slurm jobs save and stop; those on a
        lasting Dask cluster run to their end.
    """
    if kind == "submitit":
        require("submitit", "--engine submitit")
    with stopping_children():
        if kind == "dask":
            _refuse({key: value for key, value in options.items() if key != "address"}, kind)
            with dask_client(options.get("address"), workers=jobs) as client:
                yield lambda: _DaskExecutor(client)
        elif kind == "submitit":
            from collapse.study.submitit_executor import SubmititExecutor

            plain: dict[str, Any] = {
                key: int(value) if value.isdecimal() else value for key, value in options.items()
            }
            yield lambda: SubmititExecutor(folder / LOGS / "%j", **plain)
        else:
            _refuse(options, kind)
            yield lambda: process_pool(jobs)


class _DaskExecutor(Executor):
    """Dask's executor, with the argument of `Executor.shutdown` that it lacks."""

    def __init__(self, client: Any) -> None:
        # Not pure: a call that was refused once, because another process had the run, is made again.
        self._executor = client.get_executor(pure=False)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Submit a call."""
        future: Future[Any] = Future()

        def done(of_dask: "Future[Captured]") -> None:
            if not of_dask.cancelled():
                error = of_dask.exception()
                settle(future, (None, error) if isinstance(error, Exception) else of_dask.result())

        self._executor.submit(captured, fn, *args, **kwargs).add_done_callback(done)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the calls, or cancel those that have not begun."""
        self._executor.shutdown(wait=wait and not cancel_futures)


def _refuse(options: Mapping[str, str], kind: str) -> None:
    for key in options:
        raise CollapseError(f"--engine {kind} has no option {key!r}")
