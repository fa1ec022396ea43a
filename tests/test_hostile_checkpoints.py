"""Untrusted checkpoints, with any content: one sentence or the same numbers."""

import copy
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collapse import diagnose, load
from collapse.errors import CollapseError
from tests.conftest import Collapse

Leaf = tuple[object, ...]
JUNK: list[Any] = [
    None, True, -1, 0, 2**80, 1.5, float("nan"), "", "x", b"x", [], {}, (), [None], {"x": 1}, {1: 2},
    torch.zeros(0), torch.zeros(3), torch.zeros(2, 2, dtype=torch.int64), torch.full((348,), -1),
]  # fmt: skip


def leaves(content: Any, at: Leaf = ()) -> Iterator[Leaf]:
    """Yield the path of every part of a content, containers included."""
    if at:
        yield at
    parts = dict(enumerate(content)) if isinstance(content, list | tuple) else content
    for key, value in parts.items() if isinstance(parts, dict) else ():
        yield from leaves(value, (*at, key))


def replaced(content: Any, at: Leaf, value: Any) -> Any:
    """Return a content with one value replaced."""
    if not at:
        return value
    key, *rest = at
    if isinstance(content, tuple):
        return tuple(replaced(item, tuple(rest), value) if n == key else item for n, item in enumerate(content))
    changed = copy.copy(content)
    changed[key] = replaced(content[key], tuple(rest), value)
    return changed


@pytest.fixture(scope="module")
def content(trained: dict[str, Path]) -> dict[str, Any]:
    found: dict[str, Any] = torch.load(trained["dcnv2-4x2"], weights_only=True)
    return found


@pytest.fixture(scope="module")
def numbers(trained: dict[str, Path]) -> pd.DataFrame:
    return diagnose(trained["dcnv2-4x2"])


def told(path: Path) -> pd.DataFrame | None:
    """Diagnose a file and use all of its texts; return None if it is refused with a sentence."""
    try:
        tables = load(path)
        found = diagnose(tables)
    except CollapseError as error:
        sentence = str(error)
    else:
        assert all(isinstance(text, str) for text in (tables.name, *tables.fields, *tables.description.values()))
        return found
    assert str(path) in sentence
    assert "\n" not in sentence
    return None


@settings(max_examples=8 * settings().max_examples, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(number=st.integers(0, 9999), value=st.sampled_from(JUNK))
def test_no_replaced_part_gives_a_traceback_or_other_numbers(
    content: dict[str, Any], numbers: pd.DataFrame, tmp_path: Path, number: int, value: Any
) -> None:
    # Another tensor in the place of one is another checkpoint: they have tests of their own.
    places = [at for at in leaves(content) if at[0] != "row_counts" and (at[0], len(at)) != ("state_dict", 2)]
    at = places[number % len(places)]
    torch.save(replaced(content, at, value), tmp_path / "a.pt")
    found = told(tmp_path / "a.pt")
    if found is not None:
        measures = found.drop(columns=["field"])
        pd.testing.assert_frame_equal(measures, numbers.drop(columns=["field"]))


@pytest.mark.parametrize(
    ("at", "value", "sentence"),
    [
        (("fields",), ("a", "a", "b"), "'a'"),
        (("format_version",), torch.zeros(2, 2), "format_version"),
        (("fields", 0), 7, "Expected `str`, got `int` - at `$.fields[0]`"),
        (("fields",), (), "length >= 1"),
        (("cardinalities", 0), -6, "Expected `int` >= 1"),
        (("cardinalities", 0), 6.5, "Expected `int`, got `float` - at `$.cardinalities[0]`"),
        (("row_counts",), torch.full((348,), float("nan")), "348"),
        (("row_counts",), torch.full((348,), -1), "348"),
        (("results",), {}, "missing required field `epoch` - at `$.results`"),
        (("results",), [], "Expected `object`, got `array` - at `$.results`"),
        (("config",), {"model": "x"}, "missing required field `seeds` - at `$.config`"),
        (("data", "name"), None, "Expected `str`, got `null` - at `$.data.name`"),
        (("name",), 3, "Expected `str`, got `int` - at `$.name`"),
        (("layout", "tables", 0, "field"), 99, "99"),
        (("layout", "tables", 0, "columns"), (2, 2), "columns"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    at: Leaf, value: Any, sentence: str, content: dict[str, Any], tmp_path: Path
) -> None:
    torch.save(replaced(content, at, value), tmp_path / "a.pt")
    with pytest.raises(CollapseError) as error:
        load(tmp_path / "a.pt")
    assert f"{tmp_path / 'a.pt'} is damaged: " in str(error.value)
    assert sentence in str(error.value)


@pytest.mark.parametrize("at", ["format", "format_version"])
@pytest.mark.parametrize("value", JUNK, ids=range(len(JUNK)))
def test_another_mark_is_another_file(at: str, value: Any, content: dict[str, Any], tmp_path: Path) -> None:
    torch.save({**content, at: value}, tmp_path / "a.pt")
    sentence = "not a checkpoint of this project" if at == "format" else "has checkpoint format|is damaged"
    with pytest.raises(CollapseError, match=sentence):
        load(tmp_path / "a.pt")


E = torch.arange(348 * 8.0).reshape(348, 8)


KINDS: dict[str, Callable[[], Any]] = {
    "int64": lambda: E.to(torch.int64),
    "bool": lambda: E.to(torch.bool),
    "complex64": lambda: E.to(torch.complex64),
    "complex32": lambda: E.to(torch.complex32),
    "sparse": E.to_sparse,
    "on the meta device, without numbers": lambda: E.to("meta"),
    "float8_e4m3fn": lambda: E.to(torch.float8_e4m3fn),
    "quantised along its columns": lambda: torch.quantize_per_channel(
        E, torch.ones(8), torch.zeros(8), 1, torch.qint8
    ),
    "a list": lambda: [1.0],
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", KINDS)
def test_tables_of_other_kinds_are_refused_by_name(kind: str, content: dict[str, Any], tmp_path: Path) -> None:
    torch.save(replaced(content, ("state_dict", "embedding.weight"), KINDS[kind]()), tmp_path / "a.pt")
    with pytest.raises(CollapseError) as error:
        load(tmp_path / "a.pt")
    said = f"tensor 'embedding.weight' is {kind}, but tables and field maps must be float16, bfloat16, float32"
    assert said in str(error.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_tables_of_other_precisions_are_read(
    dtype: torch.dtype, content: dict[str, Any], numbers: pd.DataFrame, tmp_path: Path
) -> None:
    weight = content["state_dict"]["embedding.weight"]
    torch.save(replaced(content, ("state_dict", "embedding.weight"), weight.to(dtype)), tmp_path / "a.pt")
    pd.testing.assert_series_equal(diagnose(tmp_path / "a.pt")["ia"], numbers["ia"], rtol=0.02)


class TestDamage:
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
    def test_a_flipped_bit_is_noticed(
        self, trained: dict[str, Path], numbers: pd.DataFrame, tmp_path: Path, place: float, bit: int
    ) -> None:
        """Unless it is in padding or in the archive's own records, which are not read."""
        content = bytearray(trained["dcnv2-4x2"].read_bytes())
        content[int(place * len(content))] ^= 1 << bit
        (tmp_path / "a.pt").write_bytes(content)
        found = told(tmp_path / "a.pt")
        if found is not None:
            pd.testing.assert_frame_equal(found, numbers)

    def test_a_flipped_bit_of_a_table_is_named(
        self, trained: dict[str, Path], tmp_path: Path, collapse: Collapse
    ) -> None:
        path, content = tmp_path / "a.pt", bytearray(trained["dcnv2-4x2"].read_bytes())
        with zipfile.ZipFile(trained["dcnv2-4x2"]) as archive:
            (largest,) = sorted(archive.infolist(), key=lambda item: item.file_size)[-1:]
        content[largest.header_offset + 200] ^= 0x40
        path.write_bytes(content)
        code, out, err = collapse("analyze", path)
        record = largest.filename.partition("/")[2]
        assert (code, out) == (2, "")
        assert f"{path} is damaged: the record {record} does not match its checksum" in err
        assert collapse("analyze", path, "--no-verify")[0] == 0

    def test_a_tensor_larger_than_its_record(self, content: dict[str, Any], tmp_path: Path) -> None:
        """Strides of zero would make terabytes from one number, so repeated values are not read."""
        torch.save(
            replaced(content, ("state_dict", "embedding.weight"), torch.zeros(1, 1).expand(10**9, 8)),
            tmp_path / "a.pt",
        )
        with pytest.raises(CollapseError, match="is expanded: it has more numbers than it stores"):
            load(tmp_path / "a.pt")

    def test_a_content_that_holds_itself(self, content: dict[str, Any], tmp_path: Path) -> None:
        config: dict[str, Any] = {**content["config"]}
        config["itself"] = config
        torch.save({**content, "config": config}, tmp_path / "a.pt")
        with pytest.raises(CollapseError, match="nested"):
            load(tmp_path / "a.pt")


class TestCommand:
    def test_a_pipe_is_not_waited_for(self, tmp_path: Path, collapse: Collapse) -> None:
        os.mkfifo(tmp_path / "pipe.pt")
        code, _, err = collapse("analyze", tmp_path / "pipe.pt")
        assert (code, "pipe" in err) == (2, True)
        code, _, err = collapse("analyze", "/dev/zero")
        assert (code, "device" in err) == (2, True)

    @pytest.mark.parametrize("words", [["again.pt"], ["--against", "again.pt"]])
    def test_one_file_named_twice(
        self, words: list[str], trained: dict[str, Path], tmp_path: Path, collapse: Collapse
    ) -> None:
        (tmp_path / "again.pt").symlink_to(trained["dcnv2-4"])
        words = [str(tmp_path / word) if word.endswith(".pt") else word for word in words]
        code, _, err = collapse("analyze", trained["dcnv2-4"], *words)
        assert (code, "same file" in err) == (2, True)
