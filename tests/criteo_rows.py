"""Small files in the format of Criteo's train.txt."""

from pathlib import Path

import numpy as np


def criteo_line(label: str = "0", **cells: str) -> str:
    """Return a line without its end: all cells are empty except the label and those given by name (I1=, C26=)."""
    names = [*(f"I{i}" for i in range(1, 14)), *(f"C{i}" for i in range(1, 27))]
    assert set(cells) <= set(names)
    return "\t".join([label, *(cells.get(name, "") for name in names)])


def write_criteo(path: Path, *, rows: int = 300, seed: int = 0) -> Path:
    """Write random rows: the label depends on I1 and C1, and a tenth of the cells are empty."""
    generator = np.random.default_rng(seed)
    integers = generator.integers(-2, 60, size=(rows, 13))
    categories = generator.integers(0, 4 + 3 * np.arange(26), size=(rows, 26))
    labels = generator.random(rows) < 0.2 + 0.5 * ((integers[:, 0] + categories[:, 0]) % 2)
    cells = np.concatenate([integers.astype("U8"), np.char.mod("%08x", categories)], axis=1)
    cells[generator.random(cells.shape) < 0.1] = ""
    lines = np.concatenate([labels[:, None].astype(int).astype("U8"), cells], axis=1)
    path.write_text("".join("\t".join(line) + "\n" for line in lines))
    return path
