"""What is known of one field, in sentences, and what to do about it."""

from typing import TYPE_CHECKING, Any

import pandas as pd

from collapse.analysis.verdicts import Degree

if TYPE_CHECKING:
    from collapse.analysis.explanation import Explanation

_MANY_ROWS, _PULLS = 0.1, 0.9
_LOOKS = 8
_ABOUT = {
    "constant column": (
        "leave the constant columns out of what you analyse: libraries write columns of ones for biases, and the "
        "rest of the table is spread out"
    ),
    "mean row": (
        "an offset that all rows have needs no remedy where embeddings are multiplied or pass a layer with a "
        "bias; before a search by cosine, subtract the mean row"
    ),
    "first direction": (
        "one direction is stronger than all others, which are spread out: see whether it follows how often a "
        "value occurs; a smaller size or several sets would not change it"
    ),
}


def explanation_text(found: "Explanation", partners: int = 5) -> str:
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
    lines = [f"{found.field}: {of['verdict']}"]
    lines += [f"  number {found.rank} of {found.fields} fields, from the most collapsed"]
    lines += ["", "Rows", f"  {D:,} in its table, of {K} columns{_seen(of)}", f"  {_zeros(found)}"]
    sizes = ", ".join(f"{share:.0%} in {size}" for share, size in found.sizes.items())
    lines += ["", "Size", f"  of {K} columns, its energy is {sizes} directions"]
    lines += ["", "Without one thing", f"  {_without(of)}"]
    lines += ["", "Partners", *_partners(found, partners), "", "Since when", *_since(found)]
    lines += ["", "What to do", *(f"  - {each}" for each in advice(found))]
    return "\n".join(lines)


def _seen(of: Any) -> str:
    return "" if pd.isna(of["rows_trained"]) else f"; {int(of['rows_trained']):,} were looked up in training"


def _without(of: Any) -> str:
    """Say what the adjusted abundance is without each thing that could be the cause."""
    things = {"its mean row": "adjusted_centred", "its first direction": "adjusted_without_first"}
    if of["constant_columns"]:
        things[f"its {of['constant_columns']} constant columns"] = "adjusted_without_constant"
    known = [f"{of[column]:.2f} without {thing}" for thing, column in things.items() if not pd.isna(of[column])]
    return f"adjusted abundance {of['ia_adjusted']:.2f}; {', '.join(known)}" if known else "not known"


def _zeros(found: "Explanation") -> str:
    of = found.diagnosis
    zero = f"{of['rows_zero']:,} of zeros alone" + (
        "" if found.first_zero is None else f", the first is row {found.first_zero}"
    )
    return f"{of['near_zero']:.0%} near zero, {zero}"


def _partners(found: "Explanation", partners: int) -> list[str]:
    if found.partners.empty:
        return ["  not known: the checkpoint has no interaction weights of DCNv2 or FFM"]
    shown = found.partners.head(partners)
    text = shown.assign(
        ia=shown["ia"].map("{:.2f}".format),
        **{name: shown[name].map("{:.0%}".format) for name in ("left", "of_all", "ia_normalised")},
    ).rename(columns={"ia": "IA", "of_all": "of all", "ia_normalised": "its own IA/random"})
    text["field"] = text["field"].str.ljust(text["field"].str.len().max())
    rest = len(found.partners) - len(shown)
    lines = [f"  {line}".rstrip() for line in text.to_string(index=False, justify="left").splitlines()]
    return [*lines, *([f"  and {rest} more that leave more of it"] if rest else [])]


def _since(found: "Explanation") -> list[str]:
    if found.history.empty:
        return ["  not known: no abundance.csv lies beside the checkpoint (`collapse train` writes it)"]
    looks = found.history
    step = max(1, -(-len(looks) // _LOOKS))
    shown = looks.iloc[::step] if (len(looks) - 1) % step == 0 else looks.iloc[[*range(0, len(looks), step), -1]]
    return [
        f"  epoch {epoch:3.0f}: IA {ia:6.2f}, {share:4.0%} of random"
        + ("  (this checkpoint)" if epoch == found.epoch else "")
        for epoch, ia, share in shown[["epoch", "ia", "ia_normalised"]].to_numpy(float)
    ]


def advice(found: "Explanation") -> list[str]:
    """Say what follows from the numbers, a sentence each."""
    of, K = found.diagnosis, found.columns
    is_well = of["degree"] in (Degree.SPREAD, Degree.DOMINATED, Degree.NOT_JUDGED)
    advice = []
    if of["degree"] == Degree.DOMINATED:
        advice.append(_ABOUT[next((each for each in _ABOUT if each in of["verdict"]), "first direction")])
    elif is_well:
        advice.append("nothing has to be done: it is not collapsed")
    if of["cardinality"] < K:
        advice.append(f"its {of['cardinality']} rows cannot fill {K} columns: a smaller size costs it nothing")
    if of["near_zero"] >= _MANY_ROWS:
        advice.append("weight decay has shrunk rows that get no gradient: merge rare values, or drop them")
    pulling = found.partners[found.partners["left"] < _PULLS]
    if len(pulling) and not is_well:
        names = ", ".join(pulling["field"].head(3))
        advice.append(
            f"the interaction with {names} leaves least of it: multi-embedding gives it sets that meet other "
            "fields differently (`collapse train --sets 4`)"
        )
    elif not is_well:
        advice.append("train several sets of a smaller size in place of one (`collapse train --sets 4`)")
    if found.sizes[0.99] < K:
        advice.append(
            f"{found.sizes[0.99]} of {K} directions hold 99 % of it: `collapse truncate` says what the others are "
            "worth"
        )
    return advice
