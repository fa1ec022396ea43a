"""Torch files are read without torch, as `torch.load` reads them."""

import subprocess
import sys
import zipfile
from argparse import Namespace
from collections import OrderedDict, defaultdict
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from collapse.errors import CollapseError
from collapse.io.torch_file import Stub, as_tensors, read_foreign_file, read_torch_file

TYPES = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
TYPES += [torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool]


def assert_same(ours: Any, theirs: Any) -> None:
    """Compare contents, and tensors by type, shape, strides and bits."""
    if isinstance(theirs, Tensor):
        assert ours.dtype == theirs.dtype
        assert ours.stride() == theirs.stride() or not theirs.numel()
        assert torch.equal(ours, theirs.detach())
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            assert_same(ours[key], theirs[key])
    elif isinstance(theirs, list | tuple):
        assert len(ours) == len(theirs)
        for mine, their in zip(ours, theirs, strict=True):
            assert_same(mine, their)
    else:
        assert ours == theirs


def read_both(content: Any, path: Path) -> None:
    torch.save(content, path)
    assert_same(as_tensors(read_torch_file(path)), torch.load(path, weights_only=True))


@pytest.mark.parametrize("dtype", TYPES)
@given(shape=st.lists(st.integers(0, 4), max_size=3), seed=st.integers(0, 9))
def test_a_tensor(
    dtype: torch.dtype, shape: list[int], seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Any type and shape, including transposed tensors and views that share a storage."""
    whole = torch.from_numpy(np.random.default_rng(seed).integers(0, 2, (*shape, 3, 5))).to(dtype)
    content = {"whole": whole, "part": whole[..., 1:, 2:4], "turned": whole.mT}
    read_both(content, tmp_path_factory.mktemp("tensor") / "a.pt")


def test_what_files_hold(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    optimiser = torch.optim.Adam(module.parameters())
    module(torch.ones(4, 2)).sum().backward()
    optimiser.step()
    content = {
        "plain": [1, 2**70, 0.5, "text", None, True, (1, (2,)), {"a": b"bytes"}],
        "ordered": OrderedDict(b=1, a=2),
        "size": torch.Size([2, 3]),
        "state": module.state_dict(),
        "parameters": dict(module.named_parameters()),
        "optimiser": optimiser.state_dict(),
        "random": torch.get_rng_state(),
    }
    read_both(content, tmp_path / "a.pt")


def test_the_file_keeps_what_it_holds(tmp_path: Path) -> None:
    torch.save(torch.ones(3), tmp_path / "a.pt")
    before = (tmp_path / "a.pt").read_bytes()
    read_torch_file(tmp_path / "a.pt")[:] = 7
    assert (tmp_path / "a.pt").read_bytes() == before


@pytest.mark.parametrize(
    "content",
    [np.ones(3), torch.nn.Linear(1, 1), Path("a"), print],
    ids=lambda content: type(content).__name__,
)
def test_other_names_are_refused(content: Any, tmp_path: Path) -> None:
    torch.save({"x": content}, tmp_path / "a.pt")
    with pytest.raises(CollapseError, match="refused"):
        read_torch_file(tmp_path / "a.pt")


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", (4, 2)), ("storage_offset", 3), ("stride", (9, 1)), ("stride", (-1, 1)), ("size", (-1, 2))],
)
def test_a_tensor_beyond_its_record(
    field: str, value: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forged shape, offset or stride reveals no byte of other records."""
    with monkeypatch.context() as patch:
        patch.setattr(Tensor, field, lambda *_: value)
        torch.save([torch.zeros(2, 2), torch.ones(99)], tmp_path / "a.pt")
    with pytest.raises(CollapseError, match="damaged"):
        read_torch_file(tmp_path / "a.pt")


def test_records_that_are_not_whole(tmp_path: Path) -> None:
    """Compressed, too short, or in another byte order."""
    torch.save(torch.ones(99), tmp_path / "a.pt")
    with zipfile.ZipFile(tmp_path / "a.pt") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}

    def written(changed: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
        with zipfile.ZipFile(tmp_path / "b.pt", "w", compression) as archive:
            for name, content in records.items():
                archive.writestr(name, changed.get(name.rpartition("/")[2], content))
        return tmp_path / "b.pt"

    assert read_torch_file(written({})).tolist() == [1] * 99
    with pytest.raises(CollapseError, match="is compressed"):
        read_torch_file(written({}, zipfile.ZIP_DEFLATED))
    with pytest.raises(CollapseError, match="record 0 .*99"):
        read_torch_file(written({"0": b"short"}))
    with pytest.raises(CollapseError, match="another byte order"):
        read_torch_file(written({"byteorder": b"big"}))


def test_an_analysis_does_not_load_torch(trained: dict[str, Path]) -> None:
    """Importing torch would take longer than the analysis."""
    code = (
        "import sys; sys.argv = ['collapse', 'analyze', sys.argv[1], '--json']\n"
        "from collapse.cli import group\n"
        "group(standalone_mode=False)\n"
        "sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, trained["dcnv2-4"]], check=True, capture_output=True)


class Changer:
    """A pickle that sets an attribute of a named object, by the opcode that fills objects."""

    def __init__(self, name: str) -> None:
        self.name = name

    def pickled(self) -> bytes:
        module, _, attribute = self.name.rpartition(".")
        named = b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"
        return b"\x80\x02" + named + b"}X\x04\x00\x00\x00kindX\x05\x00\x00\x00wrongsb."


@pytest.mark.parametrize("name", ["torch._utils._rebuild_tensor_v2", "torch.QInt32Storage"])
def test_a_file_cannot_change_what_it_names(name: str, tmp_path: Path) -> None:
    """Otherwise one file could change how the next one is read."""
    with zipfile.ZipFile(tmp_path / "a.pt", "w") as archive:
        archive.writestr("a/data.pkl", Changer(name).pickled())
    with pytest.raises(CollapseError, match="is damaged"):
        read_foreign_file(tmp_path / "a.pt")
    torch.save(torch.ones(3), tmp_path / "b.pt")
    assert read_torch_file(tmp_path / "b.pt").tolist() == [1] * 3


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_objects_of_unknown_classes_are_inert(protocol: int, tmp_path: Path) -> None:
    """Their attributes, items and arrays are read, none of their code runs, and every name is reported."""
    content = {
        "namespace": Namespace(a=1, table=torch.ones(2, 3)),
        "array": np.arange(6, dtype=np.float32).reshape(2, 3),
        "objects": np.array([None, 3], dtype=object),
        "scalar": np.float64(0.5),
        "default": defaultdict(list, {"b": [1]}),
        "set": {1, 2},
        "function": print,
        "fraction": Fraction(1, 3),
    }
    torch.save(content, tmp_path / "a.pt", pickle_protocol=protocol)
    found, names = read_foreign_file(tmp_path / "a.pt")
    assert found["namespace"].attributes["a"] == 1
    assert found["namespace"].attributes["table"].tolist() == [[1] * 3] * 2
    np.testing.assert_array_equal(found["array"].array, content["array"])
    assert found["objects"].array is None
    assert found["scalar"] == 0.5
    assert found["default"].attributes == {"b": [1]}
    assert sorted(found["set"]) == [1, 2]
    assert isinstance(found["fraction"], Stub)
    assert {"argparse.Namespace", "fractions.Fraction"} <= set(names)


def test_files_of_before_version_1_6(tmp_path: Path) -> None:
    """Tensors of several types that share a storage, some transposed. Truncated files are refused."""
    whole = torch.arange(12.0).reshape(3, 4)
    content = {"whole": whole, "part": whole[1:, 2:], "turned": whole.T, "half": whole.half(), "ids": whole.long()}
    path = tmp_path / "a.pt"
    torch.save(content, path, _use_new_zipfile_serialization=False)
    assert_same(as_tensors(read_torch_file(path)), torch.load(path, weights_only=True))
    complete = path.read_bytes()
    for length in range(len(complete) - 1, 0, -7):
        path.write_bytes(complete[:length])
        with pytest.raises(CollapseError):
            read_torch_file(path)


@pytest.mark.parametrize(
    "pickled",
    [
        pytest.param(b"\x80\x02K\x01r\xff\xff\xff\xff.", id="an object remembered under a number of four billion"),
        pytest.param(b"\x80\x04\x8e" + (1 << 40).to_bytes(8, "little") + b"x.", id="a terabyte of bytes"),
        pytest.param(b"\x80\x02\x8b" + b"\xff\xff\xff\x7f" + b"x.", id="a number of two billion bytes"),
    ],
)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_file_cannot_ask_for_memory(pickled: bytes, zipped: bool, tmp_path: Path) -> None:
    """Each of these asks for tens of gigabytes, more than the file holds and the process may use."""
    path = tmp_path / "a.pt"
    if zipped:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a/data.pkl", pickled)
    else:
        torch.save(torch.ones(1), path, _use_new_zipfile_serialization=False)
        complete = path.read_bytes()
        path.write_bytes(complete[: complete.index(b"\x80\x02ctorch._utils")] + pickled)
    code = (
        "import resource, sys; from pathlib import Path; from collapse.errors import CollapseError\n"
        "from collapse.io.torch_file import read_foreign_file\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "try: read_foreign_file(Path(sys.argv[1]))\n"
        "except CollapseError as error: print(error)"
    )
    command = [sys.executable, "-c", code, str(path)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    assert "MemoryError" not in ran.stdout
    assert ran.stderr == ""
