"""Options of the commands that train studies, and the loop that trains missing runs."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.options import named, setting_options
from collapse.errors import CollapseError
from collapse.printable import counted, printable
from collapse.settings import written
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds

if TYPE_CHECKING:
    from collapse.paper.profiles import Profile
    from collapse.study.estimate import Plan, Remaining
    from collapse.study.sweep import Outcome, Planned

_STOPPED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it: 128 + SIGINT."""
_ON_A_CLUSTER = 64
"""Default number of concurrent runs on a cluster, whose size is unknown here."""
_OPTIONS = (
    click.option(
        "--profile",
        default="smoke",
        show_default=True,
        help="Choose the size of the study: smoke, small, flights or paper.",
    ),
    click.option(
        "--data", multiple=True, help="Use this data set instead of the profile's, by name or folder. Repeatable."
    ),
    click.option(
        "--seeds",
        "--repeats",
        "repeats",
        type=click.IntRange(min=1),
        help="Train this many initialisations of each run that is compared, instead of the profile's number.",
    ),
    click.option("--rows", type=float, help="Train on this fraction of the training rows, for example 0.1."),
    click.option(
        "--base-size", type=click.IntRange(min=1), help="Use this embedding size K at 1x instead of the profile's."
    ),
    click.option(
        "--engine",
        type=click.Choice(["processes", "dask", "submitit"]),
        default="processes",
        show_default=True,
        help="Execute runs in processes on this machine, on Dask workers, or as Slurm jobs through submitit.",
    ),
    click.option(
        "-e",
        "engine_words",
        multiple=True,
        metavar="KEY=VALUE",
        help="Set a parameter of the engine. Dask: address=tcp://HOST:8786. submitit: slurm_partition=gpu, "
        "gpus_per_node=1, timeout_min=600, cluster=local, or any other of its parameters. Repeatable.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        help="Train this many runs at a time.  [default: one per core; 1 on a GPU; 64 with -e]",
    ),
    click.option(
        "--threads",
        type=click.IntRange(min=1),
        help="Use this many threads per run.  [default: the cores divided by --jobs]",
    ),
    click.option(
        "--on",
        "machines",
        multiple=True,
        type=click.Choice(["cpu", "a100", "h100", "8xh100"]),
        help="With --dry-run, also estimate the time on this machine: one thread of a CPU, as measured, or GPUs, "
        "computed from their published rates. Repeatable.",
    ),
    click.option("--keep-last", is_flag=True, help="Keep last.pt, the state for resuming, of finished runs."),
    click.option(
        "--devices",
        metavar="0,1,..",
        help="Train on these GPUs of this machine, one run at a time on each.",
    ),
    click.option(
        "--device", default="auto", help="Train on cpu or cuda; auto takes a GPU if there is one.  [default: auto]"
    ),
)


_SETTINGS = (
    (RunConfig, ("data", "train_share")),
    (OptimiserConfig, ()),
    (Seeds, ("initialisation",)),
)
"""Settings of every run, without those that have an option of their own."""


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose a profile, change it, and say where its runs are executed.

    They include every setting of a run that a profile or a grid does not vary, as `collapse train` has them.
    """
    for kind, leave_out in reversed(_SETTINGS):
        command = setting_options(kind, leave_out=leave_out)(command)
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_settings(options: dict[str, Any]) -> tuple[str, ...]:
    """Return the settings of every run that the options give, as ``key=value``."""
    found = {
        name: value
        for kind, leave_out in _SETTINGS
        for name, value in named(kind, options).items()
        if name not in leave_out
    }
    return tuple(f"{name}={written(value)}" for name, value in found.items())


def chosen_profile(options: dict[str, Any]) -> "Profile":
    """Return the profile that the options choose and change."""
    from collapse.paper.profiles import profile_of

    own = ("epochs", "batch_size")
    return profile_of(
        options["profile"],
        data=options["data"],
        repeats=options["repeats"],
        base_size=options["base_size"],
        rows=options["rows"],
        epochs=options["epochs"],
        batch_size=options["batch_size"],
        settings=tuple(word for word in given_settings(options) if word.partition("=")[0] not in own),
    )


def train_missing(
    runs: "Sequence[Planned]",
    out: Path,
    profile: "Profile | None",
    options: dict[str, Any],
    *,
    dry_run: bool = False,
) -> bool:
    """Train the runs that are missing, and print one line for each.

    Parameters
    ----------
    runs : sequence of Planned
        All runs of the study.
    out : Path
        The study's folder.
    profile : Profile, optional
        The study's profile, which is recorded in the folder; None for a grid.
    options : dict
        The values of `study_options`.
    dry_run : bool
        Print the runs and an estimate, and train nothing.

    Returns
    -------
    bool
        True if no run failed. Failed runs are listed on standard error.
    """
    from collapse.paper.item import record_profile
    from collapse.study.cost import MACHINES
    from collapse.study.estimate import Remaining

    words = dict(_key_and_value(word) for word in options["engine_words"])
    devices = _devices(options)
    jobs = len(devices) or options["jobs"]
    threads, jobs = _shared_out(options["device"], options["threads"], jobs, elsewhere=bool(words))
    left = Remaining(runs, threads=threads)
    if dry_run:
        for run in runs:
            click.echo(printable(f"{run.state:10s} {left.of_run(run):7,.0f} s  {run.label}"))
    plan = left.plan(jobs)
    click.echo(
        f"{len(runs)} runs, {plan.runs} of them to train in about {duration(plan.seconds)} "
        f"({jobs} at a time, {counted(threads, 'thread')} each); {needs(plan, jobs)}; {out}"
    )
    for name in options["machines"] if dry_run else ():
        machine = MACHINES[name]
        there = Remaining(runs, machine).plan(machine.devices)
        click.echo(
            f"on {name}: about {duration(there.seconds)}; {needs(there, machine.devices)} ({machine.source})"
        )
    if dry_run:
        click.echo("next: the same command without --dry-run")
        return True
    if profile:
        record_profile(out, profile)
    if not left.runs:
        return True
    from collapse.study.engines import open_executor

    with (
        _stopping(left, saved=options["engine"] != "dask"),
        open_executor(options["engine"], words, jobs=jobs, folder=out) as executor,
    ):
        # Start with the longest runs, so that no core is idle while the last run is trained.
        in_order = sorted(runs, key=left.of_run, reverse=True)
        begun = time.monotonic()
        whole = _sweep(
            in_order,
            left,
            executor,
            threads=threads,
            jobs=jobs,
            device=options["device"],
            devices=devices,
            keep_last=options["keep_last"],
        )
    click.echo(_outcome(plan, runs, time.monotonic() - begun))
    return whole


def needs(plan: "Plan", jobs: int) -> str:
    """Say what disk and memory a plan needs."""
    disk = f"{_gb(plan.disk)} of disk"
    if not plan.runs:
        return disk
    at_once = f", {_gb(plan.memory_at_once)} at once" if jobs > 1 and plan.runs > 1 else ""
    return f"{disk}, {_gb(plan.disk_peak)} while training; {_gb(plan.memory)} of memory per run{at_once}"


def _gb(size: float) -> str:
    return f"{size / 1e9:,.2f} GB" if size < 1e11 else f"{size / 1e12:,.2f} TB"


def _outcome(plan: "Plan", runs: "Sequence[Planned]", taken: float) -> str:
    """Compare a plan with what it became."""
    from collapse.study.study import StudyRun

    finished = [StudyRun(run.path) for run in runs if run.state == "finished"]
    disk = sum(file.stat().st_size for run in finished for file in run.path.rglob("*") if file.is_file())
    peaks = [int((run.manifest.get("peak_memory") or {}).get("process") or 0) for run in finished]
    return (
        f"planned and measured: {duration(plan.seconds)} and {duration(taken)}; {_gb(plan.disk)} and "
        f"{_gb(disk)} of "
        f"disk; {_gb(plan.memory)} and {_gb(max(peaks, default=0))} of memory for the largest run"
    )


@contextmanager
def _stopping(left: "Remaining", *, saved: bool) -> Iterator[None]:
    """After Ctrl-C or a termination signal, print how to continue and exit."""
    try:
        yield
    except KeyboardInterrupt:
        how = "stopped; the runs in progress are saved" if saved else "stopped"
        runs = "1 run is" if len(left.runs) == 1 else f"{len(left.runs)} runs are"
        click.echo(f"{how}. {runs} left: rerun the same command to continue", err=True)
        sys.exit(_STOPPED)


def _sweep(
    runs: "Sequence[Planned]",
    left: "Remaining",
    executor: "Callable[[], Executor]",
    *,
    threads: int,
    jobs: int,
    device: str,
    devices: Sequence[str],
    keep_last: bool,
) -> bool:
    from collapse.study.sweep import sweep

    failed: list[Outcome] = []
    start, whole = time.monotonic(), len(left.runs)
    trained = sweep(
        runs, executor, at_once=jobs, threads=threads, device=device, devices=devices, keep_last=keep_last
    )
    for found in trained:
        left.done(found)
        if result := found.result:
            what = f"test AUC {result['test_auc']:.4f}  {result['rows_per_second']:,.0f} rows/s"
        else:
            what = f"failed: {found.reason}"
        to_go = f"{duration(left.seconds(jobs))} left" if left.runs else duration(time.monotonic() - start)
        done = f"[{whole - len(left.runs)}/{whole}]"
        click.echo(printable(f"{done} {found.run.label}  {what}  {found.seconds:.0f} s  {to_go}"))
        failed += [found] * (found.result is None)
    if failed:
        click.echo(f"{len(failed)} of {whole} runs failed:", err=True)
        for found in failed:
            click.echo(printable(f"  {found.run.label}: {found.reason}"), err=True)
    return not failed


def _devices(options: dict[str, Any]) -> list[str]:
    """Return the devices that runs are handed to; empty without ``--devices``."""
    if options["devices"] is None:
        return []
    if options["engine"] != "processes" or options["device"] != "auto" or options["jobs"]:
        raise CollapseError(
            "--devices excludes --device and --jobs, and is for runs in processes: with submitit, give each job "
            "a GPU "
            "by -e gpus_per_node=1"
        )
    words = [word.strip() for word in options["devices"].split(",")]
    if not all(word.isdecimal() for word in words) or len(set(words)) < len(words):
        raise CollapseError(
            f"--devices must be different numbers of GPUs, such as 0,1, got {options['devices']!r}"
        )
    from collapse.training.runs.machine import torch_device

    found = [f"cuda:{int(word)}" for word in words]
    for device in found:
        torch_device(device)
    return found


def _key_and_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise CollapseError(f"-e {word} is not of the form KEY=VALUE")
    return key, value


def _shared_out(device: str, threads: int | None, jobs: int | None, *, elsewhere: bool) -> tuple[int, int]:
    """Return the threads per run and the runs at a time."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if elsewhere:
        return threads or 1, jobs or _ON_A_CLUSTER
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    at_once = jobs or (1 if on_gpu else max(cores // (threads or 1), 1))
    return threads or max(cores // at_once, 1), at_once


def duration(seconds: float) -> str:
    """Format a time as seconds, minutes or hours."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
