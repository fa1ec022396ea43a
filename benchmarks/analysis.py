"""The analysis of a checkpoint of Criteo's shape, part by part: ``python -m benchmarks.analysis``.

The checkpoint has 39 fields with 1.08 million rows in total, log-spaced cardinalities, float32 tables of
random values, and DCNv2's first layer. The plain methods are a float64 SVD per pair of fields for the
heatmap, a float64 basis per set for the angles, and complete random matrices for the baseline. Methods that
would take minutes are measured on a part and extrapolated, and the output says so. ``--whole`` writes such a
checkpoint and times `collapse analyze` on it, including start-up and reading.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.machine import best
from benchmarks.training import FIELDS, TABLE_ROWS, criteo_cardinalities
from collapse.analysis.factorised import factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.sub_embeddings import sub_embedding_abundance
from collapse.io.checkpoint.file import save_checkpoint
from collapse.io.checkpoint.schema import Checkpoint
from collapse.io.field_maps import ProjectionMaps
from collapse.io.tables import EmbeddingTable, TableSet
from collapse.measures.angles import ColumnSpaces
from collapse.measures.random_matrix import random_abundance
from collapse.training.models.model import MultiEmbeddingModel
from collapse.training.models.registry import model_config
from collapse.training.runs.config import RunConfig


def tables(K: int) -> TableSet:
    """Draw a checkpoint of Criteo's shape."""
    generator = np.random.default_rng(0)
    steep = np.geomspace(1, 1e-2, K, dtype=np.float32)
    drawn = tuple(
        EmbeddingTable(field=f"f{i}", E=generator.standard_normal((D, K), dtype=np.float32) * steep, sizes=(K,))
        for i, D in enumerate(criteo_cardinalities())
    )
    W = generator.standard_normal((FIELDS * K, FIELDS * K), dtype=np.float32)
    maps = ProjectionMaps(layer=0, set=0, W=W, sizes=(K,) * FIELDS)
    return TableSet(name=f"dcnv2-{K}", source="drawn", tables=drawn, field_maps=(maps,))


def heatmap(K: int) -> None:
    """Measure all sub-embeddings against one SVD per pair, for a few source fields of each size."""
    drawn = tables(K)
    factored = factorise(drawn, AnalysisSettings())
    ours = best(lambda: sub_embedding_abundance(factored), 3)
    (maps,) = drawn.field_maps
    chosen = range(0, FIELDS, 4)
    plain, rows = 0.0, 0
    for i in chosen:
        A = maps.map(i, 0)
        E = drawn.tables[i].E.astype(np.float64)
        plain += FIELDS * once(partial(decomposed, E, A))
        rows += len(E)
    plain *= drawn_rows(drawn) / rows
    print(
        f"heatmap, K = {K}: {ours * 1e3:.1f} ms; an SVD a pair {plain:.1f} s, extrapolated by rows from "
        f"{len(chosen)} of {FIELDS**2} pairs: {plain / ours:.0f} x"
    )


def decomposed(E: NDArray[np.float64], A: Any) -> NDArray[np.floating]:
    """Decompose one sub-embedding."""
    return np.linalg.svd(E @ A, compute_uv=False)


def drawn_rows(drawn: TableSet) -> int:
    """Return the rows of all tables."""
    return sum(table.cardinality for table in drawn)


def angles(K: int, M: int) -> None:
    """Measure the principal angles of all pairs of M sets against float64 bases of every set."""
    generator = np.random.default_rng(0)
    sets = [generator.standard_normal((190_000, K), dtype=np.float32) for _ in range(M)]

    def plain() -> list[NDArray[np.floating]]:
        bases = [np.linalg.svd(E.astype(np.float64), full_matrices=False)[0] for E in sets]
        return [np.linalg.svd(A.T @ B, compute_uv=False) for m, A in enumerate(bases) for B in bases[:m]]

    def ours() -> list[NDArray[np.floating]]:
        spaces = ColumnSpaces(sets)
        return [spaces.cosines(m, n) for m in range(M) for n in range(m)]

    seconds = best(ours, 3)
    usual = once(plain)
    error = max(np.abs(a - b).max() for a, b in zip(ours(), plain(), strict=True))
    print(
        f"angles of {M} sets of 190,000 x {K}: {seconds * 1e3:.0f} ms, float64 SVDs {usual * 1e3:.0f} ms: "
        f"{usual / seconds:.1f} x; cosines differ by {error:.0e}"
    )


def baseline(K: int) -> None:
    """Measure the random baseline of all fields, against plain draws of the largest."""

    def ours() -> None:
        random_abundance.cache_clear()
        for D in criteo_cardinalities():
            random_abundance(D, K)

    seconds = best(ours, 3)
    generator = np.random.default_rng(0)
    D = 190_000
    plain = 64 * once(lambda: np.linalg.svd(generator.standard_normal((D, K)), compute_uv=False)) * TABLE_ROWS / D
    print(
        f"random baseline of {FIELDS} fields, K = {K}: {seconds * 1e3:.0f} ms; 64 plain draws each {plain:.0f} s, "
        f"extrapolated by rows from one: {plain / seconds:.0f} x"
    )


def whole(K: int) -> None:
    """Time `collapse analyze` on a file in a separate process."""
    sizes = criteo_cardinalities()
    config = RunConfig(model=model_config(f"dcnv2-{K}"))
    model = MultiEmbeddingModel(sizes, config.model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "best.pt"
        save_checkpoint(
            path,
            Checkpoint(
                name=config.model.name,
                config=config.as_dict(),
                fields=tuple(f"f{i}" for i in range(FIELDS)),
                cardinalities=tuple(sizes),
                row_counts=torch.ones(sum(sizes), dtype=torch.int64),
                layout=model.layout,
                state_dict=model.state_dict(),
                data={"name": "criteo-shaped"},
                results={"epoch": 0},
                versions={},
            ),
        )
        words = [sys.executable, "-m", "collapse", "analyze", str(path), "--timing"]
        runs = [run(words) for _ in range(3)]
    seconds, laps = min(runs)
    tables_of = f"{4 * K * TABLE_ROWS / 1e6:.0f} MB of tables"
    print(f"collapse analyze of a Criteo-shaped DCNv2-{K}, {tables_of}: {seconds:.2f} s")
    print(laps)


def run(words: list[str]) -> tuple[float, str]:
    """Return the seconds of a command and its own timings."""
    start = time.perf_counter()
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    return time.perf_counter() - start, done.stderr


def once(work: Callable[[], object]) -> float:
    """Return the seconds of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Run the selected measurements."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--columns", type=int, default=10)
    parser.add_argument("--whole", action="store_true")
    options = parser.parse_args()
    if options.whole:
        whole(options.columns)
        return
    heatmap(options.columns)
    angles(options.columns, 10)
    baseline(options.columns)


if __name__ == "__main__":
    main()
