"""`collapse analyze` of a table larger than memory, next to a plain sequential read of the same file.

    python -m benchmarks.large_table --gigabytes 20 --folder /tmp

The file is written first (float32, 128 columns) and deleted at the end. Cold means that the page cache was
dropped, which needs the rights of root; without them only the warm figures are printed.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

import click
import numpy as np
import psutil

COLUMNS = 128
_BLOCK = 1 << 24
_READ = 1 << 22


@click.command()
@click.option("--gigabytes", default=20.0)
@click.option("--columns", default=COLUMNS)
@click.option("--dtype", default="float32", type=click.Choice(["float16", "float32", "float64"]))
@click.option("--folder", default=".", type=click.Path(path_type=Path))
def main(gigabytes: float, columns: int, dtype: str, folder: Path) -> None:
    """Print the rates and the memory."""
    path = folder / "large.npy"
    try:
        write(path, int(gigabytes * 1e9) // (columns * np.dtype(dtype).itemsize), columns, dtype)
        size = path.stat().st_size
        print(
            f"{size / 1e9:.1f} GB, {columns} columns, {dtype}; {psutil.virtual_memory().total / 1e9:.0f} GB of "
            "memory"
        )
        for name in ("cold", "warm") if can_drop() else ("warm",):
            prepare(name, path)
            plain = read(path)
            prepare(name, path)
            seconds, resident, anonymous = analyze(path)
            print(
                f"{name}: plain read {size / plain / 1e9:.2f} GB/s ({plain:.1f} s), analyze "
                f"{size / seconds / 1e9:.2f} GB/s "
                f"({seconds:.1f} s), {plain / seconds:.0%} of the read; resident {resident / 1e9:.2f} GB at most, "
                f"of which {anonymous / 1e9:.2f} GB are not pages of the file"
            )
    finally:
        path.unlink(missing_ok=True)


def write(path: Path, rows: int, columns: int, dtype: str) -> None:
    """Write random numbers; one block is repeated."""
    random = np.random.default_rng(0)
    block = random.standard_normal((_BLOCK // columns, columns)).astype(dtype)
    table = np.lib.format.open_memmap(path, "w+", dtype, (rows, columns))
    del table
    with path.open("r+b") as file:
        file.seek(path.stat().st_size - rows * columns * block.itemsize)
        for start in range(0, rows, len(block)):
            file.write(block[: min(len(block), rows - start)].data)
        os.fsync(file.fileno())


def can_drop() -> bool:
    """Return whether the page cache can be dropped."""
    return os.access("/proc/sys/vm/drop_caches", os.W_OK)


def prepare(name: str, path: Path) -> None:
    """Drop the page cache, or read the file once."""
    if name == "cold":
        os.sync()
        Path("/proc/sys/vm/drop_caches").write_text("3")
    else:
        read(path)


def read(path: Path) -> float:
    """Read a file from its beginning to its end, and return the seconds."""
    buffer = bytearray(_READ)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return time.perf_counter() - start


def analyze(path: Path) -> tuple[float, int, int]:
    """Run the command, and return its seconds and its peak resident and anonymous memory."""
    start = time.perf_counter()
    words = [sys.executable, "-m", "collapse", "analyze", str(path), "--json"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as process:
        watched, resident, anonymous = psutil.Process(process.pid), 0, 0
        while process.poll() is None:
            try:
                memory = watched.memory_info()
            except psutil.Error:
                break
            resident, anonymous = max(resident, memory.rss), max(anonymous, memory.rss - memory.shared)
            time.sleep(0.02)
        process.wait()
    return time.perf_counter() - start, resident, anonymous


if __name__ == "__main__":
    main()
