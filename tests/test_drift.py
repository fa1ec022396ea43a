"""Drift between two checkpoints: overlap, the best rotation, moved rows, and the rows that are matched."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes, subspace_angles

from collapse.errors import CollapseError
from collapse.io.readers.row_ids import read_row_ids
from collapse.measures.dimensions import directions_for_energy
from collapse.measures.drift import Drift, drift, drift_state, merge_drift
from tests.conftest import Collapse

Table = np.ndarray[Any, np.dtype[np.float64]]


def tables(seed: int, D: int, K: int, mixed: float) -> tuple[Table, Table]:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((D, K)) * np.arange(K, 0, -1) ** 2
    return A, (1 - mixed) * A + mixed * rng.standard_normal((D, K)) * K


def found(A: Table, B: Table, moved: float = 0.1) -> Drift:
    return drift(drift_state(A, B, moved=moved))


shapes = {"seed": st.integers(0, 99), "D": st.integers(1, 300), "K": st.integers(1, 7), "mixed": st.floats(0, 1)}


@given(**shapes)
def test_it_is_what_whole_matrices_give(seed: int, D: int, K: int, mixed: float) -> None:
    """In float64, with SciPy's Procrustes rotation and subspace angles."""
    A, B = tables(seed, D, K, mixed)
    it = found(A, B)
    Q, _ = orthogonal_procrustes(A, B)
    norm = np.linalg.norm(B)
    assert it.residue == pytest.approx(np.linalg.norm(A @ Q - B) / norm, abs=2e-7)
    assert it.distance == pytest.approx(np.linalg.norm(A - B) / norm, abs=2e-7)
    assert it.norm_change == pytest.approx(norm / np.linalg.norm(A) - 1, abs=1e-12)
    moves = np.linalg.norm(B - A, axis=1) > 0.1 * np.linalg.norm(A, axis=1)
    assert it.moved == pytest.approx(moves.mean(), abs=2 / D if mixed else 0)
    U_A, sigma, Vt_A = np.linalg.svd(A, full_matrices=False)
    U_B, _, Vt_B = np.linalg.svd(B, full_matrices=False)
    k = it.directions
    assert k == directions_for_energy(sigma, fraction=0.9)
    angles = subspace_angles(U_A[:, :k], U_B[:, :k])
    assert it.overlap == pytest.approx((np.cos(angles) ** 2).mean(), abs=1e-6)
    columns = subspace_angles(Vt_A[:k].T, Vt_B[:k].T)
    assert it.overlap_columns == pytest.approx((np.cos(columns) ** 2).mean(), abs=1e-6)
    assert it.overlap_random == min(1, k / D)


@given(**shapes)
def test_a_rotation_of_the_columns_is_no_drift(seed: int, D: int, K: int, mixed: float) -> None:
    """Apart from the places of the columns; a factor is a change of the norm alone."""
    A, B = tables(seed, D, K, mixed)
    Q = np.linalg.qr(np.random.default_rng(seed).standard_normal((K, K)))[0]
    whole, turned = found(A, B), found(A @ Q, B)
    for name in ("overlap", "residue", "norm_change"):
        assert getattr(turned, name) == pytest.approx(getattr(whole, name), abs=1e-6)
    same = found(A, 3 * A @ Q)
    assert same.overlap == pytest.approx(1, abs=1e-9)
    assert same.norm_change == pytest.approx(2)
    assert found(A, A @ Q).residue == pytest.approx(0, abs=1e-6)
    assert found(A, A).moved == 0


@given(**shapes, cut=st.integers(0, 300))
def test_states_of_parts_add_up(seed: int, D: int, K: int, mixed: float, cut: int) -> None:
    A, B = tables(seed, D, K, mixed)
    cut = min(cut, D)
    parts = [drift_state(A[:cut], B[:cut]), drift_state(A[cut:], B[cut:])]
    one, other = drift(merge_drift(parts)), found(A, B)
    for name in ("rows", "directions", "moved"):
        assert getattr(one, name) == getattr(other, name)
    for name in ("overlap", "residue", "distance", "norm_change"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), abs=1e-6)


def test_unrelated_tables_have_the_overlap_of_chance() -> None:
    rng = np.random.default_rng(0)
    it = found(rng.standard_normal((4000, 8)), rng.standard_normal((4000, 8)))
    assert it.overlap == pytest.approx(it.overlap_random, rel=0.5)
    assert it.residue == pytest.approx(np.sqrt(2), abs=0.1)


def test_tables_of_zeros_and_other_columns() -> None:
    A = np.random.default_rng(0).standard_normal((9, 3))
    assert np.isnan(found(np.zeros((9, 3)), A).overlap)
    assert found(np.zeros((9, 3)), A).moved == 1
    assert found(A, np.zeros((9, 3))).norm_change == -1
    wider = found(A, np.hstack([A, np.zeros((9, 2))]))
    assert wider.residue == pytest.approx(0, abs=1e-6)
    assert wider.overlap == pytest.approx(1)
    assert np.isnan(wider.moved)
    with pytest.raises(ValueError, match="row 4 holds NaN"):
        found(A, np.where(np.arange(9)[:, None] == 4, np.nan, A))
    with pytest.raises(ValueError, match="9 and 8 rows"):
        found(A, A[:8])


class TestCommand:
    def written(self, folder: Path) -> tuple[Path, Path, Table]:
        rng = np.random.default_rng(0)
        users, items = rng.standard_normal((60, 4)), rng.standard_normal((50, 4))
        old, new = folder / "old.npz", folder / "new.npz"
        np.savez(old, user_emb=users, item_emb=items)
        np.savez(new, user_emb=users[::-1], item_emb=items + (np.arange(50) < 10)[:, None])
        return new, old, users

    def test_fields_and_picture(self, tmp_path: Path, collapse: Collapse) -> None:
        new, old, _ = self.written(tmp_path)
        words = ("analyze", new, "--against", old)
        code, out, err = collapse(*words, "--figure", "drift", "--out", tmp_path / "p")
        assert code == 0, err
        assert "the median residue of the best rotation" in out
        assert {path.name for path in (tmp_path / "p").iterdir()} == {
            f"figure-drift.{x}" for x in ("png", "pdf", "csv")
        }
        fields = {each["field"]: each for each in json.loads(collapse(*words, "--json")[1])["fields"]}
        assert fields["item_emb"]["drift_moved"] == 0.2
        assert fields["user_emb"]["drift_moved"] == 1
        assert fields["user_emb"]["drift_overlap"] < 0.4
        assert collapse(*words, "--fail-if", "drift_moved > 0.5")[::2] == (1, "drift_moved > 0.5: user_emb\n")
        csv = pd.read_csv(__import__("io").StringIO(collapse(*words, "--csv")[1]))
        assert csv["drift_moved"].tolist() == [1, 0.2]

    def test_rows_are_matched_by_their_ids(self, tmp_path: Path, collapse: Collapse) -> None:
        """The users are in the opposite order, and one is new."""
        new, old, users = self.written(tmp_path)
        np.savez(new, user_emb=np.vstack([users[::-1], np.ones((1, 4))]))
        np.savez(old, user_emb=users)
        names = [f"u{n}" for n in range(60)]
        pd.DataFrame({"field": "user_emb", "row": range(60), "id": names}).to_csv(tmp_path / "old.csv")
        pd.DataFrame({"row": range(61), "id": [*names[::-1], "NA"]}).to_csv(tmp_path / "new.csv")
        words = ("analyze", new, "--against", old, "--json")
        (field,) = json.loads(collapse(*words, "--ids", tmp_path / "new.csv", tmp_path / "old.csv")[1])["fields"]
        assert (field["drift_rows"], field["drift_moved"]) == (60, 0)
        assert field["drift_residue"] == pytest.approx(0, abs=1e-6)
        code, out, _ = collapse(*words[:-1])
        assert (code, "which may be wrong where cardinalities differ: user_emb (60 rows before, 61" in out) == (
            0,
            True,
        )

    def test_what_is_refused(self, tmp_path: Path, collapse: Collapse) -> None:
        new, old, _ = self.written(tmp_path)
        (tmp_path / "a.csv").write_text("field,row,id\nuser_emb,99,a\nitem_emb,0,b\n")
        (tmp_path / "b.csv").write_text("row,count\n1,2\n")
        good = ("analyze", new, "--against", old)
        for words, said in (
            (("analyze", new, "--figure", "drift"), "--figure drift needs --against"),
            (("analyze", new, "--ids", tmp_path / "a.csv", tmp_path / "a.csv"), "--ids needs --against"),
            (("analyze", new, "--fail-if", "drift_moved > 0"), "drift_moved needs --against"),
            ((*good, "--ids", tmp_path / "a.csv", tmp_path / "a.csv"), "an id for row 99 of field 'user_emb'"),
            ((*good, "--ids", tmp_path / "b.csv", tmp_path / "a.csv"), "has no column 'id'"),
            ((*good, "--ids", tmp_path / "c.csv", tmp_path / "a.csv"), "c.csv"),
            ((*good, "--moved", "nan"), "--moved must be at least 0, got nan"),
        ):
            code, _, err = collapse(*words)
            assert (code, said in err) == (2, True), err

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("field,row,id\na,0,x\na,0,y\n", "lists the row '0' of field 'a' twice"),
            ("field,row,id\na,0,x\na,1,x\n", "lists the id 'x' of field 'a' twice"),
            ("field,row,id\na,-1,x\n", "must be a whole number from 0, got '-1'"),
            ("field,row,id\na,x,x\n", "must be a whole number"),
            ("field,row,id\na,1e30,x\n", "must be a whole number"),
            ("field,row,id\na,1.5,x\n", "got '1.5'"),
        ],
    )
    def test_damaged_ids(self, text: str, said: str, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(CollapseError, match=said):
            read_row_ids(tmp_path / "a.csv")
