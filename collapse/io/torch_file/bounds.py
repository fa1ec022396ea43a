"""Limits on the work that a small pickle can cause: hashing keys, copying, naming classes, nesting."""

from collections.abc import Iterator, Mapping
from typing import Any

from collapse.io.torch_file.stubs import Stub

MOST_NAMES = 10_000
"""Most classes and functions that a file may name. Each costs a thousand times the bytes of its name; a whole
pickled model has a few hundred."""
MOST_CHARACTERS = 1000
"""Longest name of a class or function."""
DEEPEST = 400
"""Deepest nesting of containers. Each module of a model takes three levels; Python's limit is a thousand."""
_COPIES = 100
"""Entries that functions may copy for each byte of the pickle. Honest files need fewer than one."""
_FREE = 1_000_000
"""Copied entries that are allowed in any file."""
_KEY_PARTS = 100
"""Most parts of a tuple that is a dictionary key. Hashing a tuple that is nested in itself n times takes 2^n
steps."""
# Arrays are views, whatever their length.
_COPIED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)


class Budget:
    """Budget for the entries that the functions of a pickle copy, in proportion to its size.

    Parameters
    ----------
    size : int
        Bytes of the pickle.
    """

    def __init__(self, size: int) -> None:
        self._left = _FREE + _COPIES * size

    def spend(self, values: Any) -> None:
        """Charge the entries of some arguments to the budget.

        Raises
        ------
        ValueError
            If the budget is exhausted.
        """
        if isinstance(values, tuple | list):
            self._left -= len(values) + sum(len(value) for value in values if isinstance(value, _COPIED))
        elif isinstance(values, _COPIED):
            self._left -= len(values)
        if self._left < 0:
            raise ValueError("it would copy far more than it contains")


def check_key(key: Any) -> None:
    """Refuse a key that takes long to hash: a tuple that holds another tuple twice, which holds another twice.

    Raises
    ------
    ValueError
        If its tuples have more than a hundred parts in total.
    """
    parts = [key]
    for number, part in enumerate(parts):
        if number >= _KEY_PARTS:
            raise ValueError(f"a dictionary key has more than {_KEY_PARTS} parts")
        if isinstance(part, tuple):
            parts.extend(part[: _KEY_PARTS + 1])


def entries_unfolded(content: Any) -> int:
    """Count the entries that a walk through nested containers would visit without remembering what it has seen.

    Returns
    -------
    int
        Number of entries. An object that contains itself is not unfolded again, and an object of a class counts
        once.

    Raises
    ------
    ValueError
        If it is nested more than 400 levels deep.
    """
    unfolded: dict[int, int] = {}
    open_: set[int] = set()
    # One frame per open container: the container, its children, and the entries counted so far.
    frames: list[tuple[Any, Iterator[Any], list[int]]] = []

    def enter(value: Any) -> None:
        if len(frames) >= DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        open_.add(id(value))
        frames.append((value, _children(value), [1]))

    if _is_container(content):
        enter(content)
    while frames:
        value, children, entries = frames[-1]
        for child in children:
            if not _is_container(child):
                entries[0] += 1
            elif id(child) in unfolded:
                entries[0] += unfolded[id(child)]
            elif id(child) not in open_:
                enter(child)
                break
        else:
            frames.pop()
            open_.discard(id(value))
            # An object of a class is walked only once.
            unfolded[id(value)] = 1 if isinstance(value, Stub) else entries[0]
            if frames:
                frames[-1][2][0] += unfolded[id(value)]
    return unfolded.get(id(content), 1)


def _is_container(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple | set | frozenset | Stub)


def _children(value: Any) -> Iterator[Any]:
    if isinstance(value, Stub):
        yield from (value.args, value.state, value.entries, value.items)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield key
            yield item
    else:
        yield from value
