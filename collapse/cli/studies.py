"""What the commands on studies share: options, and the training of what is missing."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.errors import CollapseError
from collapse.printable import printable

if TYPE_CHECKING:
    from collapse.paper.profiles import Profile
    from collapse.study.estimate import Remaining
    from collapse.study.sweep import Outcome, Planned

_STOPPED = 130
"""Exit code of a command that Ctrl-C ended, as shells have it: 128 + SIGINT."""
_ON_A_CLUSTER = 64
"""Runs in flight on a cluster, whose size is not known here."""
_OPTIONS = (
    click.option(
        "--profile", default="smoke", show_default=True, help="Size of the study: smoke, small, flights or paper."
    ),
    click.option(
        "--data", multiple=True, help="A data set in place of the profile's, by name or folder. Repeatable."
    ),
    click.option(
        "--seeds",
        "--repeats",
        "repeats",
        type=click.IntRange(min=1),
        help="Initialisations in place of the profile's.",
    ),
    click.option("--rows", type=float, help="Share of the training rows, such as 0.1, in place of all."),
    click.option(
        "--base-size", type=click.IntRange(min=1), help="Embedding size K at 1x in place of the profile's."
    ),
    click.option(
        "--engine",
        type=click.Choice(["processes", "dask", "submitit"]),
        default="processes",
        show_default=True,
        help="What executes the runs: processes of this machine, Dask's workers, or Slurm's jobs by submitit.",
    ),
    click.option(
        "-e",
        "engine_words",
        multiple=True,
        metavar="KEY=VALUE",
        help="Dask: address=tcp://HOST:8786. submitit: slurm_partition=gpu, gpus_per_node=1, timeout_min=600, "
        "cluster=local, or any other of its parameters. Repeatable.",
    ),
    click.option(
        "--jobs",
        type=click.IntRange(min=1),
        help="Runs at one time.  [default: one a core, 1 on a GPU, 64 with -e]",
    ),
    click.option("--threads", type=click.IntRange(min=1), help="Threads a run.  [default: the cores shared out]"),
    click.option(
        "--device", default="auto", help="cpu, cuda, or auto for a GPU if there is one.  [default: auto]"
    ),
)


def study_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options that choose and change a profile and say where its runs are executed."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def chosen_profile(options: dict[str, Any]) -> "Profile":
    """Return the profile that is asked for, with what is to be otherwise."""
    from collapse.paper.profiles import profile_of

    return profile_of(
        options["profile"],
        data=options["data"],
        repeats=options["repeats"],
        base_size=options["base_size"],
        rows=options["rows"],
    )


def train_missing(
    runs: "Sequence[Planned]",
    out: Path,
    profile: "Profile | None",
    options: dict[str, Any],
    *,
    dry_run: bool = False,
) -> bool:
    """Train the runs that are missing, told line by line.

    Parameters
    ----------
    runs : sequence of Planned
        All runs.
    out : Path
        The study's folder.
    profile : Profile, optional
        What the study is filled with, to be written down; None for a grid.
    options : dict
        The values of `study_options`.
    dry_run : bool
        Show the runs and an estimate, and train nothing.

    Returns
    -------
    bool
        Whether none failed; those that did are told on standard error.
    """
    from collapse.paper.item import record_profile
    from collapse.study.estimate import Remaining

    left = Remaining(runs)
    words = dict(_key_and_value(word) for word in options["engine_words"])
    threads, jobs = _shared_out(options["device"], options["threads"], options["jobs"], elsewhere=bool(words))
    if dry_run:
        for run in runs:
            click.echo(printable(f"{run.state:10s} {left.of_run(run) * threads:7,.0f} s  {run.label}"))
    click.echo(
        f"{len(runs)} runs, {len(left.runs)} of them to be trained, {_duration(left.seconds(jobs))} by estimate; "
        f"{jobs} at a time, {threads} thread{'s' * (threads > 1)} each; {out}"
    )
    if dry_run:
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
        # The longest first, so that no core is idle while the last of them is trained.
        in_order = sorted(runs, key=left.of_run, reverse=True)
        return _sweep(in_order, left, executor, threads=threads, jobs=jobs, device=options["device"])


@contextmanager
def _stopping(left: "Remaining", *, saved: bool) -> Iterator[None]:
    """Turn Ctrl-C and a termination signal, once the engine has stopped, into a word and an exit code."""
    try:
        yield
    except KeyboardInterrupt:
        how = "stopped and saved" if saved else "stopped"
        click.echo(f"{how}, {len(left.runs)} runs to go: the same command goes on", err=True)
        sys.exit(_STOPPED)


def _sweep(
    runs: "Sequence[Planned]",
    left: "Remaining",
    executor: "Callable[[], Executor]",
    *,
    threads: int,
    jobs: int,
    device: str,
) -> bool:
    from collapse.study.sweep import sweep

    failed: list[Outcome] = []
    start, whole = time.monotonic(), len(left.runs)
    for found in sweep(runs, executor, at_once=jobs, threads=threads, device=device):
        left.done(found)
        if result := found.result:
            what = f"test AUC {result['test_auc']:.4f}  {result['rows_per_second']:,.0f} rows/s"
        else:
            what = f"failed: {found.reason}"
        to_go = f"{_duration(left.seconds(jobs))} to go" if left.runs else _duration(time.monotonic() - start)
        done = f"[{whole - len(left.runs)}/{whole}]"
        click.echo(printable(f"{done} {found.run.label}  {what}  {found.seconds:.0f} s  {to_go}"))
        failed += [found] * (found.result is None)
    if failed:
        click.echo(f"{len(failed)} of {whole} runs failed:", err=True)
        for found in failed:
            click.echo(printable(f"  {found.run.label}: {found.reason}"), err=True)
    return not failed


def _key_and_value(word: str) -> tuple[str, str]:
    key, equals, value = word.partition("=")
    if not equals:
        raise CollapseError(f"-e {word} is no option of an engine: write key=value")
    return key, value


def _shared_out(device: str, threads: int | None, jobs: int | None, *, elsewhere: bool) -> tuple[int, int]:
    """Return threads a run and runs at one time."""
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if elsewhere:
        return threads or 1, jobs or _ON_A_CLUSTER
    on_gpu = device.startswith("cuda") or (device == "auto" and torch.cuda.is_available())
    at_once = jobs or (1 if on_gpu else max(cores // (threads or 1), 1))
    return threads or max(cores // at_once, 1), at_once


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
