"""The command line: one file per command, imported only when the command is called."""

import os
import sys
from difflib import get_close_matches
from importlib import import_module

import click

from collapse.cli.output import open_closed_streams, printable_output
from collapse.errors import CollapseError, shortened
from collapse.extras import missing_extra
from collapse.printable import printable

_LONGEST = 4000
"""Longest error message printed, in characters: long enough for any path, but a table's cell may hold millions."""
_COMMANDS = (
    "prepare",
    "data",
    "models",
    "train",
    "reproduce",
    "sweep",
    "figures",
    "findings",
    "clean",
    "analyze",
    "report",
    "explain",
    "size",
    "truncate",
    "toy",
    "formats",
    "doctor",
    "glossary",
)
_USING_TERMS = (
    "reproduce",
    "sweep",
    "figures",
    "findings",
    "analyze",
    "report",
    "explain",
    "size",
    "truncate",
    "toy",
)
_TERMS = "Terms are explained by: collapse glossary"


class _Commands(click.Group):
    """Loads each command from the module that has its name."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Return the names in the order of use."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import one command."""
        if cmd_name not in _COMMANDS:
            near = get_close_matches(cmd_name, _COMMANDS, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]}?" if near else f"the commands are {', '.join(_COMMANDS)}"
            raise CollapseError(f"unknown command {cmd_name!r}: {hint}")
        command: click.Command = import_module(f"collapse.cli.{cmd_name}").command
        if cmd_name in _USING_TERMS:
            command.epilog = _TERMS
        return command


@click.group(cls=_Commands, epilog=_TERMS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="embedding-collapse", message="%(prog)s %(version)s")
def group() -> None:
    """Measure which embedding tables of a recommender model have collapsed, and train models to study it.

    \b
    Start here:
      collapse train --out runs/first          train DCNv2 on the built-in flights data
      collapse analyze runs/first/best.pt      show which fields have collapsed
    """


def main() -> None:
    """Run the command line: bad input gives one sentence on standard error and exit code 2."""
    # OpenMP threads that spin while they wait make two trainings on one machine seven times slower. The variable
    # is read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # Never open a window. An unknown backend in the environment would also make importing matplotlib fail.
    os.environ["MPLBACKEND"] = "agg"
    open_closed_streams()
    try:
        with printable_output():
            group(prog_name="collapse")
    except CollapseError as error:
        _refuse(error)
    except ModuleNotFoundError as error:
        lacking = missing_extra(error, " ".join(["collapse", *sys.argv[1:2]]))
        if lacking is None:
            raise
        _refuse(lacking)
    except OSError as error:
        if error.filename is None:
            raise
        _refuse(
            CollapseError(f"cannot open {shortened(str(error.filename), 200)}: {(error.strerror or '').lower()}")
        )
    except BaseException as error:
        # A panic in Polars' Rust code, for example with too many open files, is not an Exception.
        if type(error).__name__ != "PanicException":
            raise
        _refuse(CollapseError(f"Polars failed: {shortened(str(error), 200)}"))


def _refuse(error: CollapseError) -> None:
    text = printable(str(error))
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} .. {text[-_LONGEST // 4 :]}"
    click.echo(f"Error: {text}", err=True)
    sys.exit(getattr(error, "exit_code", 2))
