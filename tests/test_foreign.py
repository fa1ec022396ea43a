"""Files of other libraries, recognised by the names of their tensors: what is read, skipped and asked for."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from collapse import diagnose, load
from collapse.analysis.factorised import factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.errors import CollapseError
from collapse.io.readers.field_sizes import FieldSizes
from collapse.io.readers.selection import Selection
from collapse.io.tables import TableSet
from tests.conftest import Collapse

D = (40, 60, 30)
K = 4
NAMES = ("user", "item", "city")
SIZES = FieldSizes(source=Path("fields.json"), names=NAMES, cardinalities=D)
torch.manual_seed(0)
TABLES = [torch.randn(rows, K) * torch.tensor([9.0, 3, 1, 0.1]) for rows in D]
MORE = [torch.randn(rows, K) for rows in D]
W = [torch.randn(3 * K, 3 * K) for _ in range(2)]


def abundance(E: NDArray[Any] | Tensor) -> float:
    sigma = np.linalg.svd(np.asarray(E, np.float64), compute_uv=False)
    return float(sigma.sum() / sigma[0])


def written(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def read(path: Path, content: Any, fields: FieldSizes | None = None, **selection: Any) -> TableSet:
    return load(written(path / "a.pt", content), selection=Selection(fields=fields, **selection))


def assert_abundances(tables: TableSet, expected: Mapping[str, Tensor]) -> None:
    found = diagnose(tables).set_index("field")["ia"]
    assert list(found.index) == list(expected)
    for field, E in expected.items():
        assert found[field] == pytest.approx(abundance(E), rel=1e-6)


def of_pairs(tables: TableSet, layer: int = 0) -> "pd.Series[float]":
    pairs = sub_embedding_abundance(factorise(tables, AnalysisSettings()), layer=layer)
    return pairs.set_index(["source", "target"])["ia"]


def assert_sub_embeddings(tables: TableSet, projections: Tensor, layer: int = 0) -> None:
    """Compare IA(E_i W_{i->j}^T) with that from blocks cut by hand."""
    pairs = of_pairs(tables, layer)
    for i, source in enumerate(NAMES):
        for j, target in enumerate(NAMES):
            block = projections[j * K : (j + 1) * K, i * K : (i + 1) * K]
            assert pairs[source, target] == pytest.approx(abundance(TABLES[i] @ block.T), rel=1e-4)


FUSED, FUSED_2 = torch.cat(TABLES), torch.cat(MORE)
BESIDE = {"mlp.0.weight": torch.randn(8, 12), "mlp.0.bias": torch.zeros(8)}
BY_NAME = dict(zip(NAMES, TABLES, strict=True))


class TestThePapersCode:
    """Its layout is written by hand, because the code cannot be installed."""

    def test_a_fused_table_is_split_by_given_fields(self, tmp_path: Path) -> None:
        state = {"embedding.embedding.weight": FUSED, **{f"cn.W.{n}": w for n, w in enumerate(W)}, **BESIDE}
        tables = read(tmp_path, state, SIZES)
        assert_abundances(tables, BY_NAME)
        assert_sub_embeddings(tables, W[1], layer=1)
        assert tables.description["read as"] == "the paper's code or pytorch-fm"

    def test_without_fields_they_are_asked_for(self, tmp_path: Path) -> None:
        tables = read(tmp_path, {"embedding.embedding.weight": FUSED, "cn.W.0": W[0]})
        assert tables.fields == ("all_fields",)
        assert any("split it with --fields" in note for note in tables.notes)
        assert any("cross layers" in note for note in tables.notes)

    @pytest.mark.parametrize("middle", ["", "0."])
    def test_multi_embeddings(self, middle: str, tmp_path: Path) -> None:
        state = {
            f"embeddings.0.{middle}embedding.weight": FUSED,
            f"embeddings.1.{middle}embedding.weight": FUSED_2,
            "embeddings.0.2.mlp.0.weight": torch.randn(130, 12),
            "cns.0.0.W.0": W[0],
            "cns.1.0.W.0": W[1],
        }
        tables = read(tmp_path, state, SIZES)
        both = {name: torch.cat([a, b], 1) for name, a, b in zip(NAMES, TABLES, MORE, strict=True)}
        assert_abundances(tables, both)
        assert [(maps.layer, maps.set) for maps in tables.field_maps] == [(0, 0), (0, 1)]
        assert tables.skipped == ("embeddings.0.2.mlp.0.weight (a layer of a multi-layer perceptron)",)
        np.testing.assert_array_equal(tables.tables[1].set(1), MORE[1])

    def test_one_interaction_for_all_sets(self, tmp_path: Path) -> None:
        state = {f"embeddings.{m}.embedding.weight": E for m, E in enumerate((FUSED, FUSED_2))} | {
            "cn.0.W.0": W[0]
        }
        maps = read(tmp_path, state, SIZES).field_maps
        assert [each.set for each in maps] == [0, 1]

    def test_regularised(self, tmp_path: Path) -> None:
        """W_{i->j} is block [j, i] times n[j, i]."""
        n = torch.rand(3, 3) + 0.5
        state = {"embedding.embedding.weight": FUSED, "cn.W.0": W[0], "cn.N.0": n}
        (maps,) = read(tmp_path, state, SIZES).field_maps
        A = maps.map(0, 2)
        assert A is not None
        np.testing.assert_allclose(A, (W[0][8:, :4] * n[2, 0]).T, rtol=1e-6)

    def test_field_aware(self, tmp_path: Path) -> None:
        """One table per target, of which a field's own is not used (Appendix H)."""
        targets = [torch.randn(sum(D), K) for _ in range(3)]
        state = {f"ffm.embeddings.{j}.weight": E for j, E in enumerate(targets)} | {
            "linear.fc.weight": torch.randn(130, 1)
        }
        tables = read(tmp_path, state, SIZES)
        spans = {
            "user": (slice(0, 40), (1, 2)),
            "item": (slice(40, 100), (0, 2)),
            "city": (slice(100, 130), (0, 1)),
        }
        expected = {name: torch.cat([targets[j][rows] for j in js], 1) for name, (rows, js) in spans.items()}
        assert_abundances(tables, expected)
        pairs = of_pairs(tables)
        assert pairs["item", "city"] == pytest.approx(abundance(targets[2][40:100]), rel=1e-6)
        assert np.isnan(pairs["item", "item"])


class TestDLRM:
    """Its layout is written by hand, because it is a script."""

    def test_plain_tables_and_given_names(self, tmp_path: Path) -> None:
        state = {f"emb_l.{n}.weight": E for n, E in enumerate(TABLES)} | {"bot_l.0.weight": torch.randn(4, 13)}
        content = {"iter": 7, "state_dict": state, "opt_state_dict": {"state": {0: {"sum": torch.randn(40, 4)}}}}
        tables = read(tmp_path, content)
        assert_abundances(tables, dict(zip(("field_0", "field_1", "field_2"), TABLES, strict=True)))
        assert any("'state_dict'" in note for note in tables.notes)
        assert any(told.startswith("opt_state_dict.state.0 (1 tensors: an optimiser)") for told in tables.skipped)
        assert_abundances(read(tmp_path, content, SIZES), BY_NAME)

    def test_quotients_remainders_and_mixed_dimensions(self, tmp_path: Path) -> None:
        state = {
            "emb_l.0.weight_q": TABLES[0],
            "emb_l.0.weight_r": TABLES[1],
            "emb_l.1.embs.weight": TABLES[2],
            "emb_l.1.proj.weight": torch.randn(16, 4),
        }
        tables = read(tmp_path, {"state_dict": state})
        assert_abundances(tables, {"field_0.q": TABLES[0], "field_0.r": TABLES[1], "field_1": TABLES[2]})
        assert tables.skipped == ("emb_l.1.proj.weight (maps the columns of a mixed-dimension table)",)


class TestTorchRec:
    """Its layout is written by hand, because its wheel needs GPU libraries."""

    COLLECTION = "model.sparse_arch.embedding_bag_collection.embedding_bags"

    def state(self) -> dict[str, Tensor]:
        return {f"{self.COLLECTION}.{name}.weight": E for name, E in BY_NAME.items()}

    def test_the_dense_part_comes_first(self, tmp_path: Path) -> None:
        whole = torch.randn(4 * K, 4 * K)
        tables = read(tmp_path, self.state() | {"model.inter_arch.crossnet.kernels.0": whole})
        assert_abundances(tables, BY_NAME)
        assert_sub_embeddings(tables, whole[K:, K:])
        assert tables.notes == ("4 of 16 columns of its cross layers (the first ones) belong to no table",)

    def test_a_low_rank_is_multiplied_out(self, tmp_path: Path) -> None:
        left, right = torch.randn(3 * K, 5), torch.randn(5, 3 * K)
        state = self.state() | {"crossnet.W_kernels.0": left, "crossnet.V_kernels.0": right}
        assert_sub_embeddings(read(tmp_path, state), left @ right)


def test_fuxictr_ffm(tmp_path: Path) -> None:
    """With N - 1 layers, a field uses layer n for its n-th target other than itself.

    No package has the model.
    """
    layers = [{name: torch.randn(rows, K) for name, rows in zip(NAMES, D, strict=True)} for _ in range(2)]
    state = {
        f"embedding_layers.{n}.embedding_layer.embedding_layers.{name}.weight": E
        for n, layer in enumerate(layers)
        for name, E in layer.items()
    }
    tables = read(tmp_path, state)
    assert_abundances(tables, {name: torch.cat([layers[0][name], layers[1][name]], 1) for name in NAMES})
    pairs = of_pairs(tables)
    assert pairs["item", "user"] == pytest.approx(abundance(layers[0]["item"]), rel=1e-6)
    assert pairs["item", "city"] == pytest.approx(abundance(layers[1]["item"]), rel=1e-6)
    assert pairs["city", "item"] == pytest.approx(abundance(layers[1]["city"]), rel=1e-6)


class TestRuleOfThumb:
    STATE: ClassVar = {
        "net.user_emb.weight": TABLES[0],
        "net.item_embedding.weight": TABLES[1],
        "net.genre.weight": TABLES[2],
        "net.emb_proj.weight": torch.randn(4, 4),
        "net.user_bias_emb.weight": torch.randn(40, 1),
        "net.count_emb.weight": torch.randn(40, 1),
        "net.tied_emb.weight": TABLES[0],
        "net.steps": torch.tensor(7),
    }

    def test_names_that_speak_of_tables(self, tmp_path: Path) -> None:
        tables = read(tmp_path, self.STATE)
        assert_abundances(tables, {"user_emb": TABLES[0], "item_embedding": TABLES[1]})
        assert set(tables.skipped) == {
            "net.genre.weight (its name does not suggest a table)",
            "net.emb_proj.weight (its name does not suggest a table)",
            "net.user_bias_emb.weight (its name does not suggest a table)",
            "net.count_emb.weight (a single column)",
            "net.tied_emb.weight (identical to net.user_emb.weight)",
            "net.steps (int64)",
        }
        assert tables.tables[0].keys == ("net.user_emb.weight",)

    def test_tables_that_are_named(self, tmp_path: Path) -> None:
        tables = read(tmp_path, self.STATE, table="genre|_emb.weight", skip="user|count")
        assert_abundances(tables, {"genre": TABLES[2], "tied_emb": TABLES[0]})
        assert "net.item_embedding.weight (not selected by --table)" in tables.skipped
        assert "net.user_emb.weight (left out by --skip)" in tables.skipped

    def test_one_big_table_is_split(self, tmp_path: Path) -> None:
        assert_abundances(read(tmp_path, {"big_table": FUSED}, SIZES), BY_NAME)

    def test_wrappers_and_nesting(self, tmp_path: Path) -> None:
        state = {f"module._orig_mod.embedding_dict.{name}.weight": E for name, E in BY_NAME.items()}
        content = {"epoch": 3, "optimizer": {"state": {i: {"exp_avg": E} for i, E in enumerate(TABLES * 2)}}}
        assert_abundances(read(tmp_path, content | {"net": {"params": state}}), BY_NAME)


def test_rows_of_zeros_are_told(tmp_path: Path, collapse: Collapse) -> None:
    padded, untrained = TABLES[0].clone(), TABLES[1].clone()
    padded[0] = 0
    untrained[[3, 7]] = 0
    path = written(tmp_path / "a.pt", {"user_emb": padded, "item_emb": untrained})
    out = collapse("analyze", path)[1]
    assert "user_emb (row 0), item_emb (2 rows)" in out
    assert diagnose(path)["rows_zero"].tolist() == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        {"user": 40, "item": 60, "city": 30},
        [{"name": name, "cardinality": rows} for name, rows in zip(NAMES, D, strict=True)],
        {"format": "x", "fields": [{"name": n, "cardinality": r} for n, r in zip(NAMES, D, strict=True)]},
        {
            "dataset_id": "x",
            "features": [
                {"user": {"type": "categorical", "vocab_size": 40, "padding_idx": 0}},
                {"price": {"type": "numeric"}},
                {"item": {"type": "categorical", "vocab_size": 60}},
                {"city": {"type": "sequence", "vocab_size": 30}},
            ],
        },
    ],
)
def test_every_form_of_fields(content: Any, tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "fields.json").write_text(json.dumps(content))
    path = written(tmp_path / "a.pt", {"embedding.embedding.weight": FUSED})
    fields = json.loads(collapse("analyze", path, "--fields", tmp_path / "fields.json", "--json")[1])["fields"]
    assert [(field["field"], field["cardinality"]) for field in fields] == list(zip(NAMES, D, strict=True))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"a": 3}, "3 rows"),
        ({"a": "x"}, "Expected `int`, got `str`"),
        ([{"name": "a"}], "`cardinality`"),
        ({"a": 0, "b": 130}, "'a'"),
        ({"features": [{"a": {"type": "numeric"}}]}, "categorical"),
        ([{"name": "a", "cardinality": 65}] * 2, "'a' twice"),
        ({"features": 7}, "cardinalities"),
        (7, "cardinalities"),
    ],
)
def test_fields_that_do_not_fit(content: Any, sentence: str, tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "fields.json").write_text(json.dumps(content))
    path = written(tmp_path / "a.pt", {"embedding.embedding.weight": FUSED})
    code, _, err = collapse("analyze", path, "--fields", tmp_path / "fields.json")
    assert (code, sentence in err, "Traceback" in err) == (2, True, False), err


def test_a_pattern_that_is_none(tmp_path: Path, collapse: Collapse) -> None:
    path = written(tmp_path / "a.pt", {"emb": FUSED})
    assert "--table '('" in collapse("analyze", path, "--table", "(")[2]


def test_figure_3_of_a_foreign_model(tmp_path: Path, collapse: Collapse) -> None:
    state = {f"embedding.embed_dict.{name}.weight": E for name, E in BY_NAME.items()} | {
        "crossnet.w.0.weight": W[0]
    }
    path = written(tmp_path / "a.pt", state)
    code, _, err = collapse("analyze", path, "--figure", "3", "--out", tmp_path)
    assert code == 0, err
    pairs = pd.read_csv(tmp_path / "figure-3.csv")
    assert len(pairs) == 9


class TestPickledModels:
    """For a model that was pickled whole, tensors are read and its class is not imported."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offsets = np.array([0, 40, 100])
            self.embedding = nn.Module()
            self.embedding.embedding = nn.Embedding(sum(D), K, _weight=FUSED)
            self.embedding.offsets = np.array([0, 40, 100])  # type: ignore[assignment]
            self.mlp = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))

    @pytest.mark.parametrize("zipped", [True, False])
    def test_its_offsets_split_its_table(self, zipped: bool, tmp_path: Path) -> None:
        path = written(tmp_path / "a.pt", self.Model(), _use_new_zipfile_serialization=zipped)
        tables = load(path)
        assert_abundances(tables, dict(zip(("field_0", "field_1", "field_2"), TABLES, strict=True)))

    def test_a_state_dict_beside_a_class(self, tmp_path: Path) -> None:
        """RecBole writes such files, with a configuration object."""
        state = {"token_embedding_table.embedding.weight": FUSED, "user_embedding.weight": TABLES[0]}
        tables = read(tmp_path, {"config": argparse.Namespace(seed=1), "state_dict": state}, SIZES)
        assert_abundances(tables, BY_NAME | {"user_embedding": TABLES[0]})
        assert tables.description["read as"] == "RecBole"


class TestPayloads:
    class Payload:
        def __init__(self, marker: Path) -> None:
            self.marker = marker

        def __reduce__(self) -> Any:
            return Path.touch, (self.marker,)

    @pytest.mark.parametrize("zipped", [True, False])
    def test_it_is_not_run_and_the_rest_is_read(self, zipped: bool, tmp_path: Path) -> None:
        content = {"user_emb": TABLES[0], "payload": self.Payload(tmp_path / "ran")}
        path = written(tmp_path / "a.pt", content, _use_new_zipfile_serialization=zipped)
        tables = load(path)
        assert tables.fields == ("user_emb",)
        name = f"{Path.touch.__module__}.{Path.touch.__qualname__}"  # pathlib._local from Python 3.13 on
        assert tables.skipped == (f"payload (an object of {name}, which was not loaded)",)
        assert not (tmp_path / "ran").exists()
        torch.load(path, weights_only=False)
        assert (tmp_path / "ran").exists()

    def test_nothing_else_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(CollapseError, match="that holds no tensor"):
            load(written(tmp_path / "a.pt", {"payload": self.Payload(tmp_path / "ran")}))
        assert not (tmp_path / "ran").exists()


def test_what_holds_itself_or_one_thing_in_many_places(tmp_path: Path) -> None:
    """A walk along all paths would never end."""
    content: dict[str, Any] = {"user_emb": TABLES[0]}
    content["itself"] = content
    deep: list[Any] = []
    for _ in range(60):
        deep = [deep, deep]
    tables = read(tmp_path, {**content, "deep": deep})
    assert_abundances(tables, {"user_emb": TABLES[0]})


def test_a_table_beside_field_aware_ones_is_told(tmp_path: Path) -> None:
    state = {f"ffm.embeddings.{j}.weight": torch.randn(sum(D), K) for j in range(3)} | {
        "extra_emb.weight": TABLES[0]
    }
    tables = read(tmp_path, state, SIZES)
    assert tables.fields == NAMES
    assert tables.skipped == ("extra_emb.weight (next to field-aware tables)",)


def test_tables_that_are_not_read_deny_no_other(tmp_path: Path, collapse: Collapse) -> None:
    """Each is named with its reason, the rest is measured, and the exit code is 2 unless --skip names it."""
    lost = {
        "int_emb": torch.zeros(9, 4, dtype=torch.int8),
        "empty_emb": torch.zeros(0, 4),
        "sparse_emb": torch.eye(4).to_sparse(),
        "meta_emb": torch.zeros(9, 4, device="meta"),
    }
    others = {
        "emb_mask": torch.zeros(4, 4, dtype=torch.bool),
        "emb_offsets": torch.arange(4),
        "ids": torch.eye(3).int(),
    }
    torch.save({"user_emb": torch.randn(50, 4), **lost, **others}, tmp_path / "a.pt")
    for words in (("analyze",), ("report", "-o", tmp_path / "a.html")):
        code, out, err = collapse(words[0], tmp_path / "a.pt", *words[1:])
        assert code == 2
        assert all(f"field {name!r}" in err for name in lost)
        assert not any(f"field {name!r}" in err for name in others)
        assert "user_emb" in (out if words[0] == "analyze" else (tmp_path / "a.html").read_text())
    assert collapse("analyze", tmp_path / "a.pt", "--skip", "|".join(lost))[0] == 0
    assert collapse("explain", tmp_path / "a.pt", "user_emb")[0] == 0
