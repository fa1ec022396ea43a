"""The pickle of a torch file, in which a storage is named by its type, key and number of entries."""

import pickle
from collections.abc import Callable
from io import BytesIO
from typing import IO, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from collapse.io.torch_file.bounds import MOST_NAMES, Budget, check_key, entries_unfolded
from collapse.io.torch_file.names import HARMLESS, KNOWN, Unreadable, stored
from collapse.io.torch_file.stubs import Stub, stub_class

# Any, because the type stubs only know `load` of the Python implementation.
_Unpickler: Any = pickle._Unpickler  # noqa: SLF001


class Unpickler(_Unpickler):  # type: ignore[misc]
    """Unpickler of tensors and plain values, with a `Stub` for everything else.

    It uses Python's unpickler, not the one in C, which allocates 16 bytes for each memo index up to the largest. A
    damaged file may set that to four billion.

    Parameters
    ----------
    file : binary file
        The pickle.
    storage : callable
        Returns the bytes of a storage by its key.
    """

    def __init__(self, file: IO[bytes], storage: Callable[[str], NDArray[np.uint8]]) -> None:
        super().__init__(file, encoding="latin1")
        start = file.tell()
        self._budget = Budget(file.seek(0, 2) - start)
        file.seek(start)
        self._storage = storage
        self.foreign: dict[str, Any] = {}
        """Stubs by name, for names that a file of tensors and plain values does not contain."""

    def load(self) -> Any:
        """Return the content of the pickle, unless it is nested too deeply."""
        content = super().load()
        entries_unfolded(content)
        return content

    def find_class(self, module: str, name: str, /) -> Any:
        """Return what stands for a name. Nothing is imported."""
        full = f"{module}.{name}"
        if full in KNOWN:
            return KNOWN[full]
        if full not in self.foreign:
            if len(self.foreign) >= MOST_NAMES:
                raise ValueError(f"it names more than {MOST_NAMES:,} classes")
            self.foreign[full] = HARMLESS.get(full) or stub_class(full)
        return self.foreign[full]

    def persistent_load(self, pid: Any, /) -> Any:
        """Return a storage as its type and bytes."""
        kind, *rest = pid
        if kind == "module":
            # Files before torch 1.6 name a class like this, next to its source text.
            return rest[0]
        dtype, key, _device, entries, *view = rest
        if kind != "storage" or not isinstance(key, str | int):
            raise ValueError("it refers to a record that is not a storage")
        if isinstance(dtype, type) and issubclass(dtype, Stub):
            return Unreadable(dtype.name)
        if isinstance(dtype, Unreadable):
            return dtype
        record = self._storage(str(key))
        if entries * stored(dtype).itemsize > len(record):
            raise ValueError(f"record {key} holds fewer than {entries} numbers")
        if view and view[0] is not None:
            _key, first, size = view[0]
            record = record[first * stored(dtype).itemsize :][: size * stored(dtype).itemsize]
        return dtype, record

    def load_reduce(self) -> None:
        """Call a function and charge its arguments to the budget."""
        self._budget.spend(self.stack[-1])
        super().load_reduce()

    def load_newobj(self) -> None:
        """Make an object and charge its arguments to the budget."""
        self._budget.spend(self.stack[-1])
        super().load_newobj()

    def load_newobj_ex(self) -> None:
        """Make an object and charge its arguments to the budget."""
        self._budget.spend(self.stack[-2])
        super().load_newobj_ex()

    def load_build(self) -> None:
        """Set the state of stubs. It is ignored for other objects, such as ordered dictionaries."""
        state = self.stack.pop()
        self._budget.spend(state)
        if hasattr(self.stack[-1], "__setstate__"):
            self.stack[-1].__setstate__(state)

    def load_setitem(self) -> None:
        """Set an item after checking that its key is cheap to hash."""
        self._check_items(self.stack[-3], self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        """Set items after checking that their keys are cheap to hash."""
        self._check_items(self.metastack[-1][-1], self.stack[::2])
        super().load_setitems()

    @staticmethod
    def _check_items(target: Any, keys: list[Any]) -> None:
        if not isinstance(target, dict | Stub):
            raise ValueError("it sets an item of an object that is not a dictionary")
        for key in keys:
            check_key(key)

    def _instantiate(self, klass: Any, args: Any) -> None:
        self._budget.spend(args)
        super()._instantiate(klass, args)

    def load_dict(self) -> None:
        """Make a dictionary after checking that its keys are cheap to hash."""
        for key in self.stack[::2]:
            check_key(key)
        super().load_dict()

    def load_additems(self) -> None:
        """Add items to a set after checking that they are cheap to hash."""
        for item in self.stack:
            check_key(item)
        super().load_additems()

    def load_frozenset(self) -> None:
        """Make a set after checking that its items are cheap to hash."""
        for item in self.stack:
            check_key(item)
        super().load_frozenset()

    dispatch: ClassVar = _Unpickler.dispatch | {
        pickle.REDUCE[0]: load_reduce,
        pickle.NEWOBJ[0]: load_newobj,
        pickle.NEWOBJ_EX[0]: load_newobj_ex,
        pickle.BUILD[0]: load_build,
        pickle.SETITEM[0]: load_setitem,
        pickle.SETITEMS[0]: load_setitems,
        pickle.DICT[0]: load_dict,
        pickle.ADDITEMS[0]: load_additems,
        pickle.FROZENSET[0]: load_frozenset,
    }


def unpickled(content: bytes) -> tuple[Any, tuple[str, ...]]:
    """Read a pickle that is not part of a torch file.

    Parameters
    ----------
    content : bytes
        The pickle.

    Returns
    -------
    content : Any
        Plain values, with a `Stub` for everything else, and an `ArrayBuilder` for every array.
    foreign : tuple of str
        Names of the classes and functions in it, none of which was imported or called.

    Raises
    ------
    Exception
        Of any kind, if the pickle is damaged.
    """
    unpickler = Unpickler(BytesIO(content), _no_storage)
    return unpickler.load(), tuple(unpickler.foreign)


def _no_storage(key: str) -> NDArray[np.uint8]:
    raise ValueError(f"it refers to the storage {key}")
