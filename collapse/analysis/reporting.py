"""Problems of a monitor: reported once instead of raised, because a training must not end for a measurement."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from collapse.errors import first_line


class Problems:
    """Catches what goes wrong, and warns once for each reason.

    Parameters
    ----------
    log : logging.Logger
        Gets the warnings.
    what : str
        What is being done, for the warnings, such as ``a look at the spectra``.
    """

    def __init__(self, log: logging.Logger, what: str) -> None:
        self._log, self._what = log, what
        self.found: dict[str, str] = {}
        """The latest reason by name."""

    @contextmanager
    def reported(self, name: str) -> Iterator[None]:
        """Report an exception in the block instead of raising it. Interrupts are raised."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, training goes on
            reason = first_line(error) or type(error).__name__
            if self.found.get(name) != reason:
                self._log.warning("%s", f"cannot use {name!r} in {self._what}: {reason}")
            self.found[name] = reason
