"""Options made from settings: their names, types, defaults and help stand in the dataclasses alone."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any

import click

from collapse.settings import Setting, Settings, settings_of, written

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

text_model_option = click.option(
    "--text-model",
    type=click.Path(path_type=Path),
    help="For Figure 11: a Hugging Face folder, a safetensors file, a .npy table.  [default: GloVe's vectors]",
)
rows_option = click.option(
    "--rows",
    type=click.Choice(["trained", "all", "frequency"]),
    default="trained",
    help="Rows that enter a spectrum: those that training looked up, where it is known (--row-counts); all, as in "
    "the paper; or all, weighted by how often they were looked up.",
)
centred_option = click.option(
    "--centred", is_flag=True, help="Subtract the mean row from each table before its spectrum is measured."
)
verify_option = click.option(
    "--verify/--no-verify", default=True, help="Compare the tables' bytes with the file's checksums."
)


def setting_options(kind: type[Settings], *, leave_out: tuple[str, ...] = ()) -> Decorator:
    """Give a command an option a field; one that was not named is None, so that it can be told from its default.

    Parameters
    ----------
    kind : type of Settings
        The settings; nested ones are left out.
    leave_out : tuple of str
        Fields without an option.

    Returns
    -------
    Callable
        A decorator for the command.
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
    """An option whose help leaves out the names that it had before."""

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """Return the first name and the help text."""
        shown = copy(self)
        shown.opts = self.opts[:1]
        return super(RenamedOption, shown).get_help_record(ctx)


def named(kind: type[Settings], options: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of `kind` whose options were named, with their values."""
    values = {item.name: options.get(item.key) for item in settings_of(kind)}
    return {name: value for name, value in values.items() if value is not None}
