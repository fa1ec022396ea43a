"""Regenerate every figure and table of the paper: ``python figures/regenerate.py [PROFILE [FOLDER]]``.

This is `collapse reproduce` without its options: train the missing runs of a profile, draw everything, write a
page.
"""

import os
import sys
from pathlib import Path

from collapse.paper.catalogue import all_items, runs_of
from collapse.paper.item import record_profile
from collapse.paper.page import write_page
from collapse.paper.profiles import profile_of
from collapse.paper.render import render
from collapse.study.engines import open_executor
from collapse.study.sweep import plan, sweep


def regenerate(profile_name: str = "smoke", study: str | None = None) -> Path:
    """Train, draw and write the page.

    Parameters
    ----------
    profile_name : str
        ``smoke``, ``small``, ``flights`` or ``paper``.
    study : str, optional
        Folder of the study. The default is ``runs/PROFILE``.
    """
    profile, cores = profile_of(profile_name), os.cpu_count() or 1
    folder = Path(study or f"runs/{profile_name}")
    record_profile(folder, profile)
    runs = plan(runs_of(["all"], profile), folder)
    with open_executor("processes", {}, jobs=cores, folder=folder) as executor:
        for found in sweep(runs, executor, at_once=cores, threads=1):
            outcome = found.result["test_auc"] if found.result else found.reason
            sys.stdout.write(f"{found.run.config.label}: {outcome}\n")
    drawn = list(render(folder, all_items(profile), folder / "figures"))
    return write_page(drawn, folder / "figures", profile)


if __name__ == "__main__":
    sys.stdout.write(f"{regenerate(*sys.argv[1:3])}\n")
