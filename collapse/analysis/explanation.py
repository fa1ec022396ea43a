"""The explanation of a field, as data and as text."""

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

import pandas as pd

from collapse.analysis.verdicts import LEAST_BELOW
from collapse.printable import name_column, shown_name

_EPOCHS = 8
"""Most epochs of a history that are listed, so that all sections fit on a screen."""
_WITHOUT = {
    "adjusted_without_constant": "without its constant columns",
    "adjusted_centred": "without its mean row",
    "adjusted_without_popularity": "without the direction that follows row counts",
    "adjusted_without_first": "without its first direction",
}
_OVER = {
    "adjusted_trained": "for the rows that training looked up",
    "adjusted_all": "for all rows",
    "adjusted_without_near_zero": "for the rows that are not near zero",
}
_FOLLOWED = {"mean": "a constant", "counts": "row counts", "log_counts": "log row counts"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Explanation:
    """Explanation of one field."""

    field: str
    """Name of the field."""
    diagnosis: Mapping[str, Any]
    """The field's row of `collapse.analysis.diagnosis.diagnose`."""
    columns: int
    """Number of columns of its table, M K."""
    rank: int
    """Its rank among all fields by adjusted abundance, 1 for the most collapsed."""
    fields: int
    """Number of fields."""
    sizes: Mapping[float, int]
    """For each fraction of the energy, the fewest directions that hold it: the size K that the spectrum needs."""
    first_zero: int | None
    """Index of its first row of zeros; None if there is none."""
    directions: pd.DataFrame
    """One row per direction, the strongest first: ``k`` from 1, ``energy`` as a fraction of sum sigma^2, and how
    closely its left singular vector follows columns over the rows, from 0 to 1. ``mean`` is the cosine with the
    vector of ones, ``counts`` and ``log_counts`` those with row counts, if known. For each column of a side table
    it is the correlation, or for texts the multiple correlation, adjusted for the number of values."""
    partners: pd.DataFrame
    """One row per field j that it interacts with, the smallest ``left`` first: ``field``, ``ia`` = IA(E_i^{->j}),
    ``left`` = IA(E_i^{->j}) / IA(E_i), ``of_all`` = the mean of ``left`` over all fields i, and ``ia_normalised``
    of field j itself. Empty if the checkpoint has no field maps."""
    advice: tuple[str, ...]
    """Advice, one sentence each."""
    warning: str
    """A warning about the whole model, for example that it learned nothing; empty if there is none."""
    epoch: int | None
    """Epoch of the checkpoint; None if unknown."""
    history: pd.DataFrame
    """One row per measurement: ``epoch``, ``step``, ``ia``, ``ia_normalised``; empty if the run recorded none."""

    def __repr__(self) -> str:
        return f"<Explanation of {self.field!r}: {self.diagnosis['verdict']}>"

    def __str__(self) -> str:
        return explanation_text(self)

    def _repr_html_(self) -> str:
        return f'<pre style="white-space: pre-wrap">{escape(str(self))}</pre>'


def explanation_text(found: Explanation, partners: int = 5) -> str:
    """Format the explanation of a field as text.

    Parameters
    ----------
    found : Explanation
        Result of `explain`.
    partners : int
        Number of partners to show.

    Returns
    -------
    str
        Several paragraphs.
    """
    of, D, K = found.diagnosis, int(found.diagnosis["cardinality"]), found.columns
    lines = [f"{shown_name(found.field)}: {of['verdict']}"]
    lines += [f"  {found.warning}"] if found.warning else []
    lines += [f"  rank {found.rank} of {found.fields} fields (1 is the most collapsed)"]
    lines += ["", "Rows", f"  {D:,} rows, {K} columns{_trained(of)}", f"  {_zeros(found)}"]
    lines += ["", "Causes", *_causes(of)]
    lines += ["", "Directions", *_directions(found)]
    sizes = ", ".join(f"{fraction:.0%} in {size}" for fraction, size in found.sizes.items())
    lines += ["", "Size", f"  the energy of its {K} columns: {sizes} directions"]
    lines += ["", "Partners", *_partners(found, partners), "", "Since when", *_since(found)]
    lines += ["", "What to do", *(f"  - {each}" for each in found.advice)]
    return "\n".join(lines)


def _trained(of: Any) -> str:
    if pd.isna(of["rows_trained"]):
        return "; how many of them training looked up is unknown (see --row-counts)"
    return f"; training looked up {int(of['rows_trained']):,} of them"


def _zeros(found: Explanation) -> str:
    of = found.diagnosis
    zeros = int(of["rows_zero"])
    where = "" if found.first_zero is None else f" ({'the first is ' * (zeros > 1)}row {found.first_zero})"
    zero = (
        f"{of['near_zero']:.0%} of the measured rows are near zero, {zeros:,} "
        f"{'row is' if zeros == 1 else 'are'} zero{where}"
    )
    if of["rows_untouched"]:
        zero += f"\n  {of['rows_untouched']:,} look untouched by training: they have the norm of an initialisation"
    return zero


def causes_text(of: Any) -> str:
    """Format the adjusted abundance without each possible cause, and of other rows."""
    return ", ".join(f"{value:.2f} {words}" for words, value in _measured(of))


def _causes(of: Any) -> list[str]:
    known = _measured(of)
    return [f"  adjusted abundance {value:5.2f} {words}" for words, value in known] or ["  not known"]


def _measured(of: Any) -> list[tuple[str, float]]:
    lines = [("for the whole table", of["ia_adjusted"])]
    lines += [(words, of[column]) for column, words in _WITHOUT.items()]
    if 1 - of["first_share"] < LEAST_BELOW:
        lines[-1] = (f"{lines[-1][0]}, which leaves almost nothing", lines[-1][1])
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
    head = "  fraction of the energy, and similarity to known columns over the rows, from 0 to 1"
    return [head, *(f"  {line}" for line in lines)]


def _partners(found: Explanation, partners: int) -> list[str]:
    if found.partners.empty:
        return [
            "  unknown: this file has no interaction weights",
            "  pass the whole state dict of a DCNv2 or an FFM, with --fields if one table holds all fields",
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
        return ["  unknown: there is no abundance.csv next to the checkpoint (`collapse train` writes one)"]
    count = len(found.history)
    step = -(-count // _EPOCHS)
    shown = found.history.iloc[sorted({*range(0, count, step), count - 1})]
    return [
        f"  epoch {epoch:3.0f}: IA {ia:6.2f}, {fraction:4.0%} of random"
        + ("  (this checkpoint)" if epoch == found.epoch else "")
        for epoch, ia, fraction in shown[["epoch", "ia", "ia_normalised"]].to_numpy(float)
    ]
