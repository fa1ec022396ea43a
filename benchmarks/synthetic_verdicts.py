"""Verdicts on models of known truth: ``python -m benchmarks.synthetic_verdicts``.

It trains a factorization machine, which is the teacher's own interaction, on the synthetic sets, from two
initialisations, and counts the verdicts by the teacher's groups. Free fields use all of their directions;
bound and low ones have use for one (see `Teacher` in collapse/training/data/sources/synthetic/teacher.py).
The table is Markdown. It takes about three minutes on two cores.
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
"""The largest cardinality of which all values are frequent: rare values keep their initial directions."""


def judged(folder: Path) -> pd.DataFrame:
    """Train, and return one row per field: its group, its size and its degree."""
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
    """Print one row per group and size."""
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
