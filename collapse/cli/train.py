"""`collapse train`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from collapse.training.model_config import INTERACTIONS, READINGS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from collapse.training.config import RunConfig
    from collapse.training.loop import EpochResult


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG001
    from click.shell_completion import CompletionItem

    from collapse.training.registry import model_names

    return [CompletionItem(name) for name in model_names() if name.startswith(incomplete)]


@click.command(name="train", context_settings={"show_default": True})
@click.option(
    "--data", default="flights", help="A built-in data set (flights) or a folder from `collapse prepare`."
)
@click.option(
    "--model",
    default="dcnv2",
    shell_complete=_complete,
    help="One of `collapse models`, with its size or without (dcnv2, dcnv2-10x4), or module:Class of your own.",
)
@click.option("--sets", default=1, help="Embedding sets M, each with its own interaction: multi-embedding (ME).")
@click.option(
    "--scale", default=1, help="Enlarge the embedding size this many times: single-embedding (SE) scaling."
)
@click.option(
    "--embedding-size",
    type=int,
    show_default="the model's: 10, of nfwfm 50, of ffm 8",
    help="The base embedding size K.",
)
@click.option(
    "--interactions",
    type=click.Choice(INTERACTIONS),
    default="separate",
    help="Of ME's sets: one each, one shared by all, or one each with aligned norms (Figures 10c, 10d).",
)
@click.option("--hidden", default=400, help="Units of every hidden layer of the MLP.")
@click.option("--depth", default=3, help="Layers of the MLP with its output layer.")
@click.option("--dropout", default=0.2, help="Share of hidden units dropped.")
@click.option("--cross-layers", default=4, help="Cross layers of DCNv2.")
@click.option(
    "--regularised",
    is_flag=True,
    help="Draw DCNv2's projections to multiples of unitary matrices (Evidence III).",
)
@click.option(
    "--penalty-weight",
    type=float,
    show_default="1e-5 for --regularised, 1e-3 for aligned interactions",
    help="Weight of the penalty that --regularised or aligned interactions add.",
)
@click.option(
    "--reading",
    type=click.Choice(READINGS),
    default="text",
    help="Follow the paper's text or its code, where they differ.",
)
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
      collapse train --model ipnn-10x4             the same of another model, as one name
      collapse train --regularised                 with Evidence III's penalty
      collapse train --data criteo/ --init-seed 1
      collapse train --resume --out runs/me4
    """
    from collapse.training.config import RunConfig
    from collapse.training.folder import RunFolder
    from collapse.training.run import Run

    named = {name: options[name] for name in options if _is_named(ctx, name)}
    config = _applied(RunConfig(), named)
    folder: Path = options["out"] or _default_folder(config)
    if options["resume"]:
        stored = RunFolder(folder).read_config()
        if ":" in stored.model.model and "model" not in named:
            raise click.UsageError(
                f"the run in {folder} is of a model of your own: name it again, --model {stored.model.model}"
            )
        config = _applied(stored, named)
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


_MODEL = (
    "sets",
    "interactions",
    "hidden",
    "depth",
    "dropout",
    "cross_layers",
    "regularised",
    "penalty_weight",
    "reading",
)
_OPTIMISER = ("learning_rate", "weight_decay", "batch_size")
_SEEDS = {"split_seed": "split", "init_seed": "initialisation", "order_seed": "order"}
_RUN = ("data", "precision", "epochs", "patience")


def _is_named(ctx: click.Context, option: str) -> bool:
    return ctx.get_parameter_source(option) is ParameterSource.COMMANDLINE


def _applied(base: "RunConfig", named: dict[str, Any]) -> "RunConfig":
    """Put the options that were named over `base`; a stored run that differs is then refused with its reason."""
    from collapse.training.model_config import model_config

    text = named.get("model", base.model.model)
    # A model alone is no word against the size and the variant of a stored run.
    model = base.model if text == base.model.model else model_config(text)
    changed = {name: named[name] for name in _MODEL if name in named}
    if "scale" in named and named["scale"] < 1:
        raise click.BadParameter("it is a count of 1 or more", param_hint="--scale")
    if "embedding_size" in named and named["embedding_size"] < 1:
        raise click.BadParameter("it is a count of 1 or more", param_hint="--embedding-size")
    if "scale" in named or "embedding_size" in named:
        size = named.get("embedding_size") or model_config(text).embedding_size
        changed["embedding_size"] = size * named.get("scale", 1)
    if "penalty_weight" not in named and {"regularised", "interactions"} & set(changed):
        changed["penalty_weight"] = 0.0
    return replace(
        base,
        **{name: named[name] for name in _RUN if name in named},
        model=replace(model, **changed),
        optimiser=replace(base.optimiser, **{name: named[name] for name in _OPTIMISER if name in named}),
        seeds=replace(base.seeds, **{seed: named[name] for name, seed in _SEEDS.items() if name in named}),
    )


def _default_folder(config: "RunConfig") -> Path:
    seeds = config.seeds
    data, model = Path(config.data).name, config.model.name.replace(":", ".")
    return Path("runs") / f"{data}-{model}-seeds{seeds.split}.{seeds.initialisation}.{seeds.order}"


def _report(result: "EpochResult") -> None:
    click.echo(
        f"epoch {result.epoch:2d}  train loss {result.train_loss:.5f}  "
        f"validation AUC {result.validation_auc:.5f}  logloss {result.validation_logloss:.5f}  "
        f"{result.rows_per_second:,.0f} rows/s"
    )
