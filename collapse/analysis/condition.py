"""Conditions on a field's measures: comparisons and arithmetic of columns, numbers and texts only."""

import ast
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import simpleeval

from collapse.analysis.drift import COLUMNS as DRIFT
from collapse.analysis.verdicts import Cause, Degree
from collapse.errors import CollapseError

LONGEST = 1000
"""Longest condition in characters: longer than anybody types, and short enough to be parsed at once."""
DEEPEST = 30
"""Deepest nesting of a condition, far below Python's own limit."""

_PARTS = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.BinOp,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE,
    ast.Name, ast.Load, ast.Constant,
)  # fmt: skip
_TEXTS = ("field", "degree", "cause", "degree_before")
_NOT_ASKED = ("verdict", "field_before")
_JUDGED = tuple(str(degree) for degree in Degree if degree is not Degree.NOT_JUDGED)


class _Refused(Exception):
    """Reason why a condition is refused."""


def failing(fields: pd.DataFrame, condition: str, *, known: Sequence[str] = ()) -> pd.DataFrame:
    """Return the fields that meet a condition.

    Parameters
    ----------
    fields : pandas.DataFrame
        Result of `diagnose`, optionally with the columns of `with_baseline`.
    condition : str
        Comparisons of columns with numbers and texts, combined by and, or, not and arithmetic:
        ``ia_normalised < 0.3 and cardinality > 100``.
    known : sequence of str
        Names of fields that the condition may mention although they are not in `fields`, such as those of another
        checkpoint.

    Returns
    -------
    pandas.DataFrame
        The rows of these fields, without fields that are not judged. A comparison with a missing number is false.

    Raises
    ------
    CollapseError
        If the condition cannot be parsed, mentions an unknown or missing column, compares a text with something it
        cannot equal, or is not a truth value.
    """
    try:
        tree = _read(condition)
        columns = [str(name) for name in fields.columns if name not in _NOT_ASKED]
        for name in sorted({node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}):
            _check_column(name, columns, fields)
        values = {"field": {*map(str, fields["field"]), *known}, "degree": {*_JUDGED}}
        values |= {"cause": {*map(str, Cause)}, "degree_before": {*_JUDGED, ""}}
        for text, column in _texts(tree):
            if text not in values[column]:
                raise _Refused(f"{column} is never {text!r}{_near(text, values[column])}")
        judged = fields[fields["degree"] != Degree.NOT_JUDGED]
        return judged[[_holds(condition, tree, record) for record in judged.to_dict("records")]]
    except _Refused as why:
        shown = condition if len(condition) <= 200 else f"{condition[:200]}.."
        raise CollapseError(f"--fail-if {shown!r}: {why}") from why.__cause__


def _read(condition: str) -> ast.Expression:
    """Parse a condition, and refuse everything outside the language."""
    if len(condition) > LONGEST:
        raise _Refused(f"it has {len(condition):,} characters, but at most {LONGEST:,} are allowed")
    text = condition.strip()
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        place = max(error.offset or 1, 1)
        raise _Refused(
            f"it cannot be parsed from character {place}, {text[place - 1 :]!r}: {error.msg}"
        ) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise _Refused(f"it cannot be parsed: {error}") from error
    for node, depth in _nodes(tree):
        if depth > DEEPEST:
            raise _Refused(f"it is nested more than {DEEPEST} levels deep")
        if not isinstance(node, _PARTS) or (
            isinstance(node, ast.Constant) and not isinstance(node.value, bool | int | float | str)
        ):
            part = ast.get_source_segment(text, node) or type(node).__name__
            raise _Refused(f"{part!r} is neither a comparison nor arithmetic of columns, numbers and texts")
    return tree


def _nodes(tree: ast.AST) -> Iterator[tuple[ast.AST, int]]:
    """Yield every node with its depth, without recursion."""
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        yield node, depth
        waiting.extend((child, depth + 1) for child in ast.iter_child_nodes(node))


def _check_column(name: str, columns: Sequence[str], fields: pd.DataFrame) -> None:
    if name == "verdict":
        raise _Refused(f"verdict is a sentence: use degree instead, which is one of {', '.join(_JUDGED)}")
    if name not in columns and name.removesuffix("_before").removesuffix("_change") in columns:
        raise _Refused(f"{name} needs a --baseline")
    if name not in columns and name in DRIFT:
        raise _Refused(f"{name} needs --against, an earlier checkpoint")
    if name not in columns:
        raise _Refused(f"{name!r} is not a column{_near(name, columns)}; the columns are {', '.join(columns)}")
    # Columns of the baseline are missing for new fields.
    of_now = name not in _TEXTS and not name.endswith(("_before", "_change"))
    if of_now and len(fields) and fields[name].isna().all():
        raise _Refused(f"{name} is unknown for this checkpoint")


def _near(name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, [each for each in known if each], n=3, cutoff=0.6)
    return f" (did you mean {' or '.join(map(repr, near))}?)" if near else ""


def _texts(tree: ast.Expression) -> Iterator[tuple[str, str]]:
    """Yield every text with the column that it is compared with. Other uses of texts are refused."""
    compared: set[int] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare):
            continue
        for (a, b), sign in zip(pairwise([node.left, *node.comparators]), node.ops, strict=True):
            for text, column in ((a, b), (b, a)):
                if (
                    isinstance(column, ast.Name)
                    and column.id in _TEXTS
                    and not isinstance(sign, ast.Eq | ast.NotEq)
                ):
                    raise _Refused(f"{column.id} is a text, which can only be compared by == or !=")
                if isinstance(text, ast.Constant) and isinstance(text.value, str):
                    if not isinstance(column, ast.Name) or column.id not in _TEXTS:
                        raise _Refused(f"the text {text.value!r} must be compared with {', '.join(_TEXTS)}")
                    compared.add(id(text))
                    yield text.value, column.id
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in compared:
            raise _Refused(f"the text {node.value!r} is not compared with anything")


def _holds(condition: str, tree: ast.Expression, record: Mapping[Any, Any]) -> bool:
    names = {str(name): float("nan") if value is pd.NA else value for name, value in record.items()}
    try:
        found = simpleeval.SimpleEval(names=names, functions={}).eval(condition, previously_parsed=tree.body)
    except (simpleeval.InvalidExpression, TypeError, ValueError, ArithmeticError) as error:
        raise _Refused(f"it cannot be computed: {str(error).splitlines()[0]}") from error
    if not isinstance(found, bool | np.bool_):
        raise _Refused(f"its value is {found!r} instead of true or false: compare it with something")
    return bool(found)
