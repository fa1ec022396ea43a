"""A small prepared data set: three fields, with a label that depends on two of them."""

from pathlib import Path

import numpy as np
import polars as pl

from collapse.training.data.store.encoding import Encoder
from collapse.training.data.store.writing import new_prepared

FIELDS = {"colour": "", "shape": "", "customer": ""}
CARDINALITIES = (6, 41, 301)


def write_small_data(path: Path, *, rows: int = 3000, seed: int = 0, name: str = "small") -> Path:
    """Prepare rows of three fields with cardinalities 5, 40 and 300, and an unused row for unknown values."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(0, [5, 40, 300], size=(rows, 3))
    ids[:300] = np.arange(300)[:, None] % [5, 40, 300]
    labels = generator.random(rows) < 0.2 + 0.5 * ((ids[:, 0] + ids[:, 1]) % 2)
    block = pl.DataFrame({field: ids[:, n].astype(str) for n, field in enumerate(FIELDS)})
    with new_prepared(path) as folder:
        encoder = Encoder(folder, FIELDS, min_count=1)
        encoder.add(block, labels)
        encoder.finish(name=name, label="sold", sources=[])
    return path
