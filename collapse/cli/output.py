"""Standard output as a terminal can bear it: no control character of a file reaches the screen."""

import errno
import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from collapse.errors import CollapseError
from collapse.printable import printable

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _Visible(io.TextIOWrapper):
    """Output in which everything is visible, and which is done with in silence once nobody reads it."""

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
    """Have all that is written to standard output visible while the block lasts.

    Raises
    ------
    CollapseError
        If what was written cannot be, as to a full disk.
    """
    plain = sys.stdout
    if not isinstance(plain, io.TextIOWrapper):
        yield
        return
    plain.flush()
    lines = bool(plain.line_buffering)
    sys.stdout = shown = _Visible(plain.buffer, plain.encoding, "backslashreplace", line_buffering=lines)
    try:
        yield
        shown.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in _FULL:
            raise
        # What is left is not written at the end of the process either.
        _to_nowhere(plain.fileno())
        raise CollapseError(f"cannot write to standard output: {(error.strerror or '').lower()}") from error
    finally:
        sys.stdout = plain
        with suppress(OSError, ValueError):
            shown.detach()


def open_closed_streams() -> None:
    """Open standard error and the others to nowhere where they are closed, so that no file takes their place."""
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
