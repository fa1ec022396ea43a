"""`collapse sweep`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.columns import echo_table
from collapse.cli.output import suggest
from collapse.cli.studies import chosen_profile, given_settings, study_options, train_missing
from collapse.errors import CollapseError
from collapse.printable import one_line, path_text

if TYPE_CHECKING:
    from collapse.paper.profiles import Profile
    from collapse.study.sweep import Planned
    from collapse.training.runs.config import RunConfig


@click.command(name="sweep")
@click.argument("items", nargs=-1, metavar="[ITEM]...")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Train the grid in this TOML or JSON file instead of items.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the study in this folder.  [default: runs/PROFILE, or runs/FILE for a grid]",
)
@click.option(
    "--allow-model",
    multiple=True,
    metavar="MODULE:CLASS",
    help="Import this model of your own, from an installed module or a file in the current folder, if the grid "
    "names it. Repeatable.",
)
@study_options
@click.option("--dry-run", is_flag=True, help="List the runs, their state and an estimate, then stop.")
def command(items: tuple[str, ...], **options: Any) -> None:
    """Train all runs of figures, tables or a grid.

    ITEM is a figure (8a), a table (table-1) or all. Items share runs, and each run is trained once. Finished runs
    are skipped, and interrupted runs continue. If a run fails, the others go on; the failure is reported at the
    end and the exit code is 1. Ctrl-C saves the runs in progress, then stops; rerun the same command to continue.
    Two sweeps may work in the same folder.

    \b
    Profiles:
      smoke    5 % of the flights and a set of Avazu's shape, K = 4 at 1x: five minutes on two cores
      small    10 % of the flights and a set of Criteo's shape, K = 4 at 1x, five initialisations:
               an hour and a half
      flights  all flights at the paper's settings, DCNv2 and DNN at 1x and 4x, five initialisations:
               two hours and a half
      paper    the paper's grid on Criteo and Avazu, prepared in data/criteo and data/avazu: needs a GPU

    \b
    A grid is a file with the keys of a run's config.json. Lists are combined in every way:
      data = ["flights", "data/shop"]
      epochs = 10
      [model]
      model = ["dcnv2-10", "dcnv2-40", "dcnv2-10x4", "dnn-40"]
      [seeds]
      initialisation = [0, 1, 2]
      [[figures]]
      name = "auc-by-size"
      x = "columns"
      y = "test_auc"
      hue = "model"
      panel = "data"

    A figure shows y by x, with one line per hue and one panel per panel, as means over the initialisations with 95
    % intervals. Each is a setting (learning_rate, sets, columns = embedding_size x sets, ...), a result (test_auc,
    validation_auc, ...), a measure of `collapse analyze --json` (its mean over the fields, or one number per field
    if another part is "field"), or epoch with what the run recorded by epoch. More keys: where = { sets = 1 },
    error = "interval", "deviation" or "none", log = "x", "y" or "both", shows = "one sentence".

    With --engine dask or submitit, every machine needs this package, and must see the study's folder and the data
    under the same paths.

    \b
    Examples:
      collapse sweep 8a --dry-run
      collapse sweep all --profile paper --dry-run --on a100 --on 8xh100
      collapse sweep table-1 --profile smoke
      collapse sweep all --profile paper --data /data/criteo --data /data/avazu --device cuda
      collapse sweep 5b --data flights --seeds 5 --base-size 10 --out runs/regularised
      collapse sweep --config grid.toml --out runs/mine
      collapse sweep --config grid.toml --allow-model my_model:Mine --out runs/mine
      collapse sweep table-1 --engine dask -e address=tcp://node1:8786 --threads 1
      collapse sweep table-1 --engine submitit -e slurm_partition=gpu -e gpus_per_node=1 -e timeout_min=600
    """
    from collapse.paper.own_figures import keep_figures
    from collapse.study.sweep import plan

    profile = None
    if (file := options["config_file"]) is not None:
        if items or any(options[name] for name in ("data", "repeats", "base_size", "rows")):
            raise CollapseError("--config replaces items, --data, --seeds, --base-size and --rows: leave them out")
        configs = _of_grid(file, options)
    else:
        profile, configs = _of_items(items, options)
    out = options["out"] or Path("runs") / (profile.name if profile else file.stem)
    runs = plan(configs, out, opens=not options["dry_run"])
    if file and not options["dry_run"]:
        keep_figures(file, out)
    whole = train_missing(runs, out, profile, options, dry_run=options["dry_run"])
    if file and not options["dry_run"]:
        _show_results(out, runs)
    if not whole:
        sys.exit(1)


def _of_grid(file: Path, options: dict[str, Any]) -> "tuple[RunConfig, ...]":
    """Return the runs of a grid, after its figures were checked."""
    from collapse.paper.own_figures import read_figures
    from collapse.study.grid import read_grid
    from collapse.training.runs.config import with_settings

    words = given_settings(options)
    runs = (with_settings(config, words) for config in read_grid(file, allowed=options["allow_model"]))
    configs = tuple(dict.fromkeys(runs))
    read_figures(file, runs=configs)
    return configs


def _of_items(items: tuple[str, ...], options: dict[str, Any]) -> "tuple[Profile, tuple[RunConfig, ...]]":
    from collapse.paper.catalogue import runs_of

    if not items:
        raise CollapseError("nothing to train: pass an item such as 8a, table-1 or all, or a grid with --config")
    profile = chosen_profile(options)
    configs = runs_of(items, profile)
    if not configs:
        raise CollapseError(
            f"{', '.join(items)} has no runs in this profile: Figures 4 and 7 and Table 4 need none, and Figure "
            "13 and Table 6 need a second --data"
        )
    return profile, configs


def _show_results(out: Path, runs: "Sequence[Planned]") -> None:
    """Print one row per run of a grid, the best first, and write all results as CSV."""
    from collapse.files.csv_cells import write_csv
    from collapse.study.study import Study

    results = Study(out).results
    write_csv(out / "results.csv", results)
    ours = results[results["path"].isin(str(run.path) for run in runs)]
    shown = ours.sort_values("test_auc", ascending=False)[["label", "data", "epochs", "test_auc", "test_logloss"]]
    text = shown.assign(**{name: shown[name].map("{:.5f}".format) for name in ("test_auc", "test_logloss")})
    text[["label", "data"]] = text[["label", "data"]].map(one_line)
    echo_table(text, ["epochs", "data"])
    click.echo(f"wrote {out / 'results.csv'}")
    suggest("collapse", "figures", path_text(out), "--figure", "all")
