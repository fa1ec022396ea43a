"""Slurm's jobs, by submitit, as a `concurrent.futures.Executor`."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError
from collapse.study.captured import Captured, captured, settle

_LOOK_SECONDS = 0.5
"""Between two checks for finished jobs."""
_TRIES = 3
"""Jobs that a call may take before its death counts as an error: machines go down, runs do not."""


class SubmititExecutor(Executor):
    """A job for every call; one that dies is submitted again, to go on from what it saved.

    Parameters
    ----------
    folder : Path
        Where submitit keeps calls, results and logs; on a cluster, within reach of every machine.
    cluster : str, optional
        ``slurm``, ``local`` for processes of this machine; by default Slurm where it is.
    **parameters
        What `submitit.AutoExecutor.update_parameters` takes: ``timeout_min``, ``gpus_per_node``,
        ``slurm_partition``.

    Raises
    ------
    CollapseError
        If submitit knows no such cluster or parameter.
    """

    def __init__(self, folder: Path, cluster: str | None = None, **parameters: Any) -> None:
        import submitit

        try:
            self._submitit = submitit.AutoExecutor(folder, cluster)
            self._submitit.update_parameters(name="collapse", **parameters)
        except (ValueError, TypeError, NameError, RuntimeError) as error:
            raise CollapseError(f"submitit: {error}") from error
        self._jobs: dict[Future[Any], _Job] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        """Submit a job."""
        future: Future[Any] = Future()
        future.set_running_or_notify_cancel()
        job = _Job(lambda: self._submitit.submit(Resumable(), fn, *args, **kwargs))
        with self._lock:
            self._jobs[future] = job
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Have every job cancelled, or wait for them; after that, look at none any more."""
        if cancel_futures:
            with self._lock:
                for job in self._jobs.values():
                    job.handle.cancel(check=False)
        elif wait:
            while self._jobs:
                self._stop.wait(_LOOK_SECONDS)
        self._stop.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            with self._lock:
                jobs = list(self._jobs.items())
            for future, job in jobs:
                if job.handle.done() and job.settled(future):
                    with self._lock:
                        del self._jobs[future]


class Resumable:
    """A call that Slurm may stop and queue anew: what it calls goes on from what it saved."""

    def __call__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Captured:
        """Call the function."""
        return captured(fn, *args, **kwargs)

    def checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Return the call that is queued in place of the one that is stopped."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *args, **kwargs)


class _Job:
    """A call's job, and the next where it died."""

    def __init__(self, submit: Callable[[], Any]) -> None:
        self._submit = submit
        self._tries = 1
        self.handle = submit()

    def settled(self, future: "Future[Any]") -> bool:
        """Hand the result of a job that is done to its future; or submit it again, and say no."""
        from submitit.core.utils import UncompletedJobError

        try:
            found: Captured = self.handle.result()
        except UncompletedJobError as died:
            if self._tries < _TRIES:
                self._tries += 1
                self.handle = self._submit()
                return False
            found = None, CollapseError(f"its job died {_TRIES} times: {died}")
        except Exception as error:  # noqa: BLE001, the watcher goes on for the others
            found = None, error
        settle(future, found)
        return True
