"""`--fail-if` with `--baseline` fails only on what got worse."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse import diagnose
from collapse.analysis.baseline import check_settings, read_baseline, with_baseline
from collapse.analysis.condition import failing
from collapse.errors import CollapseError
from tests.conftest import Collapse

RANDOM = np.random.default_rng(0)


def table(decades: float) -> Any:
    """Return a table whose singular values fall by a given number of powers of ten."""
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
        (None, [], ["falls", "new"]),
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
    code, _, err = collapse("analyze", now, *words, "--baseline", baseline, "--allow-missing", "^gone$")
    assert code == 1
    compared, failed = err.splitlines()
    assert compared == f"{baseline}: 3 fields compared, 1 new (new), 1 missing (gone)"
    assert failed == f"{condition or f'collapsed further than in {baseline}'}: {', '.join(within)}"
    code, _, err = collapse("analyze", now, *words)
    if without is None:
        assert (code, "--baseline" in err) == (2, True)
    else:
        assert (code, all(name in err for name in without)) == (int(bool(without)), True)


def test_nothing_got_worse(baseline: Path, tmp_path: Path, collapse: Collapse) -> None:
    """The baseline's own checkpoint passes every gate, with its collapsed fields."""
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


def test_a_field_that_is_gone_fails_unless_it_may_be(baseline: Path, tmp_path: Path, collapse: Collapse) -> None:
    now = written(tmp_path / "now.npz", stays_bad=COLLAPSED, falls=SPREAD, dips=SPREAD)
    code, _, err = collapse("analyze", now, "--baseline", baseline)
    assert (code, err.splitlines()[1].endswith(": gone")) == (1, True)
    assert collapse("analyze", now, "--baseline", baseline, "--allow-missing", "g.ne")[0] == 0
    for words, word in (
        (("--baseline", baseline, "--allow-missing", "("), "--allow-missing '('"),
        (("--allow-missing", "gone"), "--baseline"),
    ):
        code, _, err = collapse("analyze", now, *words)
        assert (code, word in err) == (2, True)


def test_no_field_in_common_is_refused(baseline: Path, tmp_path: Path, collapse: Collapse) -> None:
    code, _, err = collapse("analyze", written(tmp_path / "now.npz", other=SPREAD), "--baseline", baseline)
    assert (code, "other" in err, "stays_bad" in err) == (2, True, True)


def test_other_choices_are_refused(baseline: Path, tmp_path: Path, collapse: Collapse) -> None:
    content = json.loads(baseline.read_text())
    content["choices"]["rows"] = "seen"
    (tmp_path / "seen.json").write_text(json.dumps(content))
    code, _, err = collapse("analyze", tmp_path / "old.npz", "--baseline", tmp_path / "seen.json")
    assert (code, "rows seen" in err) == (2, True)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod."])
def test_fields_are_matched_without_the_prefixes_of_wrappers(
    prefix: str, baseline: Path, tmp_path: Path, collapse: Collapse
) -> None:
    tables = dict(np.load(tmp_path / "old.npz"))
    np.savez(tmp_path / "wrapped.npz", **{prefix + name: E for name, E in tables.items()})
    code, _, err = collapse("analyze", tmp_path / "wrapped.npz", "--baseline", baseline)
    assert (code, err) == (0, f"{baseline}: 4 fields compared\n")
    code, out, _ = collapse("analyze", tmp_path / "wrapped.npz", "--against", tmp_path / "old.npz")
    assert (code, "ia_normalised is lower in 0 of 4 fields" in out) == (0, True)


def test_a_comparison_shows_what_one_alone_has(tmp_path: Path, collapse: Collapse) -> None:
    one = written(tmp_path / "one.npz", both=SPREAD, left=SPREAD)
    two = written(tmp_path / "two.npz", both=SPREAD, right=SPREAD)
    out = collapse("analyze", one, "--against", two)[1]
    assert f"only in {one}: left\n" in out
    assert f"only in {two}: right\n" in out


FIELDS = pd.DataFrame(
    {
        "field": ["user", "item", "flag"],
        "degree": ["collapsed", "spread out", "not judged"],
        "cause": ["", "mean row", ""],
        "ia": [1.5, 7.0, 1.0],
        "anisotropy": [0.1, float("nan"), float("nan")],
        "rows_trained": pd.array([pd.NA] * 3, dtype="Int64"),
        "verdict": ["collapsed: ..", "spread out: ..", "not judged: .."],
    }
)


class TestLanguage:
    @pytest.mark.parametrize(
        ("condition", "hits"),
        [
            ("ia < 2", ["user"]),
            ("ia * 2 - 1 >= 2 or degree == 'collapsed'", ["user", "item"]),
            ("not (degree == 'spread out') and -ia < 0", ["user"]),
            ("'item' == field", ["item"]),
            ("1 < ia <= 7", ["user", "item"]),
            ("cause == 'mean row' or cause == 'popularity'", ["item"]),
            ("anisotropy < 1", ["user"]),
            ("anisotropy != anisotropy", ["item"]),
            ("field != degree", ["user", "item"]),
        ],
    )
    def test_what_holds(self, condition: str, hits: list[str]) -> None:
        """A field that is not judged never fails, and comparisons with missing numbers are false."""
        assert failing(FIELDS, condition)["field"].tolist() == hits

    @pytest.mark.parametrize(
        ("condition", "word"),
        [
            ("verdict == 'collapsed'", "use degree"),
            ("degree == 'colapsed'", "'collapsed'"),
            ("degree == 'not judged'", "not judged"),
            ("cause == 'mean'", "'mean row'"),
            ("field == 'users'", "'user'"),
            ("degree < 'd'", "=="),
            ("field < 3", "field"),
            ("ia == 'user'", "'user'"),
            ("ia < 'a' + 'b'", "'a'"),
            ("iaa < 1", "did you mean 'ia'"),
            ("rows_trained < 3", "rows_trained is unknown"),
            ("ia < < 3", "character 6"),
            ("ia", "true"),
            ("1 / 0 < ia", "zero"),
            ("field.center(9999999999) == 'a'", "field.center"),
            ("'%999999999d' % 3 == 'a'", "Mod"),
            ("9 ** 9 ** 9 < ia", "Pow"),
            ("[ia][0] < 1", "[ia]"),
            ("(lambda: 1)() == 1", "lambda"),
            ("f'{ia}' == field", "f'"),
            ("ia < 1j", "1j"),
            ("not " * 100 + "True", "levels"),
            ("ia" + " + ia" * 3000 + " > 1", "characters"),
            ("(" * 300 + "ia" + ")" * 300 + " > 1", ""),
            ("ia\x00 < 1", ""),
            ("", ""),
        ],
    )
    def test_what_is_refused(self, condition: str, word: str) -> None:
        with pytest.raises(CollapseError) as caught:
            failing(FIELDS, condition)
        assert word in str(caught.value)
        assert "\n" not in str(caught.value)

    @given(st.text("iaf<>=!0123 ()'+-*/.andotr", max_size=30))
    def test_whatever_is_typed_is_an_answer_or_a_sentence(self, condition: str) -> None:
        try:
            found = failing(FIELDS, condition)
        except CollapseError as error:
            assert "\n" not in str(error)  # noqa: PT017
        else:
            assert set(found["field"]) <= {"user", "item"}


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=3,
)


@given(place=st.sampled_from(["fields", "choices", "field", "degree", "ia_normalised", "k99", "rows"]), value=JUNK)
def test_a_baseline_that_was_edited_by_hand(
    place: str, value: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """It is read, or refused with a sentence."""
    field = {"field": "a", "degree": "collapsed", "ia_normalised": 0.1, "k99": 3}
    settings = {"rows": "all", "layer": 0}
    content: dict[str, Any] = {"fields": [field], "choices": settings}
    for part in (content, field, settings):
        if place in part:
            part[place] = value
    path = tmp_path_factory.mktemp("edited") / "a.json"
    path.write_text(json.dumps(content))
    try:
        before = read_baseline(path)
    except CollapseError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        now = diagnose({"a": np.eye(9, 4)})
        with suppress(CollapseError):
            check_settings(before, now, path)
        failing(with_baseline(now, before), "ia_normalised_change < 0 or ia < 0")
