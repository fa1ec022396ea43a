"""Standard output that a terminal can show: control characters from files never reach the screen."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from collapse.errors import CollapseError
from collapse.printable import printable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _EscapedOutput(io.TextIOWrapper):
    """Output that escapes control characters, and goes nowhere once its reader has closed the pipe."""

    def write(self, text: str, /) -> int:
        with self._unread():
            super().write(printable(text))
        return len(text)

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
