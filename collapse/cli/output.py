"""Standard output that a terminal can show: control characters from files never reach the screen."""

import errno
import io
import os
import re
import shlex
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import click

from collapse.errors import CollapseError
from collapse.printable import printable

_COLOUR = re.compile(r"(\x1b\[[0-9;]*m)")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _EscapedOutput(io.TextIOWrapper):
    """Output that escapes control characters, and goes nowhere once its reader has closed the pipe."""

    def write(self, text: str, /) -> int:
        with self._unread():
            super().write(printable(text))
        return len(text)

    def write_coloured(self, text: str) -> None:
        """Write text with codes for colours; everything else in it is escaped."""
        with self._unread():
            super().write(
                "".join(part if n % 2 else printable(part) for n, part in enumerate(_COLOUR.split(text)))
            )

    def flush(self) -> None:
        with self._unread():
            super().flush()

    @contextmanager
    def _unread(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            _to_nowhere(self.fileno())


@contextmanager
def printable_output() -> Iterator[None]:
    """Escape control characters in everything that the block writes to standard output.

    Raises
    ------
    CollapseError
        If the output cannot be written, for example to a full disk.
    """
    plain = sys.stdout
    if not isinstance(plain, io.TextIOWrapper):
        yield
        return
    plain.flush()
    lines = bool(plain.line_buffering)
    sys.stdout = shown = _EscapedOutput(plain.buffer, plain.encoding, "backslashreplace", line_buffering=lines)
    try:
        yield
        shown.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        # Nor may the rest be written when the process ends.
        _to_nowhere(plain.fileno())
        raise CollapseError(f"cannot write to standard output: {(error.strerror or '').lower()}") from error
    finally:
        sys.stdout = plain
        with suppress(OSError, ValueError):
            shown.detach()


def echo_coloured(text: str) -> None:
    """Print text whose names are already escaped, with its colours where standard output shows them."""
    if isinstance(sys.stdout, _EscapedOutput) and has_colours():
        sys.stdout.write_coloured(f"{text}\n")
    else:
        click.echo(click.unstyle(text))


def has_colours() -> bool:
    """Return whether standard output is a terminal with colours, and NO_COLOR (no-color.org) is not set."""
    return _is_terminal() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def terminal_width() -> int | None:
    """Return the number of columns of the terminal; None if standard output is not one."""
    return shutil.get_terminal_size().columns if _is_terminal() else None


def _is_terminal() -> bool:
    """Return whether standard output is a terminal; it may be closed."""
    return sys.stdout is not None and not sys.stdout.closed and sys.stdout.isatty()


def wrapped(text: str) -> str:
    """Break lines between words where they are wider than the terminal."""
    width = terminal_width()
    if width is None:
        return text
    return "\n".join(line if len(line) <= width else _filled(line, width) for line in text.split("\n"))


def _filled(line: str, width: int) -> str:
    """Continue a long line below its own beginning."""
    indent = " " * (len(line) - len(line.lstrip(" -")))
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def suggest(*words: object) -> None:
    """Print the command that usually follows, as the last line of a command's output."""
    click.echo(f"next: {shlex.join(map(str, words))}")


def open_closed_streams() -> None:
    """Open closed standard streams to the null device, so that no file takes their descriptors."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            _to_nowhere(descriptor)
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115


def _to_nowhere(descriptor: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere != descriptor:
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
