"""Options made from settings: their names, types, defaults and help come from the dataclasses."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import click

from collapse.errors import CollapseError
from collapse.files.urls import Url, path_or_url
from collapse.settings import Setting, Settings, settings_of, written


class _Checkpoint(click.ParamType[Path | Url]):
    """A path, or a URL, which a path would shorten."""

    name = "path or URL"

    def convert(self, value: Any, param: Any, ctx: Any) -> Path | Url:  # noqa: ARG002
        """Return a `Path`, or a `Url` for a text that begins like one."""
        return path_or_url(value)


CHECKPOINT = _Checkpoint()
"""Type of the arguments that name checkpoints."""

BITS: dict[str, Any] = {"32": None, "16": 16, "8": 8, "4": 4}
"""Bits per number of stored rows, by the word on the command line. None keeps a table's type."""

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

text_model_option = click.option(
    "--text-model",
    type=click.Path(path_type=Path),
    help="Text model for Figure 11: a Hugging Face folder, a .safetensors file or a .npy table.  [default: GloVe "
    "vectors]",
)
rows_option = click.option(
    "--rows",
    type=click.Choice(["trained", "all", "frequency"]),
    default="trained",
    help="Choose the rows that are measured: those that training looked up, if known (see --row-counts); all "
    "rows, as in the paper; or all rows weighted by how often they were looked up.",
)
centred_option = click.option(
    "--centred", is_flag=True, help="Subtract the mean row from each table before measuring it."
)
verify_option = click.option(
    "--verify/--no-verify", default=True, help="Compare the bytes of the tables with the file's checksums."
)


def setting_options(kind: type[Settings], *, leave_out: tuple[str, ...] = ()) -> Decorator:
    """Give a command one option per field of a settings class.

    An option that the user did not give is None, which tells it apart from its default.

    Parameters
    ----------
    kind : type of Settings
        The class; nested settings are left out.
    leave_out : tuple of str
        Fields without an option.
    """

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for item in reversed(settings_of(kind)):
            if item.name not in leave_out:
                command = _option(item)(command)
        return command

    return decorate


def _option(item: Setting) -> Decorator:
    if item.kind is bool:
        return click.option(f"--{item.flag}/--no-{item.flag}", default=None, help=item.help)
    former = (f"--{item.former_flag}",) if item.former_flag else ()
    return click.option(
        f"--{item.flag}",
        *former,
        item.key,
        cls=RenamedOption,
        type=click.Choice(item.choices) if item.choices else item.kind,
        help=f"{item.help}  [default: {written(item.default)}]",
    )


class RenamedOption(click.Option):
    """An option that still accepts its former names, which its help leaves out."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the first name and the help text."""
        shown = copy(self)
        shown.opts = self.opts[:1]
        return super(RenamedOption, shown).get_help_record(ctx)


def named(kind: type[Settings], options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `kind` whose options the user gave, with their values."""
    values = {item.name: options.get(item.key) for item in settings_of(kind)}
    return {name: value for name, value in values.items() if value is not None}


def check_distinct(paths: tuple[Path | Url, ...]) -> None:
    """Refuse a checkpoint that is passed twice."""
    real = [path.resolve() for path in paths]
    for number, path in enumerate(real):
        if path in real[:number]:
            raise CollapseError(
                f"{paths[number]} and {paths[real.index(path)]} are the same file: pass it only once"
            )
