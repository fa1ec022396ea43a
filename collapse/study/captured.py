"""Calls whose exceptions are returned as values, so that no engine logs or wraps them."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

Captured = tuple[Any, Exception | None]
"""A result and None, or None and the exception."""


def captured(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Captured:
    """Call a function, and return the exception that it raises."""
    try:
        return fn(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001, it is raised where the call was made
        return None, error


def settle(future: "Future[Any]", found: Captured) -> None:
    """Pass a result of `captured` to its future."""
    result, error = found
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
