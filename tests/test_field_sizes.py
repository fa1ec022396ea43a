"""Tables with a size for every field: E = U P in training, in checkpoints, and on the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse import diagnose, load
from collapse.analysis.several import readable
from collapse.errors import CollapseError
from collapse.io.readers.native import tables_of_model
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config
from collapse.training.models.size import model_bytes, table_bytes
from collapse.training.models.sized_embedding import SizedEmbedding
from collapse.training.runs.config import RunConfig
from collapse.training.runs.field_sizes import read_field_sizes
from tests.conftest import Collapse

CARDINALITIES = (9, 4, 30, 2)


def whole_tables(model: MultiEmbeddingModel) -> list[list[torch.Tensor]]:
    """Return E_i^(m) = U_i^(m) P_i^(m) for every field and set, from the layout."""
    state = model.state_dict()
    found = []
    for i in range(len(CARDINALITIES)):
        of_field = []
        for key in model.layout.of_field(i):
            E = state[key.key][slice(*key.rows), slice(*key.columns)]
            if key.projection is not None:
                name, m, g = key.projection
                E = E @ state[name][m, g]
            of_field.append(E)
        found.append(of_field)
    return found


@given(
    sizes=st.tuples(*[st.integers(1, 5)] * 4),
    sets=st.integers(1, 3),
    rows=st.lists(st.tuples(*(st.integers(0, D - 1) for D in CARDINALITIES)), min_size=1, max_size=9),
)
def test_a_lookup_is_a_row_of_the_product(sizes: tuple[int, ...], sets: int, rows: list[tuple[int, ...]]) -> None:
    torch.manual_seed(0)
    config = model_config("dcnv2", embedding_size=5, sets=sets, field_sizes="+".join(map(str, sizes)))
    model = MultiEmbeddingModel(CARDINALITIES, config)
    ids_BN = torch.tensor(rows, dtype=torch.int32)
    tables = whole_tables(model)
    for m, e_BNK in enumerate(model.embedding(ids_BN)):
        expected = torch.stack([tables[i][m][ids_BN[:, i].long()] for i in range(4)], dim=1)
        torch.testing.assert_close(e_BNK, expected)
    assert table_bytes(CARDINALITIES, config) == 4 * sum(each.weight.numel() for each in model.embedding.tables)
    assert model_bytes(CARDINALITIES, config) == 4 * sum(each.numel() for each in model.parameters())


def test_gradients_are_those_of_autograd() -> None:
    """The kept gradient of the tables, and that of the projections."""
    torch.manual_seed(0)
    embedding = SizedEmbedding(CARDINALITIES, (2, 3, 5, 2), 5, 2)
    ids_BN = torch.tensor([[0, 3, 7, 1], [8, 3, 7, 0]], dtype=torch.int32)
    found = []
    for starts in (True, False):
        for each in embedding.parameters():
            each.grad = None
        if starts:
            embedding.start()
        sum((h.square().sum() * (m + 1) for m, h in enumerate(embedding(ids_BN))), torch.zeros(())).backward()
        found.append([each.grad.clone() for each in embedding.parameters() if each.numel()])  # type: ignore[union-attr]
    torch.testing.assert_close(found[0], found[1])


def test_entries_begin_with_the_variance_of_whole_tables() -> None:
    torch.manual_seed(0)
    D = (4000, 3000)
    for sizes in ("1+2", "7+8"):
        model = MultiEmbeddingModel(D, model_config("dnn", embedding_size=8, field_sizes=sizes))
        plain = MultiEmbeddingModel(D, model_config("dnn", embedding_size=8))
        (e_BNK,) = model.embedding(torch.stack([torch.arange(3000)] * 2, dim=1).int())
        (plain_BNK,) = plain.embedding(torch.stack([torch.arange(3000)] * 2, dim=1).int())
        # One draw of a single row of P has much scatter.
        assert 0.2 < float((e_BNK.var() / plain_BNK.var()).detach()) < 3


@given(sizes=st.tuples(*[st.integers(1, 4)] * 4), sets=st.integers(1, 2))
def test_an_analysis_sees_the_product(sizes: tuple[int, ...], sets: int) -> None:
    """Singular values are those of E, and sub-embeddings are E_i W_{i->j}, though the tables have k columns."""
    torch.manual_seed(1)
    config = model_config("dcnv2", embedding_size=4, sets=sets, field_sizes="+".join(map(str, sizes)))
    model = MultiEmbeddingModel(CARDINALITIES, config).double()
    tables = tables_of_model("m", model.layout, model.state_dict())
    assert [table.sizes for table in tables] == [(k,) * sets for k in sizes]
    for i, (table, wholes) in enumerate(zip(tables, whole_tables(model), strict=True)):
        for m, E in enumerate(wholes):
            stored = np.asarray(table.set(m)[:])
            expected = np.linalg.svd(E.numpy(), compute_uv=False)
            np.testing.assert_allclose(
                np.linalg.svd(stored, compute_uv=False), expected[: min(stored.shape)], atol=1e-12
            )
            W = model.interactions[m].projections()[0].detach()  # type: ignore[operator]
            for j, sub in enumerate(tables.layer(0)[m].sub_embeddings(i, stored)):
                assert sub is not None
                block = W[4 * j : 4 * j + 4, 4 * i : 4 * i + 4]
                np.testing.assert_allclose(sub, (E @ block.T).numpy(), atol=1e-12)


class TestCommand:
    def test_trains_resumes_and_is_analysed(self, collapse: Collapse, tmp_path: Path) -> None:
        sizes = tmp_path / "sizes.yaml"
        fields = [f"f{i}" for i in range(3)]
        rng = np.random.default_rng(0)
        rows = [
            "click,f0,f1,f2",
            *(f"{rng.integers(2)},{rng.integers(5)},{rng.integers(40)},{rng.integers(9)}" for _ in range(900)),
        ]
        (tmp_path / "t.csv").write_text("\n".join(rows))
        code, _, err = collapse("prepare", "table", tmp_path / "t.csv", "-o", tmp_path / "d", "--label", "click")
        assert code == 0, err
        sizes.write_text("f2: 3\nf0: 1\nf1: 6\n# a comment\n")
        words = ["train", "--data", tmp_path / "d", "--out", tmp_path / "r", "--embedding-size", 6, "--epochs", 1]
        code, out, err = collapse(*words, "--field-sizes", sizes, "--batch-size", 64)
        assert code == 0, err
        assert "field_sizes=1+6+3" in out
        tables = load(tmp_path / "r" / "best.pt")
        assert tables.fields == tuple(fields)
        assert [table.sizes for table in tables] == [(1,), (6,), (3,)]
        assert (diagnose(tables)["ia"] <= [1 + 1e-9, 6, 3]).all()
        code, out, err = collapse("train", "--resume", "--out", tmp_path / "r")
        assert (code, "already finished" in out) == (0, True), err
        code, out, err = collapse("analyze", tmp_path / "r" / "best.pt", "--figure", 3, "--out", tmp_path / "p")
        assert code == 0, err
        code, _, err = collapse(*words[:4], tmp_path / "s", *words[5:], "--field-sizes", tmp_path / "t.csv")
        assert (code, "does not map fields to sizes" in err) == (2, True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n", "no size for the field 'b'"),
        ("a: 1\nb: 2\nc: 3\n", "a size for 'c', which is not a field"),
        ("a: 1\nb: 0\n", "Expected `int` >= 1"),
        ("a: 1\nb: x\n", "does not map fields"),
        ("a: 1\na: 2\nb: 3\n", "lists 'a' twice"),
        ("a: &x [1]\nb: *x\n", "uses an alias"),
        ("1: 1\n", "must be in quotes"),
        ("a: !!python/object/apply:os.system [echo]\n", "could not determine a constructor"),
        ("[" * 100_000, "does not map fields"),
        ("", "does not map fields"),
        ("a: 1\nb: 2\n\tc: 3", "does not map fields"),
    ],
)
def test_bad_files(text: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "sizes.yaml"
    path.write_text(text)
    with pytest.raises(CollapseError) as caught:
        read_field_sizes(path, ["a", "b"])
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_json_is_read(tmp_path: Path) -> None:
    (tmp_path / "sizes.json").write_text('{"b": 2, "a": 11}')
    assert read_field_sizes(tmp_path / "sizes.json", ["a", "b"]) == "11+2"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"field_sizes": "1+2"}, "has 2 sizes, but the data set has 4 fields"),
        ({"field_sizes": "1+2+3+99"}, "at most the embedding size, 10, got 99"),
        ({"field_sizes": "1+2+0+4"}, "must be counts joined by +"),
        ({"field_sizes": "1,2"}, "must be counts joined by +"),
    ],
)
def test_bad_settings(settings: dict[str, str], said: str) -> None:
    with pytest.raises(CollapseError) as caught:
        MultiEmbeddingModel(CARDINALITIES, model_config("dcnv2", **settings))
    assert said in str(caught.value)


def test_an_ffm_is_refused() -> None:
    with pytest.raises(CollapseError, match="one embedding per pair of fields"):
        MultiEmbeddingModel(CARDINALITIES, model_config("ffm", field_sizes="1+2+3+4"))


def test_a_long_name_is_readable() -> None:
    assert readable("dcnv2-10,field_sizes=1+22+10") == "DCNv2 SE 10, field_sizes=1 to 22"


def test_a_name_is_parsed_back() -> None:
    config = model_config("dcnv2-10x4", field_sizes="1+2+10")
    assert config.name == "dcnv2-10x4,field_sizes=1+2+10"
    assert model_config(config.name) == config


def test_runs_without_field_sizes_keep_their_names() -> None:
    """The digest of a run from before the setting existed."""
    assert "field_sizes" not in RunConfig().as_dict()["model"]
    assert RunConfig.from_dict(RunConfig().as_dict()) == RunConfig()
    sized = RunConfig(model=model_config("dcnv2-10", field_sizes="1+2"))
    assert RunConfig.from_dict(sized.as_dict()) == sized
