"""`collapse train`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.options import named, setting_options
from collapse.cli.output import suggest
from collapse.printable import path_text
from collapse.settings import parse_word
from collapse.training.models.config import ModelConfig
from collapse.training.models.registry import interaction_class, model_config, model_names, model_settings
from collapse.training.runs.config import OptimiserConfig, RunConfig, Seeds

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from collapse.training.runs.loop import EpochResult


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> "list[CompletionItem]":  # noqa: ARG001
    from click.shell_completion import CompletionItem

    return [CompletionItem(name) for name in model_names() if name.startswith(incomplete)]


@click.command(name="train")
@click.option(
    "--model",
    shell_complete=_complete,
    help="Train this model: a name from `collapse models`, optionally with its size and settings (dcnv2, "
    "dcnv2-10x4, dcnv2-10,cross_layers=8), or module:Class for your own.  [default: dcnv2]",
)
@click.option(
    "-c",
    "words",
    multiple=True,
    metavar="KEY=VALUE",
    help="Change a setting of the model; `collapse models MODEL` lists them. Repeatable.",
)
@click.option(
    "--scale",
    type=click.IntRange(min=1),
    help="Multiply the embedding size by this factor (single-embedding scaling, SE).  [default: 1]",
)
@setting_options(ModelConfig, leave_out=("model", "field_sizes"))
@click.option(
    "--field-sizes",
    "field_sizes_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Give every field's table its own size, at most the embedding size, from this YAML or JSON file of "
    "`collapse size --write yaml`. Each is projected to the embedding size after the lookup.  [default: all have "
    "the embedding size]",
)
@setting_options(RunConfig)
@setting_options(OptimiserConfig)
@setting_options(Seeds)
@click.option(
    "--device", default="auto", help="Train on cpu or cuda; auto takes a GPU if there is one.  [default: auto]"
)
@click.option("--threads", type=click.IntRange(min=1), help="Use this many CPU threads.  [default: one per core]")
@click.option(
    "--monitor",
    "monitors",
    multiple=True,
    default=["abundance"],
    type=click.Choice(["abundance", "co-influence", "patterns", "layers", "segments", "none"]),
    help="Record during training, as one CSV file each: the information abundance of every field, the "
    "correlations of Figure 3 (co-influence), the distance of DCNv2's projections from unitary ones (patterns), "
    "how many directions the outputs of each layer use (layers; draw them with analyze --figure layers), or the "
    "abundance of the head, middle and tail of the lookups (segments). "
    "Repeatable.  [default: abundance]",
)
@click.option(
    "--monitor-every",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="Also record after every so many steps.  [default: at the start and after every epoch]",
)
@click.option(
    "--tensorboard", is_flag=True, help="Also write metrics and monitors for TensorBoard, in the run's folder."
)
@click.option(
    "--keep-last", is_flag=True, help="Keep last.pt when the run is finished, to look at its optimiser's state."
)
@click.option("--force", is_flag=True, help="Use bf16 even if it is slower than float32 on this device.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Start from the settings in this config.json of a run; options on the command line override it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the run to this folder.  [default: runs/DATA-LABEL, where LABEL names the settings that differ "
    "from the defaults]",
)
@click.option("--resume", is_flag=True, help="Continue the run in --out with its settings.")
def command(**options: Any) -> None:
    """Train one model and save checkpoints.

    Without options, this trains DCNv2 with the paper's settings on 327,346 real flights, in about a minute on two
    cores. The run's folder gets config.json, metrics.csv (one row per epoch), abundance.csv (the information
    abundance of every field during training), best.pt (the checkpoint with the best validation AUC), manifest.json
    (test results, versions, hashes, timings), and until it is finished last.pt (for --resume).

    Ctrl-C saves and stops. A run that was interrupted at any moment continues with --resume and ends with the same
    numbers, on a CPU bit for bit. A finished run is not trained again.

    \b
    Examples:
      collapse train
      collapse train --scale 4 --out runs/se4      one set of K = 40
      collapse train --sets 4 --out runs/me4       four sets of K = 10
      collapse train --model ipnn-10x4             another model, with its size in the name
      collapse train -c regularised=lambda         with the penalty of Evidence III
      collapse train --sets 4 --interactions shared
      collapse train --embedding-size 40 --field-sizes sizes.yaml
      collapse train --config runs/me4/config.json --init-seed 1 --out runs/me4-1
      collapse train --resume --out runs/me4
    """
    from collapse.analysis.monitors import MONITORS
    from collapse.training.runs.folder import RunFolder, default_folder, read_config
    from collapse.training.runs.machine import keep_freed_memory
    from collapse.training.runs.run import Run

    if options["resume"] and options["config_file"]:
        raise click.UsageError("--resume reads the settings from --out: leave out --config")
    own_model = _model_alone(options["model"])
    file = options["config_file"]
    base = read_config(file, own_model=own_model) if file else RunConfig()
    folder: Path = options["out"] or default_folder(_applied(base, options))
    if options["resume"]:
        base = RunFolder(folder).read_config(own_model=own_model)
    config = _applied(base, options)
    if options["threads"]:
        import torch

        torch.set_num_threads(options["threads"])
    keep_freed_memory()
    run = Run(
        config,
        folder,
        options["device"],
        force=options["force"],
        monitors=[MONITORS[name]() for name in options["monitors"] if name != "none"],
        monitor_every=options["monitor_every"],
        tensorboard=options["tensorboard"],
        keep_last=options["keep_last"],
    )
    rows = len(run.split.train)
    click.echo(f"{config.label} on {run.data.schema.name}: {rows:,} training rows, {run.device}, {folder}")
    result = run.train(resume=options["resume"], report=_report)
    if result.already:
        click.echo("this run is already finished, so there is nothing to resume or train:")
    click.echo(
        f"best epoch {result.best_epoch}: validation AUC {result.validation.auc:.5f}, "
        f"test AUC {result.test.auc:.5f}, test logloss {result.test.logloss:.5f}"
    )
    suggest("collapse", "analyze", path_text(folder / "best.pt"))


def _field_sizes(config: RunConfig, file: Path) -> str:
    """Read the sizes of the fields of the data set."""
    from collapse.training.data.load import load_data
    from collapse.training.runs.field_sizes import read_field_sizes

    return read_field_sizes(file, load_data(config.data).schema.fields)


def _model_alone(text: str | None) -> str | None:
    """Return the ``module:Class`` in a model's name, if there is one."""
    if text is None or ":" not in text:
        return None
    return model_config(text).model


def _applied(base: RunConfig, options: dict[str, Any]) -> RunConfig:
    """Apply the options to `base`. If a stored run differs, it is refused later with the reason."""
    config = replace(base, **named(RunConfig, options))
    if file := options["field_sizes_file"]:
        options = {**options, "field_sizes": _field_sizes(config, file)}
    return replace(
        config,
        model=_model(base.model, options),
        optimiser=replace(base.optimiser, **named(OptimiserConfig, options)),
        seeds=replace(base.seeds, **named(Seeds, options)),
    )


def _model(base: ModelConfig, options: dict[str, Any]) -> ModelConfig:
    # A model's name without a size keeps the size and the variant of a stored run.
    text = options["model"]
    name = base.name if text in (None, base.model) else text
    changed = named(ModelConfig, {**options, "model": None})
    start = model_config(name)
    if options["scale"]:
        size = changed.get("embedding_size") or model_config(text or start.model).embedding_size
        changed["embedding_size"] = size * options["scale"]
    known = model_settings(interaction_class(start.model))
    changed |= dict(parse_word(known, word, of=start.model) for word in options["words"])
    return model_config(name, **changed)


def _report(result: "EpochResult") -> None:
    penalty = f"penalty {result.penalty:.5f}  " if result.penalty else ""
    click.echo(
        f"epoch {result.epoch:2d}  train loss {result.train_loss:.5f}  {penalty}"
        f"validation AUC {result.validation_auc:.5f}  logloss {result.validation_logloss:.5f}  "
        f"{result.rows_per_second:,.0f} rows/s"
    )
