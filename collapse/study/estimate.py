"""Plans of a study: how long its runs take, and what they need, corrected by finished runs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from collapse.study.cost import MACHINES, Machine, disk_bytes, memory_bytes, seconds
from collapse.study.study import StudyRun
from collapse.study.sweep import Outcome, Planned
from collapse.training.data.shapes import DataShape, shape_of


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the runs of a study that are left need."""

    runs: int
    """Number of runs that are left."""
    seconds: float
    """Time of all."""
    disk: int
    """Bytes of all runs of the study when they are finished."""
    disk_peak: int
    """Most bytes while they are trained, with the states of the runs in progress."""
    memory: int
    """Peak memory in bytes of the largest run that is left; 0 without runs."""
    memory_at_once: int
    """The same of as many of the largest runs as are trained at a time."""


class Remaining:
    """The remaining runs and what they need; the time is corrected by finished runs.

    Parameters
    ----------
    runs : sequence of Planned
        All runs, finished or not. Their data need not be there.
    machine : Machine, optional
        Where they are trained. Finished runs correct only the times of this machine, the default.
    threads : int
        Threads per run.

    Raises
    ------
    CollapseError
        If nothing is known of a data set.
    """

    def __init__(self, runs: Sequence[Planned], machine: Machine = MACHINES["cpu"], *, threads: int = 1) -> None:
        self._shapes = {run.config.data: shape_of(run.config.data) for run in runs}
        self._machine, self._threads, self._all = machine, threads, tuple(runs)
        finished = [run for run in runs if run.state == "finished"]
        self._speed = 1.0
        if machine.name == "cpu":
            self._speed = _speed([(run, StudyRun(run.path)) for run in finished], self._shapes)
        ended = {run.path for run in finished}
        self.runs = {run.path: run for run in runs if run.path not in ended}
        self._seconds = {key: self._expected(run) for key, run in self.runs.items()}
        self._rates: list[tuple[float, float]] = []

    def _expected(self, run: Planned) -> float:
        shape = self._shapes[run.config.data]
        return seconds(run.config, shape.cardinalities, shape.rows, self._machine, threads=self._threads)

    def of_run(self, run: Planned) -> float:
        """Return the seconds that a run takes on one worker."""
        key = run.path
        if key not in self._seconds:
            self._seconds[key] = self._expected(run)
        return self._seconds[key] / self._speed

    def seconds(self, jobs: int) -> float:
        """Return the seconds until all runs are done."""
        of_runs = [self.of_run(run) for run in self.runs.values()]
        # No number of workers makes a single run faster.
        return max([sum(of_runs) / jobs, *of_runs]) if of_runs else 0.0

    def plan(self, jobs: int) -> Plan:
        """Return what the runs that are left need with a number of runs at a time."""
        disks, states, memories = [], [], []
        for run in self._all:
            shape = self._shapes[run.config.data]
            disk, state = disk_bytes(run.config, shape.cardinalities, shape.rows)
            disks.append(disk)
            if run.path in self.runs:
                states.append(state)
                memories.append(memory_bytes(run.config, shape.cardinalities, shape.rows))
        memories.sort(reverse=True)
        return Plan(
            runs=len(self.runs),
            seconds=self.seconds(jobs),
            disk=sum(disks),
            disk_peak=sum(disks) + sum(sorted(states, reverse=True)[:jobs]),
            memory=max(memories, default=0),
            memory_at_once=sum(memories[:jobs]),
        )

    def done(self, found: Outcome) -> None:
        """Record the outcome of a run."""
        expected = self.of_run(found.run) * self._speed
        self.runs.pop(found.run.path, None)
        if found.result is not None and not found.result["already"]:
            self._rates.append((expected, found.result["seconds"]))
            self._speed = sum(each for each, _ in self._rates) / sum(taken for _, taken in self._rates)


def _speed(finished: Sequence[tuple[Planned, StudyRun]], shapes: dict[str, DataShape]) -> float:
    """Return how many expected seconds finished runs did per second: their median; 1 without runs."""
    rates = []
    for planned, run in finished:
        shape, manifest = shapes[planned.config.data], run.manifest
        taken = float(manifest.get("seconds_since_start_or_resume", math.nan))
        if taken > 0 and str(manifest.get("device", "cpu")) == "cpu":
            expected = seconds(
                planned.config,
                shape.cardinalities,
                shape.rows,
                MACHINES["cpu"],
                threads=int(manifest.get("threads", 1)),
                epochs=manifest["epochs"],
            )
            rates.append(expected / taken)
    return median(rates) if rates else 1.0
