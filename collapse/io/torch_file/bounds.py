"""Bounds on the work that a small pickle can ask for: keys to hash, copies, names, nesting."""

from collections.abc import Iterator, Mapping
from typing import Any

from collapse.io.torch_file.stubs import Stub

MOST_NAMES = 10_000
"""Classes and functions that a file may name: each takes a thousand times the bytes that name it. A model pickled
whole names some hundreds."""
MOST_CHARACTERS = 1000
"""Of one such name."""
DEEPEST = 400
"""Containers within containers. A module of a model takes three; Python ends at a thousand."""
_COPIES = 100
"""Entries that functions may copy for each byte of the pickle; honest files need fewer than one."""
_FREE = 1_000_000
"""Copied entries that are allowed whatever the size of the file."""
_KEY_PARTS = 100
"""Parts of a tuple that is a dictionary key. Hashing a tuple nested in itself n times takes 2^n steps."""
# Arrays are views, whatever their length.
_COPIED = (str, bytes, bytearray, list, tuple, dict, set, frozenset)


class Budget:
    """What the functions of a pickle may copy: some times its size.

    Parameters
    ----------
    size : int
        Bytes of the pickle.
    """

    def __init__(self, size: int) -> None:
        self._left = _FREE + _COPIES * size

    def spend(self, values: Any) -> None:
        """Count the entries of some arguments.

        Raises
        ------
        ValueError
            If nothing is left.
        """
        if isinstance(values, tuple | list):
            self._left -= len(values) + sum(len(value) for value in values if isinstance(value, _COPIED))
        elif isinstance(values, _COPIED):
            self._left -= len(values)
        if self._left < 0:
            raise ValueError("it copies far more than it holds")


def check_key(key: Any) -> None:
    """Refuse a key that takes long to hash: a tuple that holds a tuple twice, which holds another twice.

    Raises
    ------
    ValueError
        If its tuples have more than a hundred parts in all.
    """
    parts = [key]
    for number, part in enumerate(parts):
        if number >= _KEY_PARTS:
            raise ValueError(f"a key of a dictionary has more than {_KEY_PARTS} parts")
        if isinstance(part, tuple):
            parts.extend(part[: _KEY_PARTS + 1])


def entries_unfolded(content: Any) -> int:
    """Count the entries of nested containers as a walk would that forgets what it has seen.

    Parameters
    ----------
    content : Any
        What a pickle held.

    Returns
    -------
    int
        The entries; what holds itself is not unfolded again, and an object of a class counts once.

    Raises
    ------
    ValueError
        If it is nested more than 400 deep.
    """
    unfolded: dict[int, int] = {}
    open_: set[int] = set()
    # One frame per container that is being walked: itself, its children, and the entries counted so far.
    frames: list[tuple[Any, Iterator[Any], list[int]]] = []

    def enter(value: Any) -> None:
        if len(frames) >= DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} deep")
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
            # An object of a class is walked once wherever it is held.
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
