"""Table of the paper's claims with the verdicts of a study."""

import math
from collections.abc import Sequence

import pandas as pd

from collapse.figures.study_table import StudyTable
from collapse.paper.findings.checking import check_claims
from collapse.paper.findings.claim import Finding
from collapse.paper.item import Item, PaperStudy


def findings_table(item: Item) -> StudyTable:
    """Test the claims on a study.

    Returns
    -------
    StudyTable
        One row per claim and data set.
    """
    found = check_claims(PaperStudy(item.folder))
    caption = (
        f"{counted(found)}. The effect has a 95 % interval: Student's t over the initialisations with one "
        "number each, for AUC including the error of the test rows. A verdict needs five initialisations "
        "and a p-value of at most 0.05 after Holm's correction over all claims of the study. "
        f"{item.summary}."
    )
    numbers = pd.DataFrame([{**(record := each.as_record()), "runs": "; ".join(record["runs"])} for each in found])
    return StudyTable(name=item.name, numbers=numbers, text=findings_text(found), caption=caption)


def findings_text(found: Sequence[Finding]) -> pd.DataFrame:
    """Return the printed columns of findings, one row each.

    Returns
    -------
    pandas.DataFrame
        ``verdict``, ``claim``, ``data``, ``measured``, ``claimed``, ``p`` (after Holm's correction), ``effect``,
        ``source``, ``over`` (initialisations and units), ``paper`` and ``note``, all as text.
    """
    return pd.DataFrame(
        {
            "verdict": [str(each.verdict) for each in found],
            "claim": [each.claim.statement for each in found],
            "data": [each.data for each in found],
            "measured": [each.measured for each in found],
            "claimed": [str(each.claim.expected) for each in found],
            "p": ["" if math.isnan(each.p_adjusted) else f"{each.p_adjusted:.2g}" for each in found],
            "effect": [each.claim.effect for each in found],
            "source": [each.claim.source for each in found],
            "over": [each.over for each in found],
            "paper": [each.paper for each in found],
            "note": [each.remark for each in found],
        }
    )


def counted(found: Sequence[Finding]) -> str:
    """Count the findings by verdict."""
    count = pd.Series([str(each.verdict) for each in found]).value_counts()
    return ", ".join(f"{verdict}: {n}" for verdict, n in count.items())
