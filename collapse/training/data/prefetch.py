"""An iterator that works ahead in a thread of its own."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterator[Item]) -> Iterator[Item]:
    """Make the next item while the caller works on this one.

    Parameters
    ----------
    items : iterator
        Where they come from; it is used by one thread at a time.

    Yields
    ------
    Item
        The same items in the same order; what `items` raises is raised in their place.
    """
    end = object()
    with ThreadPoolExecutor(1) as thread:
        upcoming = thread.submit(next, items, end)
        while (item := upcoming.result()) is not end:
            upcoming = thread.submit(next, items, end)
            yield item  # type: ignore[misc]
