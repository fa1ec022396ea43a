"""Types of numbers that become others: every value is the library's, and the rank knows what rounding left."""

from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse import diagnose, load
from collapse.io.readers.number_types import as_floats
from collapse.measures.precision import precision
from tests.conftest import Collapse

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.quantize:UserWarning")

torch.manual_seed(0)
W = torch.randn(60, 8)
SCALES, ZEROS = torch.rand(60) * 0.02 + 0.01, torch.rand(60)
OPS: Any = torch.ops.quantized


@pytest.mark.parametrize("zipped", [True, False])
def test_quantised_tensors_of_torch(zipped: bool, tmp_path: Path) -> None:
    quantised = {
        "a_emb": torch.quantize_per_tensor(W, 0.02, 3, torch.quint8),
        "b_emb": torch.quantize_per_tensor(W, 0.02, 0, torch.qint8),
        "c_emb": torch.quantize_per_channel(W, SCALES, torch.zeros(60), 0, torch.qint8),
        "d_emb": torch.quantize_per_channel(W, SCALES, ZEROS, 0, torch.quint8),
    }
    torch.save(quantised, tmp_path / "a.pt", _use_new_zipfile_serialization=zipped)
    tables = load(tmp_path / "a.pt")
    assert tables.fields == tuple(quantised)
    for table in tables:
        assert np.array_equal(np.asarray(table.E), quantised[table.field].dequantize())
    assert precision(tables.tables[0].E) == pytest.approx((0, 0.02))
    assert precision(tables.tables[3].E)[1] == pytest.approx(float(SCALES.square().mean().sqrt()))


@pytest.mark.parametrize(
    ("pack", "unpack", "bits"),
    [
        (OPS.embedding_bag_byte_prepack, OPS.embedding_bag_byte_unpack, 8),
        (OPS.embedding_bag_4bit_prepack, OPS.embedding_bag_4bit_unpack, 4),
    ],
)
def test_rows_with_their_scales(pack: Any, unpack: Any, bits: int, tmp_path: Path) -> None:
    packed = pack(W)
    torch.save({"user_emb.weight": packed}, tmp_path / "a.pt")
    tables = load(tmp_path / "a.pt")
    (table,) = tables.tables
    assert np.array_equal(np.asarray(table.E), unpack(packed))
    assert tables.notes == (f"int{bits} with a scale for each row was read as float32: user_emb.weight",)


@pytest.mark.parametrize("front", [True, False])
@pytest.mark.parametrize("bits", [8, 4])
@given(K=st.integers(4, 12).map(lambda k: 2 * k), seed=st.integers(0, 99))
def test_rows_of_inference_kernels(bits: int, front: bool, K: int, seed: int) -> None:
    """FBGEMM's inference kernels keep scale and bias as float16 at the start of a row, other ones at its end."""
    E = np.random.default_rng(seed).standard_normal((40, K))
    bias = E.min(axis=1).astype("f2")
    scale = ((E.max(axis=1) - bias) / (2**bits - 1)).astype("f2")
    codes = np.clip(np.rint((E - bias[:, None]) / scale[:, None].astype("f4")), 0, 2**bits - 1).astype("u1")
    stored = codes if bits == 8 else codes[:, 0::2] | codes[:, 1::2] << 4
    parameters = np.stack([scale, bias], axis=1).view("u1")
    rows = np.hstack([parameters, stored] if front else [stored, parameters])
    found, notes = as_floats({"x": rows})
    expected = codes * scale[:, None].astype("f8") + bias[:, None].astype("f8")
    assert found["x"].shape == (40, K)
    assert np.array_equal(np.asarray(found["x"]), expected.astype("f4"))
    assert notes == (f"int{bits} with a scale for each row was read as float32: x",)


def test_scales_beside_the_table() -> None:
    E = np.random.default_rng(0).standard_normal((40, 6)).astype("f4")
    bias, scale = E.min(axis=1), (E.max(axis=1) - E.min(axis=1)) / 255
    codes = np.rint((E - bias[:, None]) / scale[:, None]).astype("u1")
    found, _ = as_floats({"t.weight": codes, "t.weight_qscale": scale[:, None], "t.weight_qbias": bias[:, None]})
    assert list(found) == ["t.weight"]
    assert np.allclose(np.asarray(found["t.weight"]), E, atol=scale.max())


def test_bytes_that_are_not_quantised_stay_bytes() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 24)).astype("u1")
    assert as_floats({"pixels": pixels}) == ({"pixels": pixels}, ())


@pytest.mark.parametrize("kind", ["float8_e4m3fn", "float8_e5m2"])
@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_floats_of_eight_bits(kind: str, ending: str, tmp_path: Path) -> None:
    stored = W.to(getattr(torch, kind))
    path = tmp_path / f"a.{ending}"
    (torch.save if ending == "pt" else safetensors.torch.save_file)({"user_emb": stored}, path)
    tables = load(path)
    (table,) = tables.tables
    assert np.array_equal(np.asarray(table.E), stored.float())
    info: Any = ml_dtypes.finfo(kind)  # type: ignore[no-untyped-call]
    assert precision(table.E) == (float(info.eps), float(info.smallest_subnormal))
    assert tables.notes == (f"{kind} was read as float32: user_emb",)


def test_complex_extended_and_swapped_numbers(tmp_path: Path) -> None:
    E = np.random.default_rng(0).standard_normal((60, 8))
    np.savez(tmp_path / "a.npz", swapped=E.astype(">f4"), extended=E.astype("longdouble"), complex=E + 2j * E)
    tables = {table.field: np.asarray(table.E) for table in load(tmp_path / "a.npz")}
    assert np.array_equal(tables["swapped"], E.astype("f4"))
    assert np.array_equal(tables["extended"], E)
    assert np.array_equal(tables["complex"], np.hstack([E, 2 * E]))
    torch.save({"z_emb": torch.from_numpy(E + 2j * E)}, tmp_path / "a.pt")
    assert np.array_equal(np.asarray(load(tmp_path / "a.pt").tables[0].E), np.hstack([E, 2 * E]))


def test_the_rank_counts_what_quantisation_left(tmp_path: Path, collapse: Collapse) -> None:
    """Rounding adds directions to a table of rank three, which lie below its noise."""
    E = torch.randn(2000, 3) @ torch.randn(3, 16)
    packed = {
        "byte_emb": OPS.embedding_bag_byte_prepack(E),
        "float8_emb": E.to(torch.float8_e4m3fn),
        "full_emb": E,
    }
    torch.save(packed, tmp_path / "a.pt")
    found = diagnose(tmp_path / "a.pt").set_index("field")
    assert found["rank"].to_dict() == {"byte_emb": 3, "float8_emb": 3, "full_emb": 3}
    assert np.linalg.matrix_rank(np.asarray(load(tmp_path / "a.pt").tables[0].E)) == 16
    code, out, _ = collapse("analyze", tmp_path / "a.pt")
    assert (code, "int8 with a scale for each row was read as float32: byte_emb" in out) == (0, True)
