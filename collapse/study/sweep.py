"""Many runs, trained where something executes them: what is finished is skipped, what was stopped goes on.

Work goes through `concurrent.futures.Executor`, so that processes on this machine and an engine for many machines
are one code. A run's folder is locked while it is trained: two sweeps on one folder never train one run twice, and
the lock of a process that died is free.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from collapse.errors import CollapseError
from collapse.study.execute import execute, folder_name
from collapse.training.data.load import data_name
from collapse.training.runs.config import RunConfig
from collapse.training.runs.folder import RunFolder, RunLocked

ELSEWHERE_SECONDS = 5.0
"""Between two checks for runs that another sweep has in progress."""

State = Literal["finished", "unfinished", "missing"]


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A run that a sweep is to make."""

    config: RunConfig
    """Its settings."""
    path: Path
    """Its folder."""

    @property
    def label(self) -> str:
        """What it is of: the model, every other setting that is not at its default, and the data set's name."""
        return f"{self.config.label} on {data_name(self.config.data)}"

    @property
    def state(self) -> State:
        """Whether it is finished, begun, or neither; what is damaged is unfinished, and fails with its reason."""
        folder = RunFolder(self.path)
        if not folder.config.exists():
            return "missing"
        try:
            return "finished" if folder.read_manifest().get("status") == "finished" else "unfinished"
        except (CollapseError, ValueError, TypeError):
            return "unfinished"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a run."""

    run: Planned
    """The run."""
    result: dict[str, Any] | None
    """What `collapse.study.execute.execute` returned; None if it failed."""
    reason: str = ""
    """Why it failed."""
    seconds: float = 0.0
    """Since it was handed to a worker."""


def plan(configs: Iterable[RunConfig], out: Path) -> list[Planned]:
    """Give every run its folder.

    Parameters
    ----------
    configs : iterable of RunConfig
        The runs.
    out : Path
        The study's folder.

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
    return [Planned(config=config, path=out / folder_name(config)) for config in planned]


def sweep(
    runs: Sequence[Planned],
    executor: Callable[[], Executor],
    *,
    at_once: int = 1,
    device: str = "auto",
    threads: int | None = None,
) -> Iterator[Outcome]:
    """Train the runs that are not finished.

    Parameters
    ----------
    runs : sequence of Planned
        The runs; those that are finished are left alone.
    executor : callable
        Makes the executor that they are submitted to; called again if its processes died.
    at_once : int
        Runs at one time.
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    threads : int, optional
        Threads a run.

    Yields
    ------
    Outcome
        Of every run as it ends, in the order in which they end; a failed one does not stop the others.

    Notes
    -----
    A run that another sweep is training is looked at again when there is nothing else to do. Where a process dies,
    which run it died of is not known: those that were in progress are taken up again one at a time, and one that
    dies alone has failed.
    """
    waiting = deque(run for run in runs if run.state != "finished")
    alone: deque[Planned] = deque()
    elsewhere: list[Planned] = []
    pending: dict[Future[dict[str, Any]], tuple[Planned, float]] = {}
    pool = executor()

    def submit(run: Planned) -> None:
        future = pool.submit(execute, run.config.as_dict(), str(run.path), device=device, threads=threads)
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
                    yield Outcome(run=lost[0], result=None, reason="its process died: killed, or out of memory")
                else:
                    alone.extend(lost)
    except BaseException:
        # Not waited for: whoever stops the sweep has the runs in progress stopped first.
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
