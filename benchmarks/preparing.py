"""Preparing a raw file compared with a plain pass in Python: ``python -m benchmarks.preparing``.

Synthetic rows of Criteo's or Avazu's shape are written in the publisher's format and prepared in a separate
process (``table``: Avazu's file as a user's own table). Time and peak memory are also extrapolated to the
published number of rows. The plain pass splits each line, numbers the values of a field with a dictionary,
and counts them, which is the work before the vocabulary is fixed. The output also has the time to draw the
order of an epoch with the published number of training rows, as a fraction of the epoch, and its memory.
"""

import argparse
import itertools
import math
import resource
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path
from typing import Literal

import numpy as np

from collapse.training.data.sources import avazu, criteo
from collapse.training.data.sources.synthetic.raw import write_raw
from collapse.training.data.sources.synthetic.settings import SHAPES, SyntheticSettings
from collapse.training.runs.batches import epoch_order


def plain_pass(path: Path, shape: str, rows: int) -> float:
    """Assign a number to every value with dictionaries, and count the values; return the seconds."""
    separator, skip, first, integers = ("\t", 0, 1, 13) if shape == "criteo" else (",", 1, 2, 0)
    fields = len(criteo.FIELDS if shape == "criteo" else avazu.FIELDS)
    start = time.perf_counter()
    numbers: list[dict[str, int]] = [{} for _ in range(fields)]
    counts: list[list[int]] = [[] for _ in range(fields)]
    ids, labels = array("i"), array("b")
    with path.open() as file:
        for line in itertools.islice(file, skip, rows + skip):
            cells = line.rstrip("\n").split(separator)
            labels.append(int(cells[first - 1]))
            for n, cell in enumerate(cells[first:]):
                value = bucket(cell) if n < integers else cell
                of_field = numbers[n]
                if value not in of_field:
                    of_field[value] = len(of_field)
                    counts[n].append(0)
                number = of_field[value]
                counts[n][number] += 1
                ids.append(number)
    return time.perf_counter() - start


def bucket(cell: str) -> str:
    """Return the bucket of an integer."""
    value = int(cell)
    return str(math.floor(math.log(value) ** 2) if value > 2 else value - 2)


def prepare(path: Path, source: str, out: Path) -> tuple[float, float]:
    """Prepare in a separate process; return the seconds and the peak memory in bytes."""
    words = [sys.executable, "-m", "collapse", "prepare", source, str(path), "-o", str(out)]
    if source == "table":
        words += ["--label", "click", "--drop", "id", "--separator", ","]
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024.0


def main() -> None:
    """Measure one shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", nargs="?", default="criteo", choices=[*SHAPES, "table"])
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--plain-rows", type=int, default=2_000_000, help="the first rows, for the plain pass")
    parser.add_argument("--rate", type=float, default=30_000, help="rows a second of training")
    options = parser.parse_args()
    shape: Literal["criteo", "avazu"] = "criteo" if options.source == "criteo" else "avazu"
    published, plain_rows = SHAPES[shape].rows, min(options.rows, options.plain_rows)
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder) / "train"
        write_raw(SyntheticSettings(shape=shape, rows=options.rows), raw)
        size = raw.stat().st_size
        seconds, memory = prepare(raw, options.source, Path(folder) / "data")
        plain = plain_rows / plain_pass(raw, shape, plain_rows)
    whole, rate = published / options.rows * seconds / 60, options.rows / seconds
    print(f"{options.source}: {options.rows:,} synthetic rows, {size / 1e6:,.0f} MB of text")
    print(f"  prepared in {seconds:.1f} s, {rate:,.0f} rows/s, peak memory {memory / 2**20:,.0f} MiB")
    print(f"  a plain pass over {plain_rows:,} of them {plain:,.0f} rows/s: {rate / plain:.1f} x")
    print(f"  the published {published:,} rows, extrapolated: {whole:.0f} minutes")
    rows = np.arange(int(0.8 * published))
    start = time.perf_counter()
    order = epoch_order(rows, 0, 1)
    drawn = time.perf_counter() - start
    epoch = len(rows) / options.rate
    print(
        f"  an epoch's order of {len(rows):,} rows: {drawn:.1f} s, {drawn / epoch:.2%} of an epoch at "
        f"{options.rate:,.0f} rows/s, {order.nbytes / 2**20:,.0f} MiB beside the rows' own"
    )


if __name__ == "__main__":
    main()
