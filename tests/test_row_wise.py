"""Tables in 16, 8 and 4 bits: the rows of FBGEMM and torch, alone and with truncation, and the Pareto front."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as of_numpy

from collapse import diagnose, load
from collapse import truncate as truncated
from collapse.analysis.truncation import pareto_front, truncate
from collapse.errors import CollapseError
from collapse.io.row_wise import decode_rows, encode_rows, row_bytes
from collapse.io.tables import EmbeddingTable, TableSet
from tests.conftest import Collapse

tables = of_numpy.arrays(
    np.float32,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.floats(-1000, 1000, width=32),
)


@given(E=tables, bits=st.sampled_from([8, 4]))
def test_an_entry_is_off_by_half_a_step(E: "np.ndarray[Any, np.dtype[np.float32]]", bits: int) -> None:
    stored = encode_rows(E, bits)
    assert stored.shape == (len(E), row_bytes(E.shape[1], bits))
    found = np.asarray(decode_rows(stored, bits, E.shape[1]))
    low, spread = E.min(axis=1, keepdims=True), np.ptp(E, axis=1, keepdims=True)
    # A bias in float16 is off by up to 2^-11 of itself, and moves all codes.
    slack = 1e-6 * np.abs(E).max() + (2**-10 * (np.abs(low) + spread) + 1e-4 if bits == 4 else 0)
    assert (np.abs(found - E) <= spread / (2**bits - 1) / 2 * 1.001 + slack + 1e-8).all()


@pytest.mark.parametrize("bits", [8, 4])
def test_rows_are_those_of_torch(bits: int) -> None:
    """To the byte, as torch's own operators pack them for its quantised embedding bags."""
    torch.manual_seed(0)
    E = torch.cat([torch.randn(500, 16), torch.zeros(3, 16), torch.ones(2, 16), torch.randn(50, 16) * 1e-3])
    packed = {8: torch.ops.quantized.embedding_bag_byte_prepack, 4: torch.ops.quantized.embedding_bag_4bit_prepack}
    expected = packed[bits](E).numpy()
    found = encode_rows(E.numpy(), bits)
    assert found.shape == expected.shape
    same = (found == expected).mean()
    assert same > 0.999, same
    np.testing.assert_array_equal(found[:, -4:], expected[:, -4:])


def set_of(E: "np.ndarray[Any, np.dtype[Any]]") -> TableSet:
    return TableSet(name="a", source="a", tables=(EmbeddingTable(field="f", E=E, sizes=(E.shape[1],)),))


@given(
    E=of_numpy.arrays(
        np.float32, st.tuples(st.integers(1, 60), st.integers(1, 9)), elements=st.floats(-9, 9, width=32)
    ),
    energy=st.sampled_from([0.5, 0.9, 1.0]),
    bits=st.sampled_from([None, 16, 8, 4]),
)
def test_bytes_are_those_of_the_parts(E: "np.ndarray[Any, np.dtype[Any]]", energy: float, bits: Any) -> None:
    (cut,) = truncate(set_of(E), energy, bits=bits)
    assert cut.bytes_after == sum(array.nbytes for array in cut.parts.values())
    assert cut.table.shape == E.shape
    assert cut.table.dtype == E.dtype
    (exact,) = truncate(set_of(E), energy)
    steps = {None: 1e-6, 16: 2e-3, 8: 1 / 255, 4: 1 / 15}[bits]
    # An error of a row of the left factor is multiplied by the orthonormal rows of the right one.
    error = np.linalg.norm(cut.table - exact.table, axis=1)
    assert (error <= 40 * steps * np.sqrt(E.shape[1]) + 1e-5).all()


def test_numbers_beyond_float16_are_refused() -> None:
    E = np.full((4, 3), 1e6, np.float32)
    for bits in (16, 4):
        with pytest.raises(CollapseError, match=f"'f' cannot be stored in {bits} bits"):
            _ = next(iter(truncate(set_of(E), 1, bits=bits))).parts
    with pytest.raises(ValueError, match="NaN"):
        encode_rows(np.array([[np.nan, 1]], np.float32), 8)
    with pytest.raises(ValueError, match="int8 table of 5 columns"):
        decode_rows(np.zeros((3, 9), np.uint8), 8, 5)


@given(
    points=st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5) | st.just(float("nan"))), min_size=1, max_size=12
    )
)
def test_the_front_is_what_nothing_beats(points: list[tuple[int, float]]) -> None:
    costs, values = zip(*points, strict=True)
    front = pareto_front(costs, values)
    for n, (cost, value) in enumerate(points):
        beaten = any(
            other_cost <= cost and (other_value >= value if m != n else False)
            and (other_cost < cost or other_value > value or m < n)
            for m, (other_cost, other_value) in enumerate(points)
        )  # fmt: skip
        if value == value and front[n]:
            assert not any(c <= cost and v > value for c, v in points)
            assert not any(c < cost and v >= value for c, v in points)
        if value == value and not beaten:
            assert front[n]


class TestCommand:
    @pytest.mark.parametrize("ending", [".pt", ".safetensors"])
    @pytest.mark.parametrize("bits", [16, 8, 4])
    @pytest.mark.parametrize("name", ["dcnv2-8", "dcnv2-4x2"])
    def test_what_is_written_is_read(
        self, name: str, bits: int, ending: str, trained: dict[str, Path], tmp_path: Path, collapse: Collapse
    ) -> None:
        path = tmp_path / f"small{ending}"
        code, out, err = collapse("truncate", trained[name], "--energy", 0.8, "--bits", bits, "-o", path)
        assert (code, err) == (0, "")
        assert f"in {bits} bits" in out
        cut = truncate(load(trained[name]), 0.8, bits=bits)  # type: ignore[arg-type]
        held = load(path)
        for each, (table, m) in zip(cut, ((t, m) for t in held for m in range(t.sets)), strict=True):
            np.testing.assert_allclose(np.asarray(table.set(m)[:], np.float32), each.table, atol=1e-6)
        code, out, err = collapse("analyze", path)
        assert code == 0, err
        assert len(diagnose(path)) == len(held)

    def test_the_front_and_its_picture(
        self, trained: dict[str, Path], small_data: Path, tmp_path: Path, collapse: Collapse
    ) -> None:
        words: tuple[Any, ...] = (
            "truncate",
            trained["dcnv2-4"],
            "--data",
            small_data,
            "--energy",
            1,
            "--energy",
            0.8,
        )
        words = (*words, *(word for bits in (32, 8, 4) for word in ("--bits", bits)))
        code, out, err = collapse(*words, "--figure", tmp_path / "p")
        assert code == 0, err
        assert "front" in out
        assert {path.suffix for path in (tmp_path / "p").iterdir()} == {".png", ".pdf", ".csv"}
        found = json.loads(collapse(*words, "--json")[1])["cuts"]
        assert [(each["energy"], each["bits"]) for each in found] == [(e, b) for e in (1, 0.8) for b in (32, 8, 4)]
        aucs = [each["test"]["auc"] for each in found]
        assert [each["on_pareto_front"] for each in found] == pareto_front([each["bytes"] for each in found], aucs)

    @pytest.mark.parametrize(
        "change",
        [
            {"bits": 4}, {"bits": 16}, {"bits": None}, {"bits": "8"}, {"bits": [8]}, {"columns": 1 << 60},
            {"columns": -1}, {"columns": float("inf")}, {"columns": None}, {"left": torch.zeros(5, 4)},
            {"left": torch.zeros(5, 9, dtype=torch.uint8)}, {"right": torch.zeros(3)}, {"left": 7}, {"table": "x"},
        ],
        ids=str,
    )  # fmt: skip
    def test_damaged_rows(self, change: dict[str, Any], tmp_path: Path, collapse: Collapse) -> None:
        """One sentence, or the table that another number of columns would make."""
        rng = np.random.default_rng(0)
        E = rng.standard_normal((50, 2)) @ rng.standard_normal((2, 9))
        truncated({"user": E.astype(np.float32)}, 0.9, bits=8).save(tmp_path / "a.pt")
        content = torch.load(tmp_path / "a.pt", weights_only=True)
        content["tables"][0] |= change
        torch.save(content, tmp_path / "a.pt")
        code, _, err = collapse("analyze", tmp_path / "a.pt")
        assert "Traceback" not in err
        assert code == 2 or "columns" in change, err
        assert code == 0 or "a.pt" in err

    def test_bad_options(self, trained: dict[str, Path], tmp_path: Path, collapse: Collapse) -> None:
        path = trained["dcnv2-4"]
        for words, said in (
            (("--bits", 8, "--bits", 4, "-o", tmp_path / "a.pt"), "give --energy and --bits only once"),
            (("--figure", tmp_path / "p"), "give the --data"),
            (("--bits", 7), "'7' is not one of"),
        ):
            code, _, err = collapse("truncate", path, *words)
            assert (code, said in err) == (2, True), err
