"""Weights at which a treatment takes effect: ``python -m benchmarks.treatments``.

DCNv2 on all flights: regularised as in the text (lambda) and as in the code (factor) with one set, and four
sets with aligned norms, each at several weights and once without. The measures are the mean unitary distance
of the projections and the divergence of norms, both for the first layer (`collapse.interaction_patterns`). A
treatment takes effect if its measure falls below half of the plain model's. The table is Markdown, and
finished runs are kept.
"""

import argparse
from pathlib import Path

import collapse
from collapse.study.study import StudyRun

WEIGHTS = (1e-5, 1e-3, 1e-2, 1e-1)


def run_of(folder: Path, name: str, data: str, epochs: int) -> StudyRun:
    """Train a model, or return the existing run."""
    path = folder / name.replace(",", "-").replace("=", "-")
    run = StudyRun(path) if (path / "manifest.json").exists() else None
    if run is None or not run.finished:
        run = collapse.train(name, data, out=path, epochs=epochs, resume=path.exists())
    return run


def main() -> None:
    """Print one row per weight."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="flights")
    parser.add_argument("--size", type=int, default=40)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("runs/treatments"))
    given = parser.parse_args()
    K, M = given.size, 4
    forms = {
        "regularised, lambda": (f"dcnv2-{K}", "regularised=lambda,penalty_weight"),
        "regularised, factor": (f"dcnv2-{K}", "regularised=factor,penalty_weight"),
        "aligned norms": (f"dcnv2-{K // M}x{M}", "interactions=aligned,alignment_weight"),
    }
    print("| treatment | weight | unitary distance | divergence of norms | validation AUC | test AUC |")
    print("|---|---|---|---|---|---|")
    for form, (model, setting) in forms.items():
        for weight in (None, *WEIGHTS):
            name = model if weight is None else f"{model},{setting}={weight:g}"
            run = run_of(given.out, name, given.data, given.epochs)
            patterns = collapse.interaction_patterns(run.tables)
            cells = (
                form,
                "none" if weight is None else f"{weight:g}",
                f"{patterns['unitary_distance'].mean():.3f}",
                f"{patterns.attrs['divergence']:.4f}",
                f"{run.metrics['validation_auc'].max():.5f}",
                f"{run.test_auc:.5f}",
            )
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
