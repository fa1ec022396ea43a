"""Testing all claims on the runs of a study."""

from dataclasses import replace

from collapse.errors import CollapseError
from collapse.measures.statistics import holm
from collapse.paper.findings import interaction, multi_embedding, spectra, training
from collapse.paper.findings.claim import SIGNIFICANCE, Claim, Finding, Verdict, judge
from collapse.paper.findings.runs import Runs
from collapse.paper.item import PaperStudy

CLAIMS: tuple[Claim, ...] = (*spectra.CLAIMS, *interaction.CLAIMS, *multi_embedding.CLAIMS, *training.CLAIMS)
"""All claims, the paper's in its order, then ours."""


def check_claims(study: PaperStudy) -> list[Finding]:
    """Test the paper's claims on the finished runs of a study, for each of its data sets.

    Of runs that no profile made, only the claims that have runs are tested.

    Returns
    -------
    list of Finding
        One per claim and data set; one for the toy experiment.

    Raises
    ------
    CollapseError
        If a run's files cannot be read.

    Notes
    -----
    The claims are the paper's, and their levels were fixed before these runs. A claim has one number per
    initialisation, and Student's t over at least five. Verdicts are corrected for all claims that were tested in
    the study (Holm), so that the probability of any false verdict is at most 5 %.
    """
    item = study.item("findings")
    found: list[Finding] = []
    for order, (data, name) in enumerate(item.data_names.items()):
        runs = Runs(finder=study.finder, profile=item.profile, data=data)
        found += [
            _measured(each, runs, name if each.of_data else "random rows")
            for each in CLAIMS
            if each.of_data or (order == 0 and not item.profile.is_inferred)
        ]
    if item.profile.is_inferred:
        found = [each for each in found if each.judged is not None]
        if not found:
            raise CollapseError(
                f"{study.folder} has no runs for a claim of the paper: most compare a model at two sizes, or SE "
                "with ME"
            )
    return corrected(found)


def _measured(claim: Claim, runs: Runs, data: str) -> Finding:
    runs.used.clear()
    sample = claim.check(runs)
    if not sample.units:
        return Finding(claim=claim, data=data, verdict=Verdict.CANNOT_TELL)
    treatment = claim.treatment(runs) if claim.treatment is not None else None
    return Finding(
        claim=claim,
        data=data,
        verdict=Verdict.CANNOT_TELL,
        judged=judge(sample, claim.expected),
        initialisations=len(sample.frames),
        units=f"{sample.units} {sample.unit if sample.units > 1 else sample.unit.rstrip('s')}"
        if sample.unit
        else "",
        treatment=treatment,
        note=sample.note,
        runs=tuple(dict.fromkeys(run.path for run in runs.used)),
    )


def corrected(found: list[Finding]) -> list[Finding]:
    """Give every finding its verdict, corrected for the number of tests.

    Parameters
    ----------
    found : list of Finding
        The findings of a study, without verdicts.

    Returns
    -------
    list of Finding
        The findings with `p_adjusted` and verdict. A claim whose treatment did not take is not tested.
    """
    took = [each.treatment is None or each.treatment.took for each in found]
    tested = [each.judged if of else None for each, of in zip(found, took, strict=True)]
    p_values = [float("nan") if each is None else each.p for each in tested]
    return [
        replace(each, verdict=_verdict(each, took=of, p=p), p_adjusted=p)
        for each, of, p in zip(found, took, holm(p_values), strict=True)
    ]


def _verdict(finding: Finding, *, took: bool, p: float) -> Verdict:
    if not took:
        return Verdict.NOT_TAKEN
    if finding.judged is None or not p <= SIGNIFICANCE:
        return Verdict.CANNOT_TELL
    return Verdict.HOLDS if finding.judged.p_holds < finding.judged.p_fails else Verdict.DOES_NOT_HOLD
