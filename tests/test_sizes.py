"""The size every field needs: by energy, by rules, by measured losses, and in the forms of libraries."""

import json
import subprocess
import sys
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from collapse import load
from collapse.analysis.size_files import FORMS, Recommended
from collapse.analysis.size_search import ladder, least_sizes, least_within
from collapse.analysis.sizes import RULES, cut_tables, field_spectra
from collapse.analysis.truncation import truncate
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.training.runs.reevaluation import Reevaluator
from tests.conftest import Collapse
from tests.strategies import Known, known_tables


def set_of(E: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]", sizes: tuple[int, ...]) -> TableSet:
    return TableSet(name="a", source="a", tables=(EmbeddingTable(field="f", E=E, sizes=sizes),))


@given(known=known_tables(max_rows=300), energy=st.floats(0.01, 1))
def test_the_size_for_an_energy_is_that_of_truncate(known: Known, energy: float) -> None:
    """With one set. Its bytes are those of the factors."""
    tables = set_of(known.E, (known.E.shape[1],))
    (field,) = field_spectra(tables)
    (cut,) = truncate(tables, energy)
    k = field.size_for_energy(energy)
    assert k == cut.k
    assert field.bytes(k) == cut.bytes_after
    expected = cut.table if k < field.columns else known.E
    found = cut_tables(tables, [field], [k]).get((0, 0), known.E)
    scale = max(float(np.abs(known.E).max()), 1e-300)
    np.testing.assert_allclose(found / scale, expected / scale, atol=2e-5)


def test_a_table_of_few_rows_keeps_its_rank() -> None:
    E = np.random.default_rng(0).standard_normal((3, 10))
    tables = set_of(E, (10,))
    np.testing.assert_allclose(cut_tables(tables, field_spectra(tables), [7])[0, 0], E, atol=1e-12)


def test_sets_share_their_size() -> None:
    """The energy of the k-th directions is summed over the sets."""
    one, two = np.diag([3.0, 1.0, 0.0]), np.diag([1.0, 1.0, 1.0])
    (field,) = field_spectra(set_of(np.hstack([one, two]), (3, 3)))
    np.testing.assert_allclose(field.pooled**2, [10, 2, 1])
    assert [field.size_for_energy(x) for x in (0.7, 0.77, 0.92, 0.93)] == [1, 2, 2, 3]


def test_rules() -> None:
    E = np.random.default_rng(0).standard_normal((1000, 100))
    (field,) = field_spectra(set_of(E, (100,)))
    assert field.size_by_rule(*RULES["1.6 D^0.56"]) == round(1.6 * 1000**0.56) == 77
    assert field.size_by_rule(*RULES["6 D^0.25"]) == round(6 * 1000**0.25) == 34
    (small,) = field_spectra(set_of(E[:, :20], (20,)))
    assert small.size_by_rule(*RULES["6 D^0.25"]) == 20


@given(K=st.integers(1, 60), D=st.integers(1, 10_000))
def test_every_step_saves_bytes(K: int, D: int) -> None:
    def bytes_(k: int) -> int:
        return min(D * K, D * k + k * K) if k < K else D * K

    steps = ladder(K, bytes_)
    assert steps[0] == K
    assert all(bytes_(b) < bytes_(a) and b < a for a, b in pairwise(steps))
    assert D <= K or steps[-1] == 1


@given(
    needed=st.lists(st.integers(1, 20), min_size=1, max_size=6),
    cost=st.lists(st.floats(1e-5, 1e-2), min_size=6, max_size=6),
    tolerance=st.floats(1e-4, 1e-2),
    extra=st.floats(0, 3),
)
def test_the_search(needed: list[int], cost: list[float], tolerance: float, extra: float) -> None:
    """For losses of missing directions, with an interaction of fields that single cuts do not show."""
    columns, tested = [20] * len(needed), 0

    def loss(sizes: tuple[int, ...]) -> float:
        nonlocal tested
        tested += 1
        single = [c * max(n - k, 0) for n, k, c in zip(needed, sizes, cost, strict=False)]
        return sum(single) + extra * (sum(single) - max(single))

    bytes_ = [lambda k: 1000 * k + 20 * k if k < 20 else 20_000] * len(needed)
    sizes = least_sizes(loss, bytes_, columns, tolerance=tolerance)
    assert loss(sizes) <= tolerance
    assert tested < 40 * len(needed) + 20
    for i, k in enumerate(sizes):
        # A direction that is not needed is not kept, apart from the steps of the ladder.
        steps = ladder(20, bytes_[i])
        if k > 1:
            below = steps[steps.index(k) + 1]
            assert loss((*sizes[:i], below, *sizes[i + 1 :])) > tolerance


@given(first=st.integers(0, 9), tolerance=st.floats(0, 1))
def test_bisection(first: int, tolerance: float) -> None:
    candidates: list[tuple[int, ...]] = [(k,) for k in range(10, 0, -1)]
    losses: dict[tuple[int, ...], float] = {
        (k,): tolerance if 10 - k < first else tolerance + 1 for k in range(11)
    }
    assert least_within(losses.__getitem__, candidates, tolerance=tolerance) == (first - 1 if first else None)


@pytest.fixture(scope="module")
def model(trained: dict[str, Path]) -> Path:
    return trained["dcnv2-4"]


class TestCommand:
    def test_without_data(self, collapse: Collapse, model: Path, tmp_path: Path) -> None:
        out = tmp_path / "sizes.yaml"
        code, text, err = collapse("size", model, "--energy", 0.9, "--write", "yaml", "-o", out)
        assert code == 0, err
        tables = load(model)
        assert "for 0.9 of the energy" in text
        assert "energy is not quality" in text
        fields = field_spectra(tables)
        expected = {each.field: each.size_for_energy(0.9) for each in fields}
        assert yaml.safe_load(out.read_text()) == expected

    def test_with_data(self, collapse: Collapse, model: Path, small_data: Path, tmp_path: Path) -> None:
        out = tmp_path / "sizes.json"
        words = ("size", model, "--data", small_data, "--tolerance", 0.01)
        code, text, err = collapse(*words, "--json", "--write", "nvtabular", "-o", out)
        assert code == 0, err
        found = json.loads(text)
        tables = load(model)
        methods = [each["method"] for each in found["compared"]]
        assert methods[0] == "measured losses"
        assert methods[-2:] == list(RULES)
        best = found["compared"][0]
        assert best["validation_auc_change"] >= -0.01
        assert best["within_tolerance"]
        assert best["bytes"] == sum(row["bytes_after"] for row in found["fields"])
        sizes = [best["sizes"][field] for field in tables.fields]
        assert json.loads(out.read_text()) == {
            table.field: [table.cardinality, size] for table, size in zip(tables, sizes, strict=True)
        }
        # The loss is that of the model with the cut tables.
        tester = Reevaluator(model, small_data, "cpu")
        cut = cut_tables(tables, field_spectra(tables), sizes)
        whole, less = (tester.predict(each, split="validation").evaluation.auc for each in ({}, cut))
        assert best["validation_auc_change"] == pytest.approx(less - whole)
        code, text, err = collapse(*words)
        assert code == 0, err
        assert "within 0.01 of the validation AUC" in text
        assert "sizes by" in text

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--energy", "0"], "energy must be greater than 0"),
            (["--write", "yaml"], "--write and -o belong together"),
            (["-o", "a.yaml"], "--write and -o belong together"),
            (["--tolerance", "0"], "--tolerance"),
            (["--tolerance", "nan"], "tolerance must be greater than 0, got nan"),
        ],
    )
    def test_bad_options(self, collapse: Collapse, model: Path, words: list[str], said: str) -> None:
        code, _, err = collapse("size", model, *words)
        assert code == 2
        assert said in err


SIZES = Recommended(columns=10, fields={"user": (50, 4), "item": (40, 10), 'größe, "x"': (9, 1)})


@pytest.mark.parametrize("form", FORMS)
def test_forms_are_text_that_parses(form: str) -> None:
    text = FORMS[form](SIZES)
    content = yaml.safe_load(text) if form in ("yaml", "fuxictr") else json.loads(text)
    expected = {
        "yaml": {"user": 4, "item": 10, 'größe, "x"': 1},
        "nvtabular": {"user": [50, 4], "item": [40, 10], 'größe, "x"': [9, 1]},
    }
    assert content == expected.get(form, content)
    assert len(content["feature_cols"] if form == "fuxictr" else content) == 3


_FUXICTR = """
import sys, yaml, torch
from collections import OrderedDict
from fuxictr.features import FeatureMap
from fuxictr.preprocess import FeatureProcessor
from fuxictr.pytorch.layers import FeatureEmbedding
import polars as pl
cols = yaml.safe_load(open(sys.argv[1]))["feature_cols"]
names = [col["name"] for col in cols]
frame = pl.DataFrame({name: ["a", "b", "c"] * 4 for name in names} | {"y": [0.0, 1.0] * 6})
label = {"name": "y", "dtype": "float"}
processor = FeatureProcessor(feature_cols=cols, label_col=label, dataset_id="x", data_root=sys.argv[2])
processor.fit(processor.preprocess(frame.lazy()), min_categr_count=1)
features = FeatureMap("x", sys.argv[2])
features.load(processor.json_file, {"embedding_dim": 10})
layer = FeatureEmbedding(features, embedding_dim=10)
tables = layer.embedding_layer.embedding_layers
print([tables[name].weight.shape[1] for name in names])
print(layer({name: torch.zeros(2, dtype=torch.long) for name in names}).shape)
"""


_TORCHREC = """
import sys, json, torch
from torchrec import EmbeddingBagCollection, EmbeddingBagConfig, KeyedJaggedTensor
configs = [EmbeddingBagConfig(**each) for each in json.load(open(sys.argv[1]))]
names = ["user", "item", "city"]
ids = KeyedJaggedTensor(keys=names, values=torch.tensor([1, 2, 3]), lengths=torch.ones(3).int())
found = EmbeddingBagCollection(tables=configs)(ids)
print([found[name].shape[1] for name in names])
"""
_NVTABULAR = """
import sys, json
from nvtabular.framework_utils.torch.layers import ConcatenatedEmbeddings
import torch
layer = ConcatenatedEmbeddings({name: tuple(each) for name, each in json.load(open(sys.argv[1])).items()})
print([table.weight.shape[1] for table in layer.embedding_layers])
"""


@pytest.mark.libraries
@pytest.mark.parametrize(("form", "script"), [("torchrec", _TORCHREC), ("nvtabular", _NVTABULAR)])
def test_the_library_takes_the_file(form: str, script: str, tmp_path: Path) -> None:
    """Neither library installs next to this project's versions; their own environment is needed."""
    if find_spec(form) is None:
        pytest.skip(f"{form} is not installed")
    sizes = Recommended(columns=10, fields={"user": (50, 4), "item": (40, 10), "city": (9, 1)})
    (tmp_path / "sizes.json").write_text(FORMS[form](sizes))
    ran = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "sizes.json"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-1] == "[4, 10, 1]"


@pytest.mark.libraries
def test_fuxictr_takes_the_file(tmp_path: Path) -> None:
    """Tables have their sizes, and all embeddings come out with K columns."""
    if find_spec("fuxictr") is None:
        pytest.skip("fuxictr is not installed: `pip install -e '.[libraries]'`")
    sizes = Recommended(columns=10, fields={"user": (50, 4), "item": (40, 10), "city": (9, 1)})
    (tmp_path / "cols.yaml").write_text(FORMS["fuxictr"](sizes))
    (tmp_path / "x").mkdir()
    ran = subprocess.run(
        [sys.executable, "-c", _FUXICTR, tmp_path / "cols.yaml", tmp_path],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines()[-2:] == ["[4, 10, 1]", "torch.Size([2, 3, 10])"]
