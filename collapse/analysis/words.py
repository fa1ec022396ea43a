"""Sentences about the diagnosis of a whole checkpoint."""

from collections.abc import Sequence

import pandas as pd

from collapse.analysis.factorised import FactoredTables
from collapse.io.tables import TableSet
from collapse.printable import clipped, one_line

_MORE_IS_WORSE = ("near_zero", "first_share", "anisotropy", "noise")
_LISTED = 8
_FEW = 3
"""Skipped tensors that are always listed."""
_PLAINLY_NONE = ("(its name does not suggest a table)", "(1-dimensional)", "(0-dimensional)")


def worst_first(fields: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Sort by the first measure, or by adjusted abundance; fields that are not judged come last."""
    by = measures[0] if measures else "ia_adjusted"
    order = fields.sort_values(by, kind="stable", ascending=by not in _MORE_IS_WORSE)
    return pd.concat([order[order["degree"] != "not judged"], order[order["degree"] == "not judged"]])


def heading(factored: FactoredTables) -> tuple[str, str]:
    """Return a line that names the checkpoint, and one with the settings of its numbers."""
    tables, settings = factored.tables, factored.settings
    described = ", ".join(f"{key} {value}" for key, value in tables.description.items())
    size = " to ".join(str(each) for each in dict.fromkeys((tables.sizes[0], tables.sizes[-1])))
    shape = f"K = {size}" + (f", {tables.sets} sets side by side" if tables.sets > 1 else "")
    return (
        clipped(f"{tables.source}: {tables.name}, {shape} ({described})", 500),
        one_line(
            f"{rows_text(factored)}; {'centred' if settings.centred else 'not centred'}; random tables: "
            f"{settings.draws} draws, seed {settings.seed}; near 0: norm below {settings.near_zero:g} of the "
            "largest"
        ),
    )


def rows_text(factored: FactoredTables) -> str:
    """Return which rows were measured, and how many were left out."""
    rows = factored.settings.rows
    if rows == "frequency":
        return "rows weighted by how often training looked them up"
    if rows == "all":
        return "all rows"
    known = [table for table in factored if table.rows_trained is not None]
    if not known:
        return "all rows (which were trained is unknown; see --row-counts)"
    every = sum(table.cardinality for table in known)
    left_out = every - sum(table.rows for table in known)
    text = f"trained rows ({left_out:,} of {every:,} rows were never looked up and are left out)"
    unknown = [table.field for table in factored if table.rows_trained is None]
    return text + (f"; all rows of {', '.join(unknown[:_LISTED])}, where this is unknown" if unknown else "")


def remarks(factored: FactoredTables, *, verbose: bool = False) -> list[str]:
    """Return remarks on a foreign file: what it does not say, which rows are zero, and what was skipped.

    Parameters
    ----------
    factored : FactoredTables
        The checkpoint.
    verbose : bool
        List everything that was skipped. Otherwise only what could have been a table is listed, and the rest is
        counted.
    """
    tables = factored.tables
    lines = [f"note: {note}" for note in tables.notes]
    if untouched := untouched_text(factored):
        rest = f" and {len(untouched) - _LISTED} more" if len(untouched) > _LISTED else ""
        lines.append(
            "rows that look untouched by training, judging by their norms: "
            f"{', '.join(untouched[:_LISTED])}{rest}; --row-counts leaves out rows that were never looked up"
        )
    if zero := zero_rows(factored):
        rest = f" and {len(zero) - _LISTED} more" if len(zero) > _LISTED else ""
        lines.append(f"rows of zeros (padding, or never trained): {', '.join(zero[:_LISTED])}{rest}")
    return [*lines, *_skipped(tables.skipped, verbose=verbose)]


def _skipped(skipped: Sequence[str], *, verbose: bool) -> list[str]:
    if verbose or len(skipped) <= _FEW:
        return [f"skipped: {each}" for each in skipped]
    shown = [each for each in skipped if not each.endswith(_PLAINLY_NONE)][:_LISTED]
    lines = [f"skipped: {each}" for each in shown]
    if more := len(skipped) - len(shown):
        lines.append(f"skipped: {more} {'more ' if shown else ''}tensors or parts (--verbose lists them)")
    return lines


def untouched_text(factored: FactoredTables) -> list[str]:
    """Return the fields with rows that have the norm of an initialisation while others have not."""
    return [
        f"{table.field} ({table.of_rows.untouched:,} of {table.rows:,} rows)"
        for table in factored
        if table.of_rows.untouched
    ]


def zero_rows(factored: FactoredTables) -> list[str]:
    """Return the fields with rows of zeros, and which row or how many."""
    return [
        f"{table.field} ({f'row {of_rows.first_zero}' if of_rows.zero == 1 else f'{of_rows.zero:,} rows'})"
        for table in factored
        if (of_rows := table.of_rows).zero
    ]


_LEARNED, _LEAKED = 0.52, 0.99
"""Validation AUC below which a model has learned almost nothing (chance is 0.5, with an error of 0.02 on a
thousand rows), and above which the label is probably among its fields."""


def model_warning(tables: TableSet) -> str:
    """Return a warning about the whole model: it learned almost nothing, or has seen the label."""
    auc = tables.validation_auc
    if auc is not None and auc < _LEARNED:
        return (
            f"the model learned almost nothing (validation AUC {auc:.3f}), so its tables say little about collapse"
        )
    if auc is not None and auc > _LEAKED:
        return (
            f"the model predicts almost every label (validation AUC {auc:.3f}): check whether a field "
            "contains the label"
        )
    return ""


def summary(fields: pd.DataFrame) -> str:
    """Summarise a diagnosis in two sentences, without the final full stop.

    They say how many fields are collapsed, partly collapsed or dominated, and give the means.
    """
    return ". ".join(sentences(fields))


def sentences(fields: pd.DataFrame) -> tuple[str, str]:
    """Return the two sentences of `summary`."""
    collapsed = fields[fields["degree"] == "collapsed"].sort_values("ia_adjusted", kind="stable")
    count = f"{len(collapsed)} of {len(fields)} fields {'is' if len(collapsed) == 1 else 'are'} collapsed"
    if len(collapsed):
        named = ", ".join(
            f"{clipped(row.field)} (adjusted abundance {row.ia_adjusted:.2f})"  # type: ignore[arg-type]
            for row in collapsed[:3].itertuples()
        )
        count += f": {named}{', ..' if len(collapsed) > 3 else ''}"
    degrees = {"partly collapsed": "partly collapsed", "dominated by one direction": "dominated by one cause"}
    others = [
        f"{number} {words}"
        for degree, words in degrees.items()
        if (number := int((fields["degree"] == degree).sum()))
    ]
    count += f"; {', '.join(others)}" if others else ""
    return (
        count,
        f"Mean IA is {fields['ia'].mean():.2f}, on average {fields['ia_normalised'].mean():.0%} of random",
    )


def next_command(
    factored: FactoredTables, fields: pd.DataFrame, words: Sequence[str] = (), *, otherwise: str = "report"
) -> list[str]:
    """Return the command that explains the worst field, or another command if all are well or not judged."""
    bad = worst_first(fields, ())
    bad = bad[~bad["degree"].isin(["spread out", "not judged"])]
    source = factored.tables.source
    if bad.empty:
        return ["collapse", otherwise, source, *words]
    return ["collapse", "explain", source, str(bad["field"].iloc[0]), *words]
