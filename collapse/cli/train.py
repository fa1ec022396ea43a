"""`collapse train`."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from collapse.cli.options import named, setting_options
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
    help="One of `collapse models`, alone or with its size and settings (dcnv2, dcnv2-10x4, "
    "dcnv2-10,cross_layers=8), or module:Class of your own.  [default: dcnv2]",
)
@click.option(
    "-c",
    "words",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the chosen model; `collapse models MODEL` lists them. Repeatable.",
)
@click.option(
    "--scale",
    type=click.IntRange(min=1),
    help="Enlarge the embedding size this many times: single-embedding (SE) scaling.  [default: 1]",
)
@setting_options(ModelConfig, leave_out=("model",))
@setting_options(RunConfig)
@setting_options(OptimiserConfig)
@setting_options(Seeds)
@click.option("--device", default="auto", help="cpu, cuda, or auto for a GPU if there is one.  [default: auto]")
@click.option("--threads", type=click.IntRange(min=1), help="Threads on the CPU.  [default: one a core]")
@click.option(
    "--monitor",
    "monitors",
    multiple=True,
    default=["abundance"],
    type=click.Choice(["abundance", "co-influence", "patterns", "none"]),
    help="What else to keep along the training, a CSV each: every field's information abundance, the "
    "correlations of Figure 3, or how far the projections of DCNv2 are from unitary ones. "
    "Repeatable.  [default: abundance]",
)
@click.option(
    "--monitor-every",
    type=click.IntRange(min=1),
    metavar="STEPS",
    help="Look after so many steps too.  [default: at the start and after every epoch]",
)
@click.option(
    "--tensorboard", is_flag=True, help="Write metrics and monitors for TensorBoard too, in the run's folder."
)
@click.option("--force", is_flag=True, help="Take bf16 even where it is slower than float32.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Settings to start from: the config.json of a run; what is named beside it goes before it.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="The run's folder.  [default: runs/DATA-LABEL, where the label is all that differs from the defaults]",
)
@click.option("--resume", is_flag=True, help="Go on with the run in --out; its settings are read from there.")
def command(**options: Any) -> None:
    """Train a model and keep its best checkpoint.

    Without options: DCNv2 with the paper's settings on 327,346 real flights, about a minute on two cores. The
    run's folder gets config.json, metrics.csv (a row an epoch), abundance.csv (every field's information
    abundance along the training), best.pt (the checkpoint of the best validation AUC), last.pt (to resume from)
    and manifest.json (test results, versions, hashes, timings).

    Ctrl-C saves and stops; a run killed at any moment goes on with --resume and ends with the same numbers, bit
    for bit on a CPU. A finished run is not trained again.

    \b
    Examples:
      collapse train
      collapse train --scale 4 --out runs/se4      one set of K = 40
      collapse train --sets 4 --out runs/me4       four sets of K = 10
      collapse train --model ipnn-10x4             the same of another model, as one name
      collapse train -c regularised=lambda         with Evidence III's penalty
      collapse train --sets 4 --interactions shared
      collapse train --config runs/me4/config.json --init-seed 1 --out runs/me4-1
      collapse train --resume --out runs/me4
    """
    from collapse.analysis.monitors import MONITORS
    from collapse.training.runs.folder import RunFolder, default_folder, read_config
    from collapse.training.runs.machine import keep_freed_memory
    from collapse.training.runs.run import Run

    if options["resume"] and options["config_file"]:
        raise click.UsageError("--resume takes the settings from --out: leave out --config")
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
    )
    rows = len(run.split.train)
    click.echo(f"{config.label} on {run.data.schema.name}: {rows:,} training rows, {run.device}, {folder}")
    result = run.train(resume=options["resume"], report=_report)
    if result.already:
        click.echo("already finished, nothing was trained:")
    click.echo(
        f"best epoch {result.best_epoch}: validation AUC {result.validation.auc:.5f}, "
        f"test AUC {result.test.auc:.5f}, test logloss {result.test.logloss:.5f}"
    )
    click.echo(f"next: collapse analyze {folder / 'best.pt'}")


def _model_alone(text: str | None) -> str | None:
    """Return the part of a model's name that is ``module:Class``, if it is one."""
    if text is None or ":" not in text:
        return None
    return model_config(text).model


def _applied(base: RunConfig, options: dict[str, Any]) -> RunConfig:
    """Put what was named over `base`; a stored run that differs is then refused with its reason."""
    return replace(
        base,
        **named(RunConfig, options),
        model=_model(base.model, options),
        optimiser=replace(base.optimiser, **named(OptimiserConfig, options)),
        seeds=replace(base.seeds, **named(Seeds, options)),
    )


def _model(base: ModelConfig, options: dict[str, Any]) -> ModelConfig:
    # A model alone is no word against the size and the variant of a stored run.
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
