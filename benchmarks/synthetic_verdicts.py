"""Verdicts on models whose truth is known: ``python -m benchmarks.synthetic_verdicts``.

Trains a factorization machine, the teacher's own interaction, on the synthetic sets, from two initialisations, and
counts the verdicts by the teacher's groups: free fields use all of their directions, bound and low ones have a use
for one (`Teacher` of collapse/training/data/sources/synthetic/teacher.py). Printed as Markdown. About three
minutes on two cores.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

import collapse
from collapse.analysis.verdicts import Degree
from collapse.training.data.load import load_data

DATA = ("synthetic-criteo:0.01", "synthetic-avazu:0.01")
SEEDS, EPOCHS = (0, 1), 12
OFTEN = 60
"""The cardinality up to which all values are seen often: rare ones keep the directions that they started with."""


def judged(folder: Path) -> pd.DataFrame:
    """Train, and return a row per field: its group, its size and its degree."""
    frames = []
    for data in DATA:
        groups = load_data(data).manifest["teacher"]["groups"]
        for seed in SEEDS:
            run = collapse.train("fm", data, out=folder / f"{data}-{seed}", epochs=EPOCHS, initialisation=seed)
            fields = collapse.diagnose(run.checkpoint)
            size = (fields["cardinality"] <= OFTEN).map({True: f"up to {OFTEN} values", False: "more"})
            frames.append(
                pd.DataFrame({"group": fields["field"].map(groups), "size": size, "degree": fields["degree"]})
            )
    return pd.concat(frames)


def main() -> None:
    """Print a row per group and size."""
    with TemporaryDirectory() as folder:
        found = judged(Path(folder))
    degrees = [str(each) for each in Degree if (found["degree"] == each).any()]
    table = pd.crosstab([found["size"], found["group"]], found["degree"]).reindex(columns=degrees)
    print(f"| fields | group | {' | '.join(degrees)} |")
    print("|---|---|" + "---|" * len(degrees))
    for row in table.sort_index(ascending=[False, True]).reset_index().to_dict("records"):
        print(f"| {' | '.join(str(row[name]) for name in ('size', 'group', *degrees))} |")


if __name__ == "__main__":
    main()
