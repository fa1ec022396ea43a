"""Synthetic data: the teacher agrees with its formula and the manifest, and a model finds the planted ranks."""

import json
import shutil
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special
from sklearn.metrics import roc_auc_score

from collapse.errors import CollapseError
from collapse.training.data import load
from collapse.training.data.load import load_data
from collapse.training.data.sources.synthetic.settings import (
    SHAPES,
    SyntheticSettings,
    log_spaced,
    parse_synthetic,
)
from collapse.training.data.sources.synthetic.teacher import Teacher, prepare_synthetic
from collapse.training.data.store.prepared import verify_prepared
from tests.conftest import Collapse

SMALL = SyntheticSettings(scale=0.001, rows=3000, rank=5, low_rank=2)


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher(SMALL)


def interacts(one: str, other: str) -> bool:
    return (one, other) in {("free", "free"), ("low", "bound"), ("bound", "low")}


def pair_sum(teacher: Teacher, u_BNR: torch.Tensor) -> torch.Tensor:
    """Sum over the interacting pairs, pair by pair."""
    pairs = [(i, j) for i, j in combinations(range(len(teacher.groups)), 2)]
    kept = [(i, j) for i, j in pairs if interacts(teacher.groups[i], teacher.groups[j])]
    return torch.stack([(u_BNR[:, i] * u_BNR[:, j]).sum(1) for i, j in kept]).sum(0)


def looked_up(teacher: Teacher, ids: NDArray[np.int32]) -> torch.Tensor:
    columns = [teacher.table(i)[ids[:, i]] for i in range(len(teacher.groups))]
    return torch.from_numpy(np.stack(columns, axis=1)).double()


def test_the_logit_is_its_formula(teacher: Teacher) -> None:
    ids = teacher.ids(np.random.default_rng(9), 500)
    twin = pair_sum(teacher, looked_up(teacher, ids)).numpy()
    slope, constant = np.polyfit(twin, teacher.logits(ids), 1)
    np.testing.assert_allclose(teacher.logits(ids), slope * twin + constant, atol=1e-4)
    many = teacher.logits(teacher.ids(np.random.default_rng(10), 40_000))
    assert many.std() == pytest.approx(2, rel=0.1)
    assert special.expit(many).mean() == pytest.approx(0.256, abs=0.02)


def test_partners_let_as_many_directions_through_as_the_manifest_says(teacher: Teacher) -> None:
    """The gradient of a field's embedding spans its partners' directions; its own table may have more."""
    u_BNR = looked_up(teacher, teacher.ids(np.random.default_rng(3), 400)).requires_grad_()
    (gradient,) = torch.autograd.grad(pair_sum(teacher, u_BNR).sum(), u_BNR)
    spans = [int(torch.linalg.matrix_rank(gradient[:, i])) for i in range(u_BNR.shape[1])]
    own = [2 if group == "low" else 5 for group in teacher.groups]
    assert teacher.ranks == own
    through = [2 if group == "bound" else 5 for group in teacher.groups]
    assert spans == through
    assert teacher.useful_ranks == [min(pair) for pair in zip(own, through, strict=True)]


def test_values_follow_zipf(teacher: Teacher) -> None:
    ids = teacher.ids(np.random.default_rng(1), 50_000)
    assert ids.min() == 0
    assert (ids.max(axis=0) < teacher.values).all()
    D = teacher.values[-1]
    for k in (0, 1, 5, D // 2):
        assert (ids[:, -1] <= k).mean() == pytest.approx(np.log(k + 2) / np.log(D + 1), abs=0.01)


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_are_the_published_ones(shape: str) -> None:
    of, D = SHAPES[shape], SyntheticSettings(shape=shape).cardinalities  # type: ignore[arg-type]
    assert (len(D), D[0], D[-1]) == (of.fields, of.smallest, of.largest)
    assert sum(D) == pytest.approx(of.total, rel=0.001)
    assert sorted(D) == D
    assert log_spaced(3, smallest=4, largest=100, total=124)[1] == pytest.approx(20, abs=1)


def test_the_same_settings_give_the_same_rows_and_fewer_rows_the_first(tmp_path: Path) -> None:
    one = prepare_synthetic(SMALL, tmp_path / "one")
    two = prepare_synthetic(SMALL, tmp_path / "two")
    fewer = prepare_synthetic(replace(SMALL, rows=100), tmp_path / "fewer")
    other = prepare_synthetic(
        SyntheticSettings(scale=0.001, rows=3000, rank=5, low_rank=2, seed=1), tmp_path / "o"
    )
    assert one.data_hash == two.data_hash != other.data_hash
    np.testing.assert_array_equal(fewer.ids, one.ids[:100])
    np.testing.assert_array_equal(fewer.labels, one.labels[:100])
    verify_prepared(one)


def test_the_data_set_is_the_teachers(tmp_path: Path) -> None:
    settings = SyntheticSettings(scale=0.001, rows=90_000)
    data, teacher = prepare_synthetic(settings, tmp_path / "data"), Teacher(settings)
    assert list(data.schema.cardinalities) == settings.cardinalities
    values = data.ids - 1
    assert (values >= 0).all()
    auc = roc_auc_score(data.labels, teacher.logits(values))
    assert auc == pytest.approx(teacher.best_auc, abs=0.01)
    known = data.manifest["teacher"]
    assert known["best_auc"] == teacher.best_auc
    assert list(known["groups"].values()) == teacher.groups
    assert list(known["useful_rank"].values()) == teacher.useful_ranks
    counts = data.vocabulary().filter(field="F01")["count"].to_list()
    assert counts == np.bincount(data.ids[:, 0], minlength=settings.cardinalities[0]).tolist()


@pytest.mark.slow
def test_a_model_finds_the_bound_fields_in_fewer_directions(
    tmp_path: Path, collapse: Collapse, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among fields with equal tables, those that interact with low-rank ones collapse.

    Only frequent values count, because rarely trained rows keep their initial directions.
    """
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "run"
    code, _, err = collapse(
        "train", "--data", "synthetic-criteo:0.01", "--model", "fm", "--epochs", 6, "--out", folder
    )
    assert code == 0, err
    fields = json.loads(collapse("analyze", folder / "best.pt", "--json")[1])["fields"]
    groups = json.loads(next((tmp_path / "cache").glob("*/manifest.json")).read_text())["teacher"]["groups"]
    mean = {
        group: np.mean(
            [
                row["ia_normalised"]
                for row in fields
                if groups[row["field"]] == group and 8 <= row["cardinality"] < 60
            ]
        )
        for group in ("free", "bound")
    }
    assert mean["bound"] < 0.75 * mean["free"]


@pytest.mark.parametrize("shape", ["criteo", "avazu"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_the_raw_file_holds_the_same_rows(shape: str, ending: str, tmp_path: Path, collapse: Collapse) -> None:
    """Through the publisher's format and back, every value has one id and every row its label."""
    raw = tmp_path / f"train{ending}"
    size = ("--shape", shape, "--scale", "0.001", "--rows", 2000)
    assert collapse("prepare", "synthetic", *size, "--raw", raw, "-o", tmp_path / "drawn")[0] == 0
    assert collapse("prepare", shape, raw, "--min-count", 1, "-o", tmp_path / "read")[0] == 0
    drawn, read = load_data(tmp_path / "drawn"), load_data(tmp_path / "read")
    np.testing.assert_array_equal(read.labels, drawn.labels)
    for n in range(len(drawn.schema.fields)):
        pairs = set(zip(drawn.ids[:, n].tolist(), read.ids[:, n].tolist(), strict=True))
        assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("synthetic-movies", "shape must be 'criteo' or 'avazu', got 'movies'"),
        ("synthetic-criteo:2", "2.0"),
        ("synthetic-criteo:small", "'synthetic-criteo:small'"),
        ("synthetic-criteo:1e-5", "1e-05"),
    ],
)
def test_names_that_are_none(name: str, sentence: str, tmp_path: Path, collapse: Collapse) -> None:
    with pytest.raises(CollapseError, match=sentence):
        parse_synthetic(name)
    code, out, err = collapse("train", "--data", name, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert sentence in err
    assert list(tmp_path.iterdir()) == []


def test_a_large_set_is_told_of_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, collapse: Collapse
) -> None:
    monkeypatch.setenv("COLLAPSE_CACHE", str(tmp_path / "cache"))
    arguments = ("data", "synthetic-criteo:0.001")
    monkeypatch.setattr(load, "LARGE", 1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**6))
    code, _, err = collapse(*arguments)
    assert code == 2
    assert "synthetic-criteo-0.001" in err
    assert "(0.0 GB; set COLLAPSE_CACHE to use another place): only 0.0 GB are free" in err
    assert not list((tmp_path / "cache").glob("synthetic*"))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10**9))
    code, _, err = collapse(*arguments)
    assert code == 0
    assert err.startswith(f"drawing synthetic-criteo-0.001 into {tmp_path / 'cache'}")
    settings = SyntheticSettings(scale=0.001)
    [ids] = (tmp_path / "cache").glob("*/ids.npy")
    assert abs(settings.bytes_on_disk - ids.stat().st_size - settings.drawn_rows) < 200


def test_the_command_line(tmp_path: Path, collapse: Collapse) -> None:
    arguments = ("--shape", "avazu", "--scale", "0.001", "--rows", 500, "--low-rank", 3)
    code, out, err = collapse("prepare", "synthetic", "-o", tmp_path / "data", *arguments)
    assert (code, err) == (0, "")
    assert out.startswith("synthetic-avazu:0.001: 500 rows, ")
    assert "22 fields with cardinalities from 5 to " in out
    code, _, err = collapse("prepare", "synthetic", "-o", tmp_path / "more", *arguments, "--rank", 2)
    assert (code, err) == (2, "Error: low_rank must be at most rank, got 3 and 2\n")
