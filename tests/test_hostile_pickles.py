"""Small pickles that ask for unbounded work or memory, or that change the objects that they name."""

import pickle
import zipfile
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.io.load import load
from collapse.io.torch_file import read_foreign_bytes, read_foreign_file
from collapse.io.torch_file.bounds import check_key, entries_unfolded

PROTO = b"\x80\x04"


def text(value: str) -> bytes:
    """Push a text."""
    return b"X" + len(value.encode()).to_bytes(4, "little") + value.encode()


def number(value: int) -> bytes:
    """Push an integer."""
    return b"\x8a\x09" + value.to_bytes(9, "little", signed=True)


def named(name: str) -> bytes:
    """Push the object with a given name."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def nested_twice(times: int) -> bytes:
    """Push a tuple that contains a tuple twice, which contains a tuple twice, and so on."""
    held = [b"j" + n.to_bytes(4, "little") for n in range(times)]
    return b")\x94" + b"".join(b"0" + get * 2 + b"\x86\x94" for get in held)


def archive(content: bytes, path: Path | None = None) -> bytes:
    """Return a torch archive with a pickle and a storage of 64 numbers; write it if a path is given."""
    held = BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        file.writestr("a/data.pkl", content)
        file.writestr("a/data/0", np.ones(64, np.float32).tobytes())
    if path is not None:
        path.write_bytes(held.getvalue())
    return held.getvalue()


def read(content: bytes) -> Any:
    return read_foreign_bytes(np.frombuffer(archive(content), np.uint8), Path("a.pt"), verify=True)[0]


FLOATS = named("torch.FloatStorage")


def tensor(shape: bytes, strides: bytes, *, dtype: bytes = FLOATS) -> bytes:
    """Push a tensor of the storage."""
    storage = b"(" + text("storage") + dtype + text("0") + text("cpu") + number(64) + b"tQ"
    return named("torch._utils._rebuild_tensor_v2") + b"(" + storage + number(0) + shape + strides + b"\x89)tR"


LONG_KEYS: dict[str, Callable[[bytes], bytes]] = {
    "an item": lambda key: b"}" + key + b"Ns.",
    "items": lambda key: b"}(" + key + b"Nu.",
    "a dictionary": lambda key: b"(" + key + b"Nd.",
    "items of a set": lambda key: b"\x8f(" + key + b"\x90.",
    "a frozen set": lambda key: b"(" + key + b"\x91.",
    "an ordered dictionary": lambda key: named("collections.OrderedDict") + b"]]" + key + b"aNaa\x85R.",
    "an object": lambda key: named("some.Class") + b")R" + key + b"Ns.",
}


@pytest.mark.parametrize("place", LONG_KEYS)
def test_keys_that_take_long_to_hash_are_refused(place: str) -> None:
    """A tuple that is nested sixty times takes 2^60 steps."""
    with pytest.raises(CollapseError, match="a dictionary key has more than 100 parts"):
        read(PROTO + LONG_KEYS[place](nested_twice(60)))
    assert read(PROTO + LONG_KEYS[place](b"K\x01K\x02\x86")) is not None


@given(st.recursive(st.integers() | st.text() | st.none(), lambda inner: st.lists(inner, max_size=3).map(tuple)))
def test_keys_as_files_have_them_are_taken(key: Any) -> None:
    def parts(value: Any) -> int:
        return 1 + sum(map(parts, value)) if isinstance(value, tuple) else 1

    if parts(key) <= 100:
        check_key(key)


MODULE = named("torch.nn.Module") + b")R}(" + text("_parameters") + b"}" + text("_modules") + b"}" + text("a")
DEEP = {
    "lists": b"]" * 20_000 + b"a" * 19_999 + b".",
    "dictionaries": (b"}" + text("a")) * 20_000 + b"N" + b"s" * 20_000 + b".",
    "modules": MODULE * 5000 + b"N" + b"sub" * 5000 + b".",
}


@pytest.mark.parametrize("kind", DEEP)
def test_deep_nesting_is_refused(kind: str, tmp_path: Path) -> None:
    archive(PROTO + DEEP[kind], tmp_path / "a.pt")
    with pytest.raises(CollapseError, match="nested more than 400 levels deep"):
        load(tmp_path / "a.pt")


def test_a_storage_of_objects_is_refused() -> None:
    """NumPy would use the bytes of the file as addresses of objects."""
    for dtype in (text("O"), text("f4,f4"), text("V1000000"), number(3), b")"):
        with pytest.raises(CollapseError, match="type that cannot be read"):
            read(PROTO + tensor(b"K\x08\x85", b"K\x01\x85", dtype=dtype) + b".")


@pytest.mark.parametrize(
    ("shape", "strides"),
    [
        (b")\x85" + number(10**9) + b"\x86", b"K\x01K\x01\x86"),
        (b"N\x85", b"K\x01\x85"),
        (number(-4) + b"\x85", b"K\x01\x85"),
        (b"K\x04\x85", number(-1) + b"\x85"),
        (b"(" + b"K\x01" * 65 + b"t", b"(" + b"K\x01" * 65 + b"t"),
        (b"K\x04", b"K\x01"),
    ],
)
def test_shapes_that_are_not_whole_numbers_are_refused(shape: bytes, strides: bytes) -> None:
    """A product with a tuple would repeat the tuple a billion times."""
    with pytest.raises(CollapseError, match="not whole numbers"):
        read(PROTO + tensor(shape, strides) + b".")


@pytest.mark.parametrize("shape", [(2**40, 4), (30_000_000, 64), (100_000, 100_000)])
def test_numbers_that_are_not_there_are_no_table(shape: tuple[int, int], tmp_path: Path) -> None:
    """A stride of 0 gives any number of rows from one."""
    words = (b"".join(map(number, shape)) + b"\x86", b"K\x00K\x01\x86")
    archive(PROTO + b"}" + text("user_emb.weight") + tensor(*words) + b"s.", tmp_path / "a.pt")
    with pytest.raises(CollapseError, match="expanded: it has more numbers than it stores"):
        load(tmp_path / "a.pt")


def test_copies_are_bounded_by_the_size_of_the_file() -> None:
    """A list of a hundred thousand entries is copied a hundred thousand times."""
    long = b"](" + b"N" * 100_000 + b"e\x94"
    for function in (named("torch.Size"), named("builtins.set"), named("collections.OrderedDict")):
        copy = function + b"j\x00\x00\x00\x00\x85R0"
        with pytest.raises(CollapseError, match="copies far more than it holds|damaged"):
            read(PROTO + long + copy * 100_000 + b".")


def test_names_are_bounded() -> None:
    many = b"".join(named(f"a.C{n}") + b"0" for n in range(10_001))
    with pytest.raises(CollapseError, match="more than 10,000 classes"):
        read(PROTO + many + b"N.")
    chain = named("a.C") + b"".join(
        b"\x94" + named("builtins.getattr") + b"j" + n.to_bytes(4, "little") + text("x" * 90) + b"\x86R"
        for n in range(50)
    )
    with pytest.raises(CollapseError, match="with more than 1000 characters"):
        read(PROTO + chain + b".")
    with pytest.raises(CollapseError, match="an attribute of an object that is not a class"):
        read(PROTO + named("builtins.getattr") + text("text") + text("join") + b"\x86R.")


def test_attributes_are_set_on_stand_ins_alone(tmp_path: Path) -> None:
    """An ordered dictionary whose method `items` the pickle would replace is read as usual."""
    table = b"}" + text("user_emb.weight") + tensor(b"K\x10K\x04\x86", b"K\x04K\x01\x86") + b"s"
    ordered = named("collections.OrderedDict") + b")R" + text("user_emb.weight")
    ordered += tensor(b"K\x10K\x04\x86", b"K\x04K\x01\x86") + b"s}" + text("items") + text("x") + b"sb"
    for content in (table, ordered):
        archive(PROTO + content + b".", tmp_path / "a.pt")
        assert load(tmp_path / "a.pt").fields == ("user_emb",)
    with pytest.raises(CollapseError, match="sets an item of an object that is not a dictionary"):
        read(PROTO + tensor(b"K\x04\x85", b"K\x01\x85") + b"K\x00K\x05s.")


NAMES = (
    "some.Class", "torch.FloatStorage", "collections.OrderedDict", "torch._utils._rebuild_tensor_v2", "torch.Size",
    "torch._utils._rebuild_parameter", "builtins.getattr", "builtins.set", "builtins.object",
    "copyreg._reconstructor",
    "numpy.core.multiarray._reconstruct", "numpy.core.multiarray.scalar", "numpy.dtype", "_codecs.encode",
)  # fmt: skip
PARTS = (
    *(bytes([opcode]) for opcode in b"]})(N02\x94\x85\x86\x87taesudlbR\x81\x92oQ\x8f\x90\x91"),
    *(b"h" + bytes([n]) for n in range(3)),
    *map(text, ("storage", "0", "O", "a")),
    *map(named, NAMES),
    b"K\x01",
)


@given(st.lists(st.sampled_from(PARTS), max_size=40))
def test_whatever_a_pickle_does_it_is_read_or_refused(parts: list[bytes]) -> None:
    with suppress(CollapseError):
        assert entries_unfolded(read(PROTO + b"".join(parts) + b".")) < 10_000


@given(st.recursive(st.none(), lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner)))
def test_unfolded_entries_are_counted(content: Any) -> None:
    def entries(value: Any) -> int:
        children = (
            [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ()
        )
        return 1 + sum(map(entries, children))

    assert entries_unfolded(content) == entries(content)
    held = [content, content]
    assert entries_unfolded(held) == 1 + 2 * entries(content)


def test_a_checkpoint_that_no_walk_would_end_in_is_refused(trained: dict[str, Path], tmp_path: Path) -> None:
    content, _ = read_foreign_file(trained["dcnv2-4"])
    folded: dict[str, Any] = {"learning_rate": 1.0}
    for _ in range(60):
        folded = {"a": folded, "b": folded}
    import torch

    tensors = {key: torch.from_numpy(np.array(value)) for key, value in content["state_dict"].items()}
    whole = {**content, "state_dict": tensors, "row_counts": torch.from_numpy(np.array(content["row_counts"]))}
    torch.save({**whole, "config": folded, "training_state": None}, tmp_path / "a.pt")
    with pytest.raises(CollapseError, match="nested in each other so often"):
        load(tmp_path / "a.pt")


def test_what_python_pickles_is_read_as_python_reads_it() -> None:
    """Except for sets in the first protocols, which name a class that we read as a list."""
    content = {"a": [1, 2.5, None, True, "x", b"y", (1, (2, 3))], 3: {"b": {}}, ("k", 1): -(2**70)}
    for protocol in range(6):
        assert read(pickle.dumps(content, protocol)) == content
