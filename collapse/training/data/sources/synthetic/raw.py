"""Synthetic rows in the raw format of the published data set that they imitate, for tests and benchmarks."""

import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
import polars as pl
from numpy.typing import NDArray

from collapse.files.atomic import atomic_write
from collapse.training.data.sources import avazu, criteo
from collapse.training.data.sources.synthetic.settings import SyntheticSettings
from collapse.training.data.sources.synthetic.teacher import Teacher, drawn_blocks


def write_raw(settings: SyntheticSettings, path: Path) -> None:
    """Write rows as Criteo's ``train.txt`` or Avazu's ``train.csv``, compressed if the name ends in ``.gz``.

    Prepared with a minimum count of 1, the file gives the rows of `prepare_synthetic`. Every value has its own
    text, which in Criteo's integer columns is an integer with its own bucket.

    Parameters
    ----------
    settings : SyntheticSettings
        Settings of the data set.
    path : Path
        The file to write. Its folder must exist.

    Raises
    ------
    CollapseError
        If the file cannot be written.
    """
    with atomic_write(path) as file:
        if path.suffix == ".gz":
            with gzip.GzipFile(fileobj=file, mode="wb", mtime=0, compresslevel=1) as packed:
                _write(settings, packed)
        else:
            _write(settings, file)


def _write(settings: SyntheticSettings, file: IO[bytes] | gzip.GzipFile) -> None:
    teacher = Teacher(settings)
    of_avazu = settings.shape == "avazu"
    names = list(avazu.FIELDS) if of_avazu else list(criteo.FIELDS)
    texts = [_texts(name, int(D)) for name, D in zip(names, teacher.values, strict=True)]
    if of_avazu:
        file.write((",".join(avazu.COLUMNS) + "\n").encode())
    for first, (ids, labels) in _numbered(teacher):
        fields = {name: text.gather(ids[:, n]) for n, (name, text) in enumerate(zip(names, texts, strict=True))}
        key = {"id": np.arange(first, first + len(ids)), "click": labels} if of_avazu else {"label": labels}
        block = pl.DataFrame({**key, **fields})
        file.write(block.write_csv(include_header=False, separator="," if of_avazu else "\t").encode())


def _numbered(teacher: Teacher) -> Iterator[tuple[int, tuple[NDArray[np.int32], NDArray[np.uint8]]]]:
    first = 0
    for block in drawn_blocks(teacher):
        yield first, block
        first += len(block[0])


def _texts(name: str, values: int) -> pl.Series:
    """Return the text of every value of a column."""
    if name in criteo.INTEGERS:
        # 0, 1 and 2 have their own buckets; the first integer of bucket b >= 1 is the smallest above exp(sqrt b).
        return pl.Series([str(k if k < 3 else math.ceil(math.exp(math.sqrt(k - 2)))) for k in range(values)])
    if name == "hour":
        return pl.Series([f"1410{21 + k // 24:02d}{k % 24:02d}" for k in range(values)])
    # Multiplying by an odd factor permutes 32-bit numbers.
    return pl.Series([f"{k * 2_654_435_761 % 2**32:08x}" for k in range(values)])
