"""`collapse train`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

if TYPE_CHECKING:
    from collapse.training.config import RunConfig
    from collapse.training.loop import EpochResult


@click.command(name="train", context_settings={"show_default": True})
@click.option(
    "--data", default="flights", help="A built-in data set (flights) or a folder from `collapse prepare`."
)
@click.option("--model", default="dcnv2", help="The interaction.")
@click.option("--sets", default=1, help="Embedding sets M, each with its own interaction: multi-embedding (ME).")
@click.option(
    "--scale", default=1, help="Enlarge the embedding size this many times: single-embedding (SE) scaling."
)
@click.option("--embedding-size", default=10, help="The base embedding size K.")
@click.option("--epochs", default=50, help="Epochs at most.")
@click.option("--patience", default=3, help="Epochs without a better validation AUC before stopping.")
@click.option("--batch-size", default=2048, help="Rows a step.")
@click.option("--learning-rate", default=1e-3, help="Adam's step size.")
@click.option("--weight-decay", default=1e-6, help="Coupled L2 penalty of every parameter.")
@click.option("--split-seed", default=0, help="Which rows are for training, validation and test.")
@click.option("--init-seed", default=0, help="The first weights and the dropout masks.")
@click.option("--order-seed", default=0, help="The order of the training rows.")
@click.option("--precision", default="float32", help="float32, or bf16 for bfloat16 products: faster, less exact.")
@click.option("--device", default="auto", help="cpu, cuda, or auto for a GPU if there is one.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run's folder; by default runs/DATA-MODEL with the seeds.",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out; its settings are read from there.")
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> None:
    """Train a model and keep its best checkpoint.

    Without options: DCNv2 with the paper's settings on 327,346 real flights, about a minute on two cores. The
    run's folder gets config.json, metrics.csv (a row an epoch), best.pt (the checkpoint of the best validation
    AUC), last.pt (to resume from) and manifest.json (test results, versions, hashes, timings).

    Ctrl-C saves and stops; a run killed at any moment goes on with --resume and ends with the same numbers, bit
    for bit on a CPU. A finished run is not trained again.

    \b
    Examples:
      collapse train
      collapse train --scale 4 --out runs/se4      one set of K = 40
      collapse train --sets 4 --out runs/me4       four sets of K = 10
      collapse train --data criteo/ --init-seed 1
      collapse train --resume --out runs/me4
    """
    from collapse.training.folder import RunFolder
    from collapse.training.run import Run

    given = _config(options)
    folder: Path = options["out"] or _default_folder(given)
    config = given
    if options["resume"]:
        config = _overridden(RunFolder(folder).read_config(), given, _named(ctx))
    run = Run(config, folder, options["device"])
    rows = len(run.split.train)
    click.echo(f"{config.model.name} on {run.data.schema.name}: {rows:,} training rows, {run.device}, {folder}")
    result = run.train(resume=options["resume"], report=_report)
    if result.already:
        click.echo("already finished, nothing was trained:")
    click.echo(
        f"best epoch {result.best_epoch}: validation AUC {result.validation.auc:.5f}, "
        f"test AUC {result.test.auc:.5f}, test logloss {result.test.logloss:.5f}"
    )
    click.echo(f"next: collapse analyze {folder / 'best.pt'}")


_MODEL = ("model", "sets", "scale", "embedding_size")
_OPTIMISER = ("learning_rate", "weight_decay", "batch_size")
_SEEDS = {"split_seed": "split", "init_seed": "initialisation", "order_seed": "order"}
_RUN = ("data", "precision", "epochs", "patience")


def _config(options: dict[str, Any]) -> "RunConfig":
    from collapse.training.config import ModelConfig, OptimiserConfig, RunConfig, Seeds

    return RunConfig(
        **{name: options[name] for name in _RUN},
        model=ModelConfig(**{name: options[name] for name in _MODEL}),
        optimiser=OptimiserConfig(**{name: options[name] for name in _OPTIMISER}),
        seeds=Seeds(**{seed: options[name] for name, seed in _SEEDS.items()}),
    )


def _named(ctx: click.Context) -> set[str]:
    return {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}


def _overridden(stored: "RunConfig", given: "RunConfig", named: set[str]) -> "RunConfig":
    """Take the options that were named from `given`; a run of other settings is then refused with its reason."""
    return replace(
        stored,
        **{name: getattr(given, name) for name in _RUN if name in named},
        model=replace(stored.model, **{name: getattr(given.model, name) for name in _MODEL if name in named}),
        optimiser=replace(
            stored.optimiser, **{name: getattr(given.optimiser, name) for name in _OPTIMISER if name in named}
        ),
        seeds=replace(
            stored.seeds, **{seed: getattr(given.seeds, seed) for name, seed in _SEEDS.items() if name in named}
        ),
    )


def _default_folder(config: "RunConfig") -> Path:
    seeds = config.seeds
    data = Path(config.data).name
    return Path("runs") / f"{data}-{config.model.name}-seeds{seeds.split}.{seeds.initialisation}.{seeds.order}"


def _report(result: "EpochResult") -> None:
    click.echo(
        f"epoch {result.epoch:2d}  train loss {result.train_loss:.5f}  "
        f"validation AUC {result.validation_auc:.5f}  logloss {result.validation_logloss:.5f}  "
        f"{result.rows_per_second:,.0f} rows/s"
    )
