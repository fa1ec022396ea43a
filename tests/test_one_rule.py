"""The same tensors give the same tables, whatever the file format; layers, updates and copies are no tables."""

from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from collapse import Selection, TableSet, load
from collapse.errors import CollapseError
from collapse.io.readers.field_sizes import FieldSizes

R = np.random.default_rng(0)


def low(rows: int, columns: int, rank: int) -> np.ndarray:
    return (R.standard_normal((rows, rank)) @ R.standard_normal((rank, columns))).astype("f4")


def read(tensors: dict[str, np.ndarray], folder: Path) -> TableSet:
    """Write the tensors in three formats, check that they give the same tables, and return these."""
    torch.save({name: torch.from_numpy(values) for name, values in tensors.items()}, folder / "m.pt")
    np.savez(folder / "m.npz", **tensors)  # type: ignore[arg-type]
    safetensors.numpy.save_file(tensors, folder / "m.safetensors")
    found = [load(folder / f"m{suffix}") for suffix in (".pt", ".npz", ".safetensors")]
    assert len({frozenset(tables.fields) for tables in found}) == 1
    assert len({frozenset(tables.skipped) for tables in found}) == 1
    return found[0]


def test_a_model_without_parameter_names(tmp_path: Path) -> None:
    model = {"enc_emb": low(200, 32, 32), "dec_emb": low(300, 32, 32), "enc_w_hh": low(96, 32, 2)}
    tables = read(model, tmp_path)
    assert set(tables.fields) == {"enc_emb", "dec_emb"}
    assert tables.skipped == ("enc_w_hh (its name does not suggest a table)",)


def test_names_that_suggest_nothing_are_all_tables(tmp_path: Path) -> None:
    assert set(read({"user": low(30, 8, 8), "item": low(20, 8, 8)}, tmp_path).fields) == {"user", "item"}


def test_a_layer_has_a_bias(tmp_path: Path) -> None:
    tables = read(
        {
            "item_embedding.weight": low(30, 8, 8),
            "att_embedding.weight": low(16, 8, 8),
            "att_embedding.bias": np.ones(16, "f4"),
        },
        tmp_path,
    )
    assert tables.fields == ("item_embedding",)
    assert "att_embedding.weight (a layer: it has a bias)" in tables.skipped


def test_a_module_that_peft_trained_has_the_name_of_its_base(tmp_path: Path) -> None:
    tables = read(
        {
            "base_model.model.item_emb.original_module.weight": low(30, 8, 8),
            "base_model.model.item_emb.modules_to_save.default.weight": low(30, 8, 8),
            "base_model.model.user_emb.lora_embedding_A.default": low(2, 30, 2),
        },
        tmp_path,
    )
    assert tables.fields == ("item_emb",)
    assert any("original_module.weight (as it was before PEFT" in line for line in tables.skipped)
    assert any("lora_embedding_A.default (a factor of a LoRA update" in line for line in tables.skipped)


def test_a_copy_is_counted_once(tmp_path: Path) -> None:
    E = low(30, 8, 8)
    tables = read(
        {"item_emb.weight": E, "ema.item_emb.weight": E.copy(), "user_emb.weight": low(30, 8, 8)}, tmp_path
    )
    assert len(tables.fields) == 2
    assert any("the same numbers as" in each for each in tables.skipped)


def test_equal_constants_are_no_copies(tmp_path: Path) -> None:
    zeros = np.zeros((30, 8), "f4")
    assert len(read({"a_emb": zeros, "b_emb": zeros.copy()}, tmp_path).fields) == 2


def test_two_tables_of_the_same_fields(tmp_path: Path) -> None:
    deep, wide = low(60, 4, 4), low(60, 4, 4)
    torch.save({"deep.emb.weight": torch.tensor(deep), "wide.emb.weight": torch.tensor(wide)}, tmp_path / "a.pt")
    sizes = FieldSizes(source=Path("fields.json"), names=("x", "y", "z"), cardinalities=(10, 20, 30))
    tables = load(tmp_path / "a.pt", selection=Selection(fields=sizes))
    assert tables.fields == ("x", "y", "z", "wide.emb.x", "wide.emb.y", "wide.emb.z")
    assert np.array_equal(np.concatenate([table.E[:] for table in tables.tables]), np.concatenate([deep, wide]))


def test_unknown_fields_enter_no_map(tmp_path: Path) -> None:
    """As in RecBole's DCNv2 with a sequence field, whose token fields are in one table."""
    state = {
        "token_embedding_table.embedding.weight": low(60, 4, 4),
        "token_seq_embedding_table.0.weight": low(20, 4, 4),
        "cross_layer_w.0": low(16, 16, 16),
    }
    torch.save({name: torch.from_numpy(values) for name, values in state.items()}, tmp_path / "a.pt")
    tables = load(tmp_path / "a.pt")
    assert tables.field_maps == ()
    assert any("several unknown fields" in note for note in tables.notes)
    sizes = FieldSizes(source=Path("fields.json"), names=("x", "y", "z"), cardinalities=(10, 20, 30))
    assert len(load(tmp_path / "a.pt", selection=Selection(fields=sizes)).field_maps) == 1


def test_tables_by_order_are_not_field_aware(tmp_path: Path) -> None:
    """As FuxiCTR's HOFM has them: as many tables as orders, not as fields."""
    key = "embedding_layers.{}.embedding_layer.embedding_layers.{}.weight"
    state = {key.format(order, field): low(20, 4, 4) for order in range(2) for field in "abcde"}
    torch.save({name: torch.from_numpy(values) for name, values in state.items()}, tmp_path / "a.pt")
    tables = load(tmp_path / "a.pt")
    assert len(tables.fields) == 10
    assert tables.field_maps == ()
    assert any("separate" in note for note in tables.notes)


def test_an_update_is_no_table(tmp_path: Path) -> None:
    prefix = "base_model.model.model.embed_tokens."
    update = {f"{prefix}lora_embedding_A": low(8, 500, 8), f"{prefix}lora_embedding_B": low(32, 8, 8)}
    with pytest.raises(CollapseError, match=r"lora_embedding_A \(a factor of a LoRA update, not a table\)"):
        read(update, tmp_path)


@pytest.mark.parametrize("content", [torch.eye(5, 3), [torch.eye(5, 3)], {"item": torch.eye(5, 3)}, np.eye(5, 3)])
def test_bare_tensors(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "vectors.pt")
    tables = load(tmp_path / "vectors.pt")
    assert len(tables.fields) == 1
    assert tables.tables[0].cardinality == 5
    if not isinstance(content, list | dict):
        assert tables.fields == ("vectors",)
