"""Calls whose errors come back as values, so that no engine logs them or wraps them in its own."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Captured = tuple[Any, Exception | None]
"""A result and None, or None and what was raised."""


def captured(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Captured:
    """Call a function, and return what it raises."""
    try:
        return fn(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001, it is raised where the call was made
        return None, error


def settle(future: "Future[Any]", found: Captured) -> None:
    """Hand what `captured` returned to whoever waits for it."""
    result, error = found
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
