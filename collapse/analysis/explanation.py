"""What is known of one field, in sentences and small tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from collapse.analysis.verdicts import LEAST_BELOW
from collapse.printable import name_column, shown_name

_EPOCHS = 8
"""Epochs listed of a longer history: a screen holds these and the other sections."""
_WITHOUT = {
    "adjusted_without_constant": "without its constant columns",
    "adjusted_centred": "without its mean row",
    "adjusted_without_popularity": "without the direction that follows row counts",
    "adjusted_without_first": "without its first direction",
}
_OVER = {
    "adjusted_trained": "over the rows that training looked up",
    "adjusted_all": "over all rows",
    "adjusted_without_near_zero": "over the rows that are not near zero",
}
_FOLLOWED = {"mean": "all rows alike", "counts": "row counts", "log_counts": "log row counts"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation:
    """What is known of one field."""

    field: str
    """The field."""
    diagnosis: Mapping[str, Any]
    """Its row of `collapse.analysis.diagnosis.diagnose`."""
    columns: int
    """All columns of its table, M K."""
    rank: int
    """Its place among all fields, from 1 for the most collapsed, by adjusted abundance."""
    fields: int
    """How many fields there are."""
    sizes: Mapping[float, int]
    """By share of the energy, the fewest directions that hold it: the size K at which its spectrum would."""
    first_zero: int | None
    """Its first row of zeros alone; None if there is none."""
    directions: pd.DataFrame
    """One row per direction, the strongest first: ``k`` from 1, ``energy`` its fraction of sum sigma^2, and what
    its left singular vector follows over the rows, from 0 to 1. ``mean`` is its cosine with the vector in which
    all rows are alike, ``counts`` and ``log_counts`` with row counts, where they are known. For each column of a
    side table it is the correlation; for texts the multiple correlation, adjusted for the number of values."""
    partners: pd.DataFrame
    """A row a field j that it meets, the one that leaves least of it first: ``field``, ``ia`` = IA(E_i^{->j}),
    ``left`` = IA(E_i^{->j}) / IA(E_i), ``of_all`` = the mean of that over all fields i, ``ia_normalised`` of field
    j itself. Empty where the checkpoint has no field maps."""
    advice: tuple[str, ...]
    """What to do, a sentence each."""
    warning: str
    """What is to be known of the whole model first, such as that it learned nothing; empty if there is nothing."""
    epoch: int | None
    """The epoch that the checkpoint holds; None if it does not tell."""
    history: pd.DataFrame
    """A row a measurement: ``epoch``, ``step``, ``ia``, ``ia_normalised``; empty where its run kept none."""

    def __repr__(self) -> str:
        return f"<Explanation of {self.field!r}: {self.diagnosis['verdict']}>"

    def __str__(self) -> str:
        return explanation_text(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def explanation_text(found: Explanation, partners: int = 5) -> str:
    """Write what is known of a field as people read it.

    Parameters
    ----------
    found : Explanation
        What `explain` returned.
    partners : int
        How many partners to show.

    Returns
    -------
    str
        Some paragraphs.
    """
    of, D, K = found.diagnosis, int(found.diagnosis["cardinality"]), found.columns
    lines = [f"{shown_name(found.field)}: {of['verdict']}"]
    lines += [f"  {found.warning}"] if found.warning else []
    lines += [f"  number {found.rank} of {found.fields} fields, from the most collapsed"]
    lines += ["", "Rows", f"  {D:,} in its table, of {K} columns{_trained(of)}", f"  {_zeros(found)}"]
    lines += ["", "Causes", *_causes(of)]
    lines += ["", "Directions", *_directions(found)]
    sizes = ", ".join(f"{fraction:.0%} in {size}" for fraction, size in found.sizes.items())
    lines += ["", "Size", f"  of {K} columns, its energy is {sizes} directions"]
    lines += ["", "Partners", *_partners(found, partners), "", "Since when", *_since(found)]
    lines += ["", "What to do", *(f"  - {each}" for each in found.advice)]
    return "\n".join(lines)


def _trained(of: Any) -> str:
    if pd.isna(of["rows_trained"]):
        return "; which of them training looked up is not known (--row-counts)"
    return f"; training looked up {int(of['rows_trained']):,} of them"


def _zeros(found: Explanation) -> str:
    of = found.diagnosis
    zero = f"of those that entered {of['near_zero']:.0%} are near zero, {of['rows_zero']:,} hold zeros alone" + (
        "" if found.first_zero is None else f", the first is row {found.first_zero}"
    )
    if of["rows_untouched"]:
        zero += f"\n  {of['rows_untouched']:,} look untouched by training: they have the norm of an initialisation"
    return zero


def causes_text(of: Any) -> str:
    """Say what the adjusted abundance is without each thing that could be the cause, and over other rows."""
    return ", ".join(f"{value:.2f} {words}" for words, value in _measured(of))


def _causes(of: Any) -> list[str]:
    known = _measured(of)
    return [f"  adjusted abundance {value:5.2f} {words}" for words, value in known] or ["  not known"]


def _measured(of: Any) -> list[tuple[str, float]]:
    lines = [("as it is", of["ia_adjusted"])]
    lines += [(words, of[column]) for column, words in _WITHOUT.items()]
    if 1 - of["first_share"] < LEAST_BELOW:
        lines[-1] = (f"{lines[-1][0]}, which leaves as good as nothing", lines[-1][1])
    as_it_is = f"{of['ia_adjusted']:.2f}"
    lines += [(words, of[column]) for column, words in _OVER.items() if f"{of[column]:.2f}" != as_it_is]
    return [(words, value) for words, value in lines if not pd.isna(value)]


def _directions(found: Explanation) -> list[str]:
    if found.directions.empty:
        return ["  none"]
    shown = found.directions.rename(columns=_FOLLOWED)
    text = pd.DataFrame({"direction": shown["k"], "energy": shown["energy"].map("{:.1%}".format)})
    for name in shown.columns[2:]:
        text[name] = shown[name].map("{:.2f}".format).where(shown[name].notna(), "")
    lines = text.to_string(index=False, col_space=2).split("\n")
    head = "  their energy, and how nearly they follow over the rows (from 0 to 1)"
    return [head, *(f"  {line}" for line in lines)]


def _partners(found: Explanation, partners: int) -> list[str]:
    if found.partners.empty:
        return [
            "  not known: this file has no interaction weights",
            "  pass the whole state dict of a DCNv2 or an FFM, and --fields if its tables are one",
        ]
    shown = found.partners.head(partners)
    text = shown.assign(
        ia=shown["ia"].map("{:.2f}".format),
        **{name: shown[name].map("{:.0%}".format) for name in ("left", "of_all", "ia_normalised")},
    ).rename(columns={"ia": "IA", "of_all": "of all", "ia_normalised": "its own IA/random"})
    text["field"] = name_column(text["field"])
    rest = len(found.partners) - len(shown)
    lines = [f"  {line}".rstrip() for line in text.to_string(index=False, justify="left").split("\n")]
    return [*lines, *([f"  and {rest} more that leave more of it"] if rest else [])]


def _since(found: Explanation) -> list[str]:
    if found.history.empty:
        return ["  not known: no abundance.csv lies next to the checkpoint (`collapse train` writes it)"]
    count = len(found.history)
    step = -(-count // _EPOCHS)
    shown = found.history.iloc[sorted({*range(0, count, step), count - 1})]
    return [
        f"  epoch {epoch:3.0f}: IA {ia:6.2f}, {fraction:4.0%} of random"
        + ("  (this checkpoint)" if epoch == found.epoch else "")
        for epoch, ia, fraction in shown[["epoch", "ia", "ia_normalised"]].to_numpy(float)
    ]
