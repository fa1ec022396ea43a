"""Write ``commands.md``, the help of every command: ``python docs/make_commands.py``."""

from collections.abc import Iterator
from pathlib import Path

import click
from click.testing import CliRunner

from collapse.cli import group

PAGE = Path(__file__).parent / "commands.md"
WIDTH = 100
HEAD = """# Command line

What `collapse COMMAND --help` prints, for every command. (`python docs/make_commands.py` writes this page.)
"""


def page() -> str:
    """Return the page."""
    parts = [HEAD, *(f"## {' '.join(words)}\n\n```text\n{_help(words)}```\n" for words in _commands())]
    return "\n".join(parts)


def _commands() -> Iterator[list[str]]:
    """Yield the words of every command and of the commands in it."""
    yield ["collapse"]
    context = click.Context(group)
    for name in group.list_commands(context):
        yield ["collapse", name]
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from (["collapse", name, each] for each in command.list_commands(context))


def _help(words: list[str]) -> str:
    shown = CliRunner().invoke(group, [*words[1:], "--help"], prog_name="collapse", terminal_width=WIDTH)
    return "\n".join(line.rstrip() for line in shown.output.splitlines()) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
