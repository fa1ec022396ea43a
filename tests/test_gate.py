"""`--fail-if` with `--baseline`: a pipeline fails on what got worse, and on nothing else."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Collapse

RANDOM = np.random.default_rng(0)


def table(decades: float) -> Any:
    """Return a table whose singular values fall by so many powers of ten."""
    U, _ = np.linalg.qr(RANDOM.normal(size=(60, 8)))
    V, _ = np.linalg.qr(RANDOM.normal(size=(8, 8)))
    return U @ np.diag(np.logspace(0, -decades, 8)) @ V


SPREAD, PARTLY, COLLAPSED = 0.1, 1.5, 5.0


def written(path: Path, **decades: float) -> Path:
    np.savez(path, **{name: table(value) for name, value in decades.items()})
    return path


@pytest.fixture
def baseline(tmp_path: Path, collapse: Collapse) -> Path:
    old = written(tmp_path / "old.npz", stays_bad=COLLAPSED, falls=SPREAD, dips=SPREAD, gone=SPREAD)
    (tmp_path / "old.json").write_text(collapse("analyze", old, "--json")[1])
    return tmp_path / "old.json"


NOW = {"stays_bad": COLLAPSED, "falls": COLLAPSED, "dips": 0.3, "new": COLLAPSED}


@pytest.mark.parametrize(
    ("condition", "without", "within"),
    [
        (None, [], ["falls"]),
        ("ia_normalised < 0.3", ["stays_bad", "falls", "new"], ["falls", "new"]),
        ("ia_normalised_change < -0.05", None, ["falls", "dips"]),
        ("ia_normalised < 0.8 * ia_normalised_before", None, ["falls"]),
        ("degree_before == 'spread out' and degree == 'collapsed'", None, ["falls"]),
    ],
)
def test_only_what_got_worse_fails(
    condition: str | None,
    without: list[str] | None,
    within: list[str],
    baseline: Path,
    tmp_path: Path,
    collapse: Collapse,
) -> None:
    now = written(tmp_path / "now.npz", **NOW)
    words = [] if condition is None else ["--fail-if", condition]
    code, _, err = collapse("analyze", now, *words, "--baseline", baseline)
    assert code == 1
    assert err == f"{condition or f'further collapsed than in {baseline}'}: {', '.join(within)}\n"
    code, _, err = collapse("analyze", now, *words)
    if without is None:
        assert (code, "names '" in err) == (2, True)
    else:
        assert (code, all(name in err for name in without)) == (int(bool(without)), True)


def test_nothing_got_worse(baseline: Path, tmp_path: Path, collapse: Collapse) -> None:
    """The checkpoint of the baseline itself passes every gate, collapsed fields and all."""
    words = ("analyze", tmp_path / "old.npz", "--baseline", baseline)
    assert collapse(*words)[0] == 0
    assert collapse(*words, "--fail-if", "ia_normalised < 0.3", "--fail-if", "ia_change < 0")[0] == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "JSON"),
        ("[]", "collapse analyze --json"),
        ('{"fields": [{"field": "a"}]}', "degree"),
        ('{"fields": [{"field": "a", "degree": "x", "ia_normalised": "much"}]}', "report"),
        ('{"fields": []}', "field"),
    ],
)
def test_a_baseline_that_is_none(content: str, sentence: str, tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "a.json").write_text(content)
    code, _, err = collapse("analyze", written(tmp_path / "a.npz", a=1), "--baseline", tmp_path / "a.json")
    assert (code, sentence in err, "Traceback" in err) == (2, True, False), err


def test_a_baseline_of_several(baseline: Path, tmp_path: Path, collapse: Collapse) -> None:
    content = json.loads(baseline.read_text())
    (tmp_path / "a.json").write_text(json.dumps(content | {"fields": content["fields"] * 2}))
    code, _, err = collapse("analyze", tmp_path / "old.npz", "--baseline", tmp_path / "a.json")
    assert (code, "several checkpoints" in err) == (2, True)
