"""``collapse sweep``: the runs of the paper's items, trained and left alone."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.errors import CollapseError

if TYPE_CHECKING:
    from collapse.study.sweep import Outcome, Planned

_STOPPED = 130


@click.command(name="sweep")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--profile", default="smoke", show_default=True, help="How large: smoke, small or paper.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The study's folder.  [default: runs/PROFILE]",
)
@click.option("--data", multiple=True, help="A data set in place of the profile's, by name or folder. Repeatable.")
@click.option("--repeats", type=click.IntRange(min=1), help="Initialisations in place of the profile's.")
@click.option("--base-size", type=click.IntRange(min=1), help="Embedding size K at 1x in place of the profile's.")
@click.option("--jobs", type=click.IntRange(min=1), help="Runs at one time.  [default: one a core, 1 on a GPU]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run.  [default: the cores shared out]")
@click.option("--device", default="auto", help="cpu, cuda, or auto for a GPU if there is one.  [default: auto]")
@click.option("--dry-run", is_flag=True, help="Show the runs, what is finished and an estimate, and stop.")
def command(items: tuple[str, ...], **options: Any) -> None:
    """Train the runs that figures and tables of the paper are made of.

    ITEM is a figure (8a) or a table (table-1), or all; several share their runs. What is finished is skipped, what
    was stopped or killed goes on, and a run that fails does not stop the others: it is told at the end, and the
    exit code is 1. Ctrl-C has the runs in progress saved and stops; the same command goes on. Two sweeps may work
    in one folder.

    \b
    Profiles:
      smoke   a tenth of the flights, K = 4 at 1x, once: minutes
      small   flights and a set of Criteo's shape, K = 4 at 1x, three initialisations: hours on two cores
      paper   the paper's grid on Criteo and Avazu, prepared in data/criteo and data/avazu: for a GPU

    \b
    Examples:
      collapse sweep 8a --dry-run
      collapse sweep table-1 --profile smoke
      collapse sweep all --profile paper --data /data/criteo --data /data/avazu --device cuda
      collapse sweep 5b --data flights --repeats 5 --base-size 10 --out runs/regularised
    """
    from collapse.study.item import record_profile
    from collapse.study.profiles import profile_of
    from collapse.study.recipes import runs_of
    from collapse.study.sweep import plan

    profile = profile_of(
        options["profile"], data=options["data"], repeats=options["repeats"], base_size=options["base_size"]
    )
    out = options["out"] or Path("runs") / profile.name
    runs = plan(runs_of(items, profile), out)
    if not runs:
        raise CollapseError(
            f"{', '.join(items)} has no runs in this profile: Figure 4 and Table 4 need none, and Figure 13 and "
            "Table 6 a second --data"
        )
    left = _Left(runs)
    threads, jobs = _shared_out(options["device"], options["threads"], options["jobs"])
    if options["dry_run"]:
        for run in runs:
            click.echo(
                f"{run.state:10s} {left.of_run(run) * threads:7,.0f} s  {run.config.label} on {run.config.data}"
            )
    click.echo(
        f"{len(runs)} runs, {len(left.runs)} of them to be trained, {_told(left.seconds(jobs))} by estimate; "
        f"{jobs} at a time, {threads} thread{'s' * (threads > 1)} each; {out}"
    )
    if options["dry_run"]:
        return
    record_profile(out, profile)
    if left.runs:
        _sweep(runs, left, threads=threads, jobs=jobs, device=options["device"])


def _sweep(runs: "Sequence[Planned]", left: "_Left", *, threads: int, jobs: int, device: str) -> None:
    from collapse.study.processes import process_pool, stopping_children
    from collapse.study.sweep import sweep

    failed: list[Outcome] = []
    start, count, whole = time.monotonic(), 0, len(left.runs)
    try:
        with stopping_children():
            for found in sweep(runs, lambda: process_pool(jobs), at_once=jobs, threads=threads, device=device):
                count += 1
                left.done(found)
                label = f"{found.run.config.label} on {found.run.config.data}"
                what = f"test AUC {found.result['test_auc']:.4f}" if found.result else f"failed: {found.reason}"
                to_go = f"{_told(left.seconds(jobs))} to go" if left.runs else _told(time.monotonic() - start)
                click.echo(f"[{count}/{whole}] {label}  {what}  {found.seconds:.0f} s  {to_go}")
                failed += [found] * (found.result is None)
    except KeyboardInterrupt:
        click.echo(f"stopped and saved, {whole - count} runs to go: the same command goes on", err=True)
        sys.exit(_STOPPED)
    if failed:
        click.echo(f"{len(failed)} of {whole} runs failed:", err=True)
        for found in failed:
            click.echo(f"  {found.run.config.label} on {found.run.config.data}: {found.reason}", err=True)
        sys.exit(1)


class _Left:
    """The runs that are left, and how long they will take: put right by those that are finished."""

    def __init__(self, runs: "Sequence[Planned]") -> None:
        from collapse.study.estimate import speed, work
        from collapse.study.study import StudyRun
        from collapse.training.data.catalogue import load_data

        data = {run.config.data: load_data(run.config.data) for run in runs}
        self._work = {run.path: work(run.config, data[run.config.data]) for run in runs}
        finished = [StudyRun(run.path) for run in runs if run.state == "finished"]
        self._speed = speed([(self._work[run.path], run) for run in finished])
        self._rates: list[tuple[float, float]] = []
        self.runs = {run.path: run for run in runs if run.state != "finished"}

    def of_run(self, run: "Planned") -> float:
        """Return the seconds of one worker that a run takes."""
        return self._work[run.path] / self._speed

    def seconds(self, jobs: int) -> float:
        """Return the seconds until all are done."""
        return sum(self.of_run(run) for run in self.runs.values()) / min(jobs, max(len(self.runs), 1))

    def done(self, found: "Outcome") -> None:
        """Take note of a run that ended."""
        self.runs.pop(found.run.path, None)
        if found.result is not None and found.seconds:
            self._rates.append((self._work[found.run.path], found.seconds))
            self._speed = sum(work for work, _ in self._rates) / sum(seconds for _, seconds in self._rates)


def _shared_out(device: str, threads: int | None, jobs: int | None) -> tuple[int, int]:
    """Return threads a run and runs at one time."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    at_once = jobs or (1 if on_gpu else max(cores // (threads or 1), 1))
    return threads or max(cores // at_once, 1), at_once


def _told(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
