"""Stand-ins for objects of unknown classes: their state, without their code."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray


class Stub:
    """Stand-in for an object of a file, or for the result of a function that a file calls.

    It accepts everything that a pickle does to an object, and records it.
    """

    name: ClassVar[str]
    """Name of the class or function, with its module."""

    args: tuple[Any, ...]
    """Arguments of the call."""
    state: Any
    """State, usually a dictionary of attributes; None if there is none."""
    entries: dict[Any, Any]
    """Items of a dictionary-like object."""
    items: list[Any]
    """Items of a list- or set-like object."""

    def __new__(cls, *args: Any, **_kwargs: Any) -> Self:  # noqa: D102
        stub = super().__new__(cls)
        stub.args, stub.state, stub.entries, stub.items = args, None, {}, []
        return stub

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Ignore other attributes."""

    def __call__(self, *_args: Any, **_kwargs: Any) -> Self:  # noqa: D102
        return self

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __setitem__(self, key: Any, value: Any) -> None:
        self.entries[key] = value

    def append(self, item: Any) -> None:
        """Record an item of a list-like object."""
        self.items.append(item)

    def extend(self, items: Iterable[Any]) -> None:
        """Record items of a list-like object."""
        self.items.extend(items)

    def add(self, item: Any) -> None:
        """Record an item of a set-like object."""
        self.items.append(item)

    @property
    def attributes(self) -> dict[str, Any]:
        """Attributes, slots and items by name."""
        states = self.state if isinstance(self.state, tuple) else (self.state,)
        found = {key: value for state in states if isinstance(state, dict) for key, value in state.items()}
        return {key: value for key, value in (found | self.entries).items() if isinstance(key, str)}

    def __repr__(self) -> str:
        return f"<an object of {self.name}>"


def stub_class(name: str) -> type[Stub]:
    """Return a class of stubs for one name in a file."""
    return type("Stub", (Stub,), {"name": name, "__module__": __name__})


class ArrayBuilder:
    """An array of plain numbers as stored in a pickle. None of NumPy's own unpickling code runs."""

    def __init__(self, *_: Any) -> None:
        self.array: NDArray[Any] | None = None
        """The numbers; None for texts and objects."""
        self.shape: tuple[int, ...] | None = None
        """Its shape, whatever it holds."""
        self.objects: list[Any] | None = None
        """The objects of an array of these."""

    def __setstate__(self, state: Any) -> None:
        _version, shape, dtype, fortran, content = state
        if isinstance(shape, tuple) and all(type(size) is int and size >= 0 for size in shape):
            self.shape = shape
        if isinstance(content, list):
            self.objects = content
        if isinstance(dtype, DtypeBuilder) and dtype.dtype is not None and isinstance(content, bytes | str):
            flat = np.frombuffer(_bytes(content), dtype.dtype)
            self.array = flat.reshape(shape, order="F" if fortran else "C")


class DtypeBuilder:
    """The type of an array's numbers."""

    def __init__(self, name: Any, *_: Any) -> None:
        self._name, self._order = name, "<"

    def __setstate__(self, state: Any) -> None:
        self._order = ">" if state[1] == ">" else "<"

    @property
    def dtype(self) -> np.dtype[Any] | None:
        """The NumPy type; None if the numbers are not plain."""
        if self._name not in _NUMBERS:
            return None
        dtype: np.dtype[Any] = np.dtype(self._name).newbyteorder(">" if self._order == ">" else "<")
        return dtype


def array_of_buffer(content: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> ArrayBuilder:
    """Return an array as stored by pickle protocol 5."""
    builder = ArrayBuilder()
    if isinstance(content, bytes | bytearray):
        builder.__setstate__((1, shape, dtype, order == "F", bytes(content)))
    return builder


def scalar(dtype: Any, content: Any) -> Any:
    """Return a NumPy scalar as a Python number; None for other types."""
    if not isinstance(dtype, DtypeBuilder) or dtype.dtype is None:
        return None
    return np.frombuffer(_bytes(content), dtype.dtype)[0].item()


def _bytes(content: bytes | str) -> bytes:
    return content if isinstance(content, bytes) else content.encode("latin1")


_NUMBERS = ("b1", *(f"{kind}{size}" for kind in "iu" for size in (1, 2, 4, 8)), "f2", "f4", "f8")
