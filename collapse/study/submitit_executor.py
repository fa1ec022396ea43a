"""Slurm jobs through submitit, as a `concurrent.futures.Executor`."""

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any

from collapse.errors import CollapseError
from collapse.study.captured import Captured, captured, settle

_LOOK_SECONDS = 0.5
"""Seconds between two checks for finished jobs."""
_TRIES = 3
"""Jobs per call before its death counts as an error: machines fail, runs do not."""


class SubmititExecutor(Executor):
    """Submits one job per call. A job that dies is submitted again, and continues from what it saved.

    Parameters
    ----------
    folder : Path
        Folder for submitit's calls, results and logs. On a cluster every machine must see it.
    cluster : str, optional
        ``slurm``, or ``local`` for processes on this machine. The default is Slurm if it is available.
    **parameters
        Parameters of `submitit.AutoExecutor.update_parameters`: ``timeout_min``, ``gpus_per_node``,
        ``slurm_partition``.

    Raises
    ------
    CollapseError
        If submitit does not know the cluster or a parameter.
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
        """Cancel all jobs, or wait for them, and then stop watching them."""
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
    """A call that Slurm may stop and queue again, because it continues from what it saved."""

    def __call__(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Captured:
        """Call the function."""
        return captured(fn, *args, **kwargs)

    def checkpoint(self, *args: Any, **kwargs: Any) -> Any:
        """Return the call that is queued in place of the stopped one."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, *args, **kwargs)


class _Job:
    """Job of a call, or its successor if it died."""

    def __init__(self, submit: Callable[[], Any]) -> None:
        self._submit = submit
        self._tries = 1
        self.handle = submit()

    def settled(self, future: "Future[Any]") -> bool:
        """Pass the result of a finished job to its future; or submit it again, and return False."""
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
