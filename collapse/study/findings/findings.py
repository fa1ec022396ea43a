"""Every claim checked on the runs of a study."""

from collections.abc import Iterator
from pathlib import Path

from collapse.study.findings import interaction, multi_embedding, spectra, training
from collapse.study.findings.claim import Claim, Finding, Verdict, judge
from collapse.study.findings.runs import Runs
from collapse.study.item import read_profile
from collapse.training.data.catalogue import load_data

CLAIMS: tuple[Claim, ...] = (*spectra.CLAIMS, *interaction.CLAIMS, *multi_embedding.CLAIMS, *training.CLAIMS)
"""The claims, in the paper's order, then ours."""


def findings(folder: Path) -> Iterator[Finding]:
    """Check the paper's claims on the finished runs of a study, on each of its data sets.

    Parameters
    ----------
    folder : Path
        The study's folder.

    Yields
    ------
    Finding
        A claim and data set each; the toy experiment once.

    Raises
    ------
    CollapseError
        If the folder is no study, or a run's files cannot be read.

    Notes
    -----
    The claims are the paper's and their levels were chosen before these runs; nothing is tuned to them.
    """
    profile = read_profile(folder)
    for order, data in enumerate(profile.data):
        runs = Runs(folder=folder, profile=profile, data=data)
        name = load_data(data).schema.name
        for each in CLAIMS:
            if each.of_data or order == 0:
                yield _found(each, runs, name if each.of_data else "random rows", order)


def _found(claim: Claim, runs: Runs, data: str, order: int) -> Finding:
    sample = claim.check(runs)
    paper = claim.paper(order)
    if not sample.units:
        return Finding(claim=claim, data=data, paper=paper, verdict=Verdict.NOT_ENOUGH)
    effect, n = sample.interval(), len(sample.frames)
    return Finding(
        claim=claim,
        data=data,
        paper=paper,
        verdict=judge(effect, claim.expected, n),
        effect=effect,
        initialisations=n,
        units=f"{sample.units} {sample.unit}" if sample.unit else "",
        note=sample.note,
    )
