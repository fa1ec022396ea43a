"""``collapse sweep``: the runs of the paper's items, trained and left alone."""

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

if TYPE_CHECKING:
    from collapse.study.estimate import Remaining
    from collapse.study.profiles import Profile
    from collapse.study.sweep import Outcome, Planned
    from collapse.training.runs.config import RunConfig

_STOPPED = 130
_ON_A_CLUSTER = 64


@click.command(name="sweep")
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option("--profile", default="smoke", show_default=True, help="How large: smoke, small or paper.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="A grid of your own in place of items: TOML or JSON.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The study's folder.  [default: runs/PROFILE, or runs/FILE of a grid]",
)
@click.option("--data", multiple=True, help="A data set in place of the profile's, by name or folder. Repeatable.")
@click.option("--repeats", type=click.IntRange(min=1), help="Initialisations in place of the profile's.")
@click.option("--base-size", type=click.IntRange(min=1), help="Embedding size K at 1x in place of the profile's.")
@click.option(
    "--engine",
    type=click.Choice(["processes", "dask", "submitit"]),
    default="processes",
    show_default=True,
    help="What executes the runs: processes of this machine, Dask's workers, or Slurm's jobs by submitit.",
)
@click.option(
    "-e",
    "engine_words",
    multiple=True,
    metavar="KEY=VALUE",
    help="Dask: address=tcp://HOST:8786. submitit: slurm_partition=gpu, gpus_per_node=1, timeout_min=600, "
    "cluster=local, or any other of its parameters. Repeatable.",
)
@click.option(
    "--jobs",
    type=click.IntRange(min=1),
    help="Runs at one time.  [default: one a core, 1 on a GPU, 64 with -e]",
)
@click.option("--threads", type=click.IntRange(min=1), help="Threads a run.  [default: the cores shared out]")
@click.option("--device", default="auto", help="cpu, cuda, or auto for a GPU if there is one.  [default: auto]")
@click.option("--dry-run", is_flag=True, help="Show the runs, what is finished and an estimate, and stop.")
def command(items: tuple[str, ...], **options: Any) -> None:
    """Train the runs that figures and tables of the paper are made of, or a grid of your own.

    ITEM is a figure (8a) or a table (table-1), or all; several share their runs. What is finished is skipped, what
    was stopped or killed goes on, and a run that fails does not stop the others: it is told at the end, and the
    exit code is 1. Ctrl-C has the runs in progress saved and stops; the same command goes on. Two sweeps may work
    in one folder.

    \b
    Profiles:
      smoke   a tenth of the flights, K = 4 at 1x, once: minutes
      small   the same and a set of Criteo's shape, three initialisations of what is compared: an hour
      paper   the paper's grid on Criteo and Avazu, prepared in data/criteo and data/avazu: for a GPU

    \b
    A grid is a file with the keys of a run's config.json; lists are multiplied:
      data = ["flights", "data/shop"]
      epochs = 10
      [model]
      model = ["dcnv2-10", "dcnv2-40", "dcnv2-10x4", "dnn-40"]
      [seeds]
      initialisation = [0, 1, 2]

    With --engine dask or submitit every machine has the study's folder and the data under the same paths, and this
    package installed.

    \b
    Examples:
      collapse sweep 8a --dry-run
      collapse sweep table-1 --profile smoke
      collapse sweep all --profile paper --data /data/criteo --data /data/avazu --device cuda
      collapse sweep 5b --data flights --repeats 5 --base-size 10 --out runs/regularised
      collapse sweep --config grid.toml --out runs/mine
      collapse sweep table-1 --engine dask -e address=tcp://node1:8786 --threads 1
      collapse sweep table-1 --engine submitit -e slurm_partition=gpu -e gpus_per_node=1 -e timeout_min=600
    """
    from collapse.study.estimate import Remaining
    from collapse.study.item import record_profile
    from collapse.study.sweep import plan

    if (file := options["config_file"]) is not None:
        if items or options["data"] or options["repeats"] or options["base_size"]:
            raise CollapseError("--config says all of a grid: leave out items, --data, --repeats and --base-size")
        from collapse.study.grid import read_grid

        profile, configs = None, read_grid(file)
    else:
        profile, configs = _of_items(items, options)
    out = options["out"] or Path("runs") / (profile.name if profile else file.stem)
    runs = plan(configs, out)
    left = Remaining(runs)
    words = dict(_key_and_value(word) for word in options["engine_words"])
    threads, jobs = _shared_out(options["device"], options["threads"], options["jobs"], elsewhere=bool(words))
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
    if profile:
        record_profile(out, profile)
    if left.runs:
        from collapse.study.engines import engine

        with (
            _stopping(left, saved=options["engine"] != "dask"),
            engine(options["engine"], words, jobs=jobs, folder=out) as executor,
        ):
            _sweep(runs, left, executor, threads=threads, jobs=jobs, device=options["device"])
    if not profile:
        _show_results(out, runs)


def _of_items(items: tuple[str, ...], options: dict[str, Any]) -> "tuple[Profile, tuple[RunConfig, ...]]":
    from collapse.study.profiles import profile_of
    from collapse.study.recipes import runs_of

    if not items:
        raise CollapseError("name an item, such as 8a, table-1 or all, or a grid with --config")
    profile = profile_of(
        options["profile"], data=options["data"], repeats=options["repeats"], base_size=options["base_size"]
    )
    configs = runs_of(items, profile)
    if not configs:
        raise CollapseError(
            f"{', '.join(items)} has no runs in this profile: Figures 4 and 7 and Table 4 need none, and "
            "Figure 13 and Table 6 a second --data"
        )
    return profile, configs


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
) -> None:
    from collapse.study.sweep import sweep

    failed: list[Outcome] = []
    start, whole = time.monotonic(), len(left.runs)
    for found in sweep(runs, executor, at_once=jobs, threads=threads, device=device):
        left.done(found)
        label = f"{found.run.config.label} on {found.run.config.data}"
        if result := found.result:
            what = f"test AUC {result['test_auc']:.4f}  {result['rows_per_second']:,.0f} rows/s"
        else:
            what = f"failed: {found.reason}"
        to_go = f"{_told(left.seconds(jobs))} to go" if left.runs else _told(time.monotonic() - start)
        click.echo(f"[{whole - len(left.runs)}/{whole}] {label}  {what}  {found.seconds:.0f} s  {to_go}")
        failed += [found] * (found.result is None)
    if failed:
        click.echo(f"{len(failed)} of {whole} runs failed:", err=True)
        for found in failed:
            click.echo(f"  {found.run.config.label} on {found.run.config.data}: {found.reason}", err=True)
        sys.exit(1)


def _show_results(out: Path, runs: "Sequence[Planned]") -> None:
    """Print a row a run of a grid, the best first, and keep all that is known of them as CSV."""
    from collapse.files import atomic_write
    from collapse.study.study import Study

    results = Study(out).results
    with atomic_write(out / "results.csv") as file:
        file.write(results.to_csv(index=False, lineterminator="\n").encode())
    ours = results[results["path"].isin(str(run.path) for run in runs)]
    shown = ours.sort_values("test_auc", ascending=False)[["label", "data", "epochs", "test_auc", "test_logloss"]]
    click.echo(shown.to_string(index=False, float_format="{:.5f}".format))
    click.echo(f"wrote {out / 'results.csv'}")


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


def _told(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
