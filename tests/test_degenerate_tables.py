"""Tables with no spectrum, rows or columns of interest: every figure and the report still draw."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import FactoredTables, factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.figures.report.page import Report
from collapse.io.field_maps import ProjectionMaps
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.paper.making import displays
from tests.conftest import Collapse

Table = NDArray[np.float64]
RANDOM = np.random.default_rng(0)
FIELDS, SETS = 2, 2


def normal(D: int, K: int) -> Table:
    return RANDOM.standard_normal((D, K))


# By name: columns of a set, and the table of a field with so many columns.
KINDS: dict[str, tuple[int, Callable[[int, int], Table]]] = {
    "all zero": (4, lambda _, K: np.zeros((9, K))),
    "one zero": (4, lambda i, K: normal(9, K) * (i > 0)),
    "one entry": (1, lambda _, K: normal(1, K)),
    "equal singular values": (4, lambda _, K: np.linalg.qr(normal(9, 9))[0][:, :K]),
    "the smallest numbers": (4, lambda _, K: normal(9, K) * 1e-38),
}
CASES = [("all zero", "random"), ("one zero", "zero"), ("one entry", "random"), ("the smallest numbers", "random")]


def factored(kind: str, maps: str = "random") -> FactoredTables:
    """Return tables of one kind in several sets, with random or zero projections."""
    K, make = KINDS[kind]
    W = np.zeros((FIELDS * K,) * 2) if maps == "zero" else normal(FIELDS * K, FIELDS * K)
    tables = TableSet(
        name=f"{kind} {maps}",
        source="tables",
        tables=tuple(
            EmbeddingTable(field=f"f{i}", E=make(i, K * SETS).astype(np.float32), sizes=(K,) * SETS)
            for i in range(FIELDS)
        ),
        field_maps=tuple(ProjectionMaps(layer=0, set=m, W=W, sizes=(K,) * FIELDS) for m in range(SETS)),
    )
    return factorise(tables, AnalysisSettings())


@pytest.mark.parametrize(
    ("kind", "maps"), [CASES[0], *(pytest.param(*case, marks=pytest.mark.slow) for case in CASES[1:])]
)
def test_all_is_drawn(kind: str, maps: str, tmp_path: Path) -> None:
    """Alone and with other tables, without a warning, and again from the CSV; no sentence contains NaN."""
    one, other = factored(kind, maps), factored("equal singular values")
    for number, display in displays().items():
        if number in ("4", "layers"):  # these need no checkpoint, or what its run recorded
            continue
        for checkpoints in ([one], [one, other])[: 1 if display.takes_one else 2]:
            made = display.from_checkpoints(checkpoints).plot()
            assert "nan" not in made.caption
        csv = made.save(tmp_path)[2] if number in ("1b", "3", "16") else tmp_path / "table.csv"
        made.table.to_csv(csv, index=False)
        assert display.from_csv(csv).plot().axes_
    for checkpoints in ([one], [one, other], [other, one]):
        report = Report(checkpoints=tuple(checkpoints), frames=tuple(map(diagnose_factored, checkpoints)))
        assert not re.search(r"\bnan\b", report.html, re.IGNORECASE)


def test_tables_of_nan_are_named_and_the_one_that_is_whole_is_drawn(tmp_path: Path, collapse: Collapse) -> None:
    path = tmp_path / "tables.npz"
    whole = normal(9, 4).astype(np.float32)
    np.savez(path, bad=np.full((8, 4), np.nan, np.float32), worse=whole * np.inf, whole=whole)
    for words in (["report", path, "-o", tmp_path / "r.html"], ["analyze", path, "--figure", "2"]):
        code, _, err = collapse(*words)
        assert code == 2
        assert "'bad'" in err
        assert "'worse'" in err
    assert "whole" in (tmp_path / "r.html").read_text(encoding="utf-8")


def test_zeros_on_the_command_line(tmp_path: Path, collapse: Collapse) -> None:
    path = tmp_path / "zeros.npz"
    np.savez(path, a=np.zeros((8, 4), np.float32), b=np.zeros((9, 4), np.float32))
    for words in (
        ["report", path, "-o", tmp_path / "r.html"],
        ["analyze", path, "--figure", "1b", "--figure", "2"],
        ["truncate", path],
        ["explain", path, "a"],
    ):
        code, _, err = collapse(*words)
        assert (code, err) == (0, "")
    code, out, _ = collapse("analyze", path, "--json")
    assert code == 0
    assert [each["degree"] for each in json.loads(out)["fields"]] == ["not judged", "not judged"]
