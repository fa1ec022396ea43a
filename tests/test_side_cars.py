"""What libraries write next to a checkpoint is used unasked, and their rarer models are recognised."""

import enum
import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from collapse import load
from collapse.errors import CollapseError
from collapse.io.readers.field_sizes import FieldSizes
from collapse.io.readers.selection import Selection

K = 4
SIZES = {"user": 30, "age": 7, "item": 50, "city": 20}


def embedding(rows: int) -> torch.Tensor:
    return torch.randn(rows, K)


def feature_map(folder: Path, sizes: dict[str, int]) -> None:
    features = [{name: {"type": "categorical", "vocab_size": rows}} for name, rows in sizes.items()]
    (folder / "feature_map.json").write_text(json.dumps({"dataset_id": "x", "features": features}))


def test_a_feature_map_splits_the_fused_table(tmp_path: Path) -> None:
    E = embedding(sum(SIZES.values()))
    torch.save({"embedding.embedding.weight": E}, tmp_path / "a.pt")
    assert load(tmp_path / "a.pt").fields == ("all_fields",)
    feature_map(tmp_path, SIZES)
    tables = load(tmp_path / "a.pt")
    assert tables.fields == tuple(SIZES)
    assert np.array_equal(tables.tables[1].E, E[30:37])
    assert tables.notes == ("split as in feature_map.json next to it",)
    given = FieldSizes(source=Path("f"), names=("x", "y"), cardinalities=(100, 7))
    assert load(tmp_path / "a.pt", selection=Selection(fields=given)).fields == ("x", "y")


def test_a_feature_map_that_does_not_fit_is_said(tmp_path: Path) -> None:
    torch.save({"embedding.embedding.weight": embedding(9)}, tmp_path / "a.pt")
    feature_map(tmp_path, SIZES)
    tables = load(tmp_path / "a.pt")
    assert tables.fields == ("all_fields",)
    assert "feature_map.json next to it was not used: no table has as many rows as its fields" in tables.notes
    (tmp_path / "feature_map.json").write_text("{")
    assert load(tmp_path / "a.pt").fields == ("all_fields",)


def test_models_of_sequences_in_fuxictr(tmp_path: Path) -> None:
    state = {f"embedding_layer.embedding_layers.{name}.weight": embedding(rows) for name, rows in SIZES.items()}
    state |= {"transformer.position_emb": embedding(12), "transformer.position_emb_2.weight": embedding(0)}
    torch.save(state, tmp_path / "BST.model")
    feature_map(tmp_path, SIZES)
    tables = load(tmp_path / "BST.model")
    assert tables.fields == tuple(SIZES)
    assert tables.description["read as"] == "FuxiCTR"
    assert "transformer.position_emb (positions in a sequence)" in tables.skipped


def test_two_fused_tables_are_split_by_one_list(tmp_path: Path) -> None:
    """RecBole's DIN keeps the fields of users in one table, and those of items in another."""
    state = {
        "embedding_layer.token_embedding_table.user.embedding.weight": embedding(37),
        "embedding_layer.token_embedding_table.item.embedding.weight": embedding(70),
        "dnn.mlp_layers.mlp_layers.1.weight": torch.randn(8, 8),
    }
    torch.save({"state_dict": state, "config": None}, tmp_path / "DIN.pth")
    tables = load(tmp_path / "DIN.pth")
    assert len(tables.fields) == 2
    assert "split it with --fields" in tables.notes[-1]
    fields = FieldSizes(source=Path("f"), names=tuple(SIZES), cardinalities=tuple(SIZES.values()))
    assert load(tmp_path / "DIN.pth", selection=Selection(fields=fields)).fields == tuple(SIZES)
    alike = FieldSizes(source=Path("f"), names=("a", "b", "c"), cardinalities=(9, 9, 9))
    with pytest.raises(CollapseError, match="lists 3 fields with 27 rows in total"):
        load(tmp_path / "DIN.pth", selection=Selection(fields=alike))


def test_a_linear_part_of_several_columns_is_a_table(tmp_path: Path) -> None:
    """In pytorch-fm's PNN it has as many columns as the embeddings."""
    for columns, tables in ((1, 1), (K, 2)):
        linear = torch.randn(sum(SIZES.values()), columns)
        state = {"embedding.embedding.weight": embedding(sum(SIZES.values())), "linear.fc.weight": linear}
        torch.save(state, tmp_path / "a.pt")
        assert len(load(tmp_path / "a.pt").tables) == tables


def test_easyrec_names_its_features(tmp_path: Path) -> None:
    folder = tmp_path / "saver"
    shutil.copytree(Path(__file__).parent / "data" / "formats" / "tensorflow_v1" / "saver", folder)
    assert load(folder).fields == ("item_embedding", "user_embedding")
    (folder / "pipeline.config").write_text('features {\n  input_names: "user"\n  feature_type: IdFeature\n}\n')
    assert set(load(folder).fields) == {"item_embedding", "user"}


class Kind(enum.Enum):
    TOKEN = "token"
    FLOAT = "float"


class SavedDataset:
    """As RecBole pickles a data set: fields by kind, and the tokens of each field."""

    def __init__(self) -> None:
        self.field2type = {"label": Kind.FLOAT, **dict.fromkeys(SIZES, Kind.TOKEN)}
        self.field2id_token = {
            name: np.array(["[PAD]", *map(str, range(rows - 1))]) for name, rows in SIZES.items()
        }


def test_a_saved_data_set_of_recbole_splits_the_fused_table(tmp_path: Path) -> None:
    state = {"token_embedding_table.embedding.weight": embedding(sum(SIZES.values()))}
    torch.save({"state_dict": state}, tmp_path / "DCNV2.pth")
    (tmp_path / "tiny-Dataset.pth").write_bytes(pickle.dumps(SavedDataset()))
    tables = load(tmp_path / "DCNV2.pth")
    assert tables.fields == tuple(SIZES)
    assert "split as in tiny-Dataset.pth next to it" in tables.notes
    (tmp_path / "tiny-Dataset.pth").write_bytes(pickle.dumps(SavedDataset())[:90])
    assert load(tmp_path / "DCNV2.pth").fields == ("all_fields",)
