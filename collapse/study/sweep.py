"""Training many runs: finished ones are skipped, and interrupted ones continue.

Work goes through `concurrent.futures.Executor`, so that processes on this machine and engines for many machines
use the same code. A run's folder is locked while it is trained. Two sweeps on one folder therefore never train the
same run, and the lock of a dead process is free.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from collapse.errors import CollapseError
from collapse.study.execute import execute, folder_name
from collapse.training.data.load import data_name, is_prepared
from collapse.training.models.registry import class_of
from collapse.training.runs.config import RunConfig
from collapse.training.runs.folder import RunFolder, RunLocked

ELSEWHERE_SECONDS = 5.0
"""Seconds between two checks for runs that another sweep is training."""

State = Literal["finished", "unfinished", "missing"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run of a sweep."""

    config: RunConfig
    """Its configuration."""
    path: Path
    """Its folder."""

    @property
    def label(self) -> str:
        """The model, all other settings that differ from their defaults, and the name of the data set."""
        return f"{self.config.label} on {data_name(self.config.data)}"

    @property
    def state(self) -> State:
        """Whether the run is finished, unfinished or missing. Damaged runs count as unfinished."""
        folder = RunFolder(self.path)
        if not folder.config.exists():
            return "missing"
        try:
            return "finished" if folder.read_manifest().get("status") == "finished" else "unfinished"
        except (CollapseError, ValueError, TypeError):
            return "unfinished"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Outcome of a run."""

    run: Planned
    """The run."""
    result: dict[str, Any] | None
    """Result of `collapse.study.execute.execute`; None if it failed."""
    reason: str = ""
    """Why it failed."""
    seconds: float = 0.0
    """Seconds since it was given to a worker."""


def plan(configs: Iterable[RunConfig], out: Path, *, opens: bool = True) -> list[Planned]:
    """Give every run its folder.

    Parameters
    ----------
    configs : iterable of RunConfig
        The runs.
    out : Path
        Folder of the study.
    opens : bool
        Prepare data that is not there. Otherwise its runs get folders that no run has, because the names depend on
        the data.

    Returns
    -------
    list of Planned
        The same runs in the same order.

    Raises
    ------
    CollapseError
        If a data set cannot be opened.
    """
    planned = tuple(configs)
    there = {config.data: opens or is_prepared(config.data) for config in planned}
    return [
        Planned(
            config=config, path=out / (folder_name(config) if there[config.data] else f"{number}-not-prepared")
        )
        for number, config in enumerate(planned)
    ]


def sweep(
    runs: Sequence[Planned],
    executor: Callable[[], Executor],
    *,
    at_once: int = 1,
    device: str = "auto",
    devices: Sequence[str] = (),
    threads: int | None = None,
    keep_last: bool = False,
) -> Iterator[Outcome]:
    """Train the runs that are not finished.

    Parameters
    ----------
    runs : sequence of Planned
        The runs. Finished ones are skipped.
    executor : callable
        Makes the executor that they are submitted to; called again if its processes died.
    at_once : int
        Number of concurrent runs.
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    devices : sequence of str
        Devices of this machine, each for one run at a time, instead of `device` and `at_once`.
    threads : int, optional
        Threads per run.
    keep_last : bool
        Keep the states for resuming of finished runs.

    Yields
    ------
    Outcome
        Outcome of every run as it ends. A failed run does not stop the others.

    Notes
    -----
    A run that another sweep is training is checked again when there is nothing else to do. If a process dies, it
    is unknown which run caused it. The runs that were in progress are then repeated one at a time, and one that
    dies alone has failed.
    """
    waiting = deque(run for run in runs if run.state != "finished")
    alone: deque[Planned] = deque()
    elsewhere: list[Planned] = []
    pending: dict[Future[dict[str, Any]], tuple[Planned, float]] = {}
    pool = executor()
    at_once = len(devices) or at_once
    of_run: dict[Path, str] = {}

    def submit(run: Planned) -> None:
        if devices:
            taken = Counter(of_run[other.path] for other, _ in pending.values())
            of_run[run.path] = min(devices, key=lambda each: taken[each])
        future = pool.submit(
            execute,
            run.config.as_dict(),
            str(run.path),
            device=of_run.get(run.path, device),
            threads=threads,
            keep_last=keep_last,
            own_model=class_of(run.config.model.model) or None,
        )
        pending[future] = (run, time.monotonic())

    try:
        while waiting or alone or elsewhere or pending:
            while waiting and len(pending) < at_once:
                submit(waiting.popleft())
            if not pending and alone:
                submit(alone.popleft())
            if not pending:
                time.sleep(ELSEWHERE_SECONDS)
                waiting.extend(elsewhere)
                elsewhere.clear()
                continue
            lost = []
            for future in wait(pending, return_when=FIRST_COMPLETED).done:
                run, start = pending.pop(future)
                found = _outcome(future, run, time.monotonic() - start)
                if isinstance(found, Outcome):
                    yield found
                elif isinstance(found, RunLocked):
                    elsewhere.append(run)
                else:
                    lost.append(run)
            if lost:
                lost += [run for run, _ in pending.values()]
                pending.clear()
                pool.shutdown(cancel_futures=True)
                pool = executor()
                if len(lost) == 1:
                    yield Outcome(
                        run=lost[0], result=None, reason="its process died: it was killed, or out of memory"
                    )
                else:
                    alone.extend(lost)
    except BaseException:
        # Do not wait: whoever stops the sweep stops the runs in progress first.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _outcome(
    future: "Future[dict[str, Any]]", run: Planned, seconds: float
) -> Outcome | RunLocked | BrokenExecutor:
    try:
        return Outcome(run=run, result=future.result(), seconds=seconds)
    except (RunLocked, BrokenExecutor) as error:
        return error
    except CollapseError as error:
        return Outcome(run=run, result=None, reason=str(error), seconds=seconds)
    except Exception as error:  # noqa: BLE001, whatever a run dies of, the others go on
        return Outcome(run=run, result=None, reason=f"{type(error).__name__}: {error}", seconds=seconds)
