"""Tables read in shards by a cluster: the results of one host, with workers that cannot hold the table."""

import mmap
import os
import resource
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import psutil
import pytest
from numpy.typing import NDArray

from collapse import load
from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factorised import FactoredTables, factorise
from collapse.analysis.settings import AnalysisSettings
from collapse.analysis.shards import DaskDecomposer
from collapse.dask_client import results
from collapse.errors import CollapseError
from collapse.io.blocks import is_mapped, release
from collapse.io.readers.selection import Selection
from collapse.io.tables import EmbeddingTable, TableSet
from tests.conftest import Collapse

if TYPE_CHECKING:
    from distributed import Client

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def client() -> "Iterator[Client]":
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def table(rows: int, columns: int, decades: float, scale: float = 1.0) -> NDArray[np.float64]:
    E = np.random.default_rng(rows).normal(size=(rows, columns)) * np.logspace(0, -decades, columns)
    E[3] = 0
    return E * scale


def both(E: NDArray[Any], client: "Client", tmp_path: Path, **given: Any) -> tuple[Any, Any]:
    """Factor a table here and in shards of 4 kB."""
    np.save(tmp_path / "a.npy", E)
    tables = load(tmp_path / "a.npy")
    settings = AnalysisSettings(rows=given.pop("rows", "all"))
    if counts := given.get("counts"):
        (one,) = tables
        counted = EmbeddingTable(field=one.field, E=one.E, sizes=one.sizes, row_counts=np.resize(counts, len(E)))
        tables = TableSet(name="a", source="a", tables=(counted,))
    decomposer = DaskDecomposer(client=client, path=tmp_path / "a.npy", selection=Selection(), shard_bytes=4096)
    assert decomposer.takes(tables.tables[0])
    return factorise(tables, settings), factorise(tables, settings, decomposer=decomposer)


def assert_same(there: FactoredTables, here: FactoredTables) -> None:
    """Compare every measure, and singular values to 1e-12 of the largest."""
    ours, theirs = there.measured[0].sigma, here.measured[0].sigma
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * theirs[0])
    found, expected = diagnose_factored(there), diagnose_factored(here)
    np.testing.assert_allclose(found["ia"], expected["ia"], rtol=1e-12)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("columns", "decades", "scale", "dtype"),
    [
        (1, 0, 1, "f8"),
        (8, 1, 1, "f4"),
        (8, 11, 1, "f8"),
        (5, 2, 1e200, "f8"),
        (5, 2, 1e-200, "f8"),
        (12, 0, 0, "f4"),
    ],
)
def test_the_numbers_of_one_host(
    columns: int, decades: float, scale: float, dtype: str, client: "Client", tmp_path: Path
) -> None:
    """Including tables whose squares overflow, deep spectra, and a table of zeros."""
    here, there = both(table(3000, columns, decades, scale).astype(dtype), client, tmp_path)
    assert_same(there, here)


@pytest.mark.parametrize("rows", ["trained", "frequency"])
def test_weights(rows: str, client: "Client", tmp_path: Path) -> None:
    """Including shards without a single counted row."""
    counts = [*[0] * 1500, 1, 0, 5, 2]
    here, there = both(table(3008, 6, 1), client, tmp_path, rows=rows, counts=counts)
    assert_same(there, here)


def test_a_row_that_is_not_finite_is_named(client: "Client", tmp_path: Path) -> None:
    E = table(3000, 6, 1)
    E[2345, 3] = np.nan
    np.save(tmp_path / "a.npy", E)
    decomposer = DaskDecomposer(client=client, path=tmp_path / "a.npy", selection=Selection(), shard_bytes=4096)
    with pytest.raises(CollapseError, match="row 2345"):
        factorise(load(tmp_path / "a.npy"), AnalysisSettings(), decomposer=decomposer)


@pytest.fixture
def one_worker() -> "Iterator[Client]":
    """Return the client of a worker process that is limited to 300 MB, and killed above that."""
    import dask
    from distributed import Client, LocalCluster

    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="300MB", dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def test_a_table_larger_than_a_workers_memory(tmp_path: Path, one_worker: "Client") -> None:
    """A worker reads a piece of its 480 MB at a time, and releases the pages afterwards."""
    E = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.float32, shape=(10_000_000, 12))
    random = np.random.default_rng(0)
    for start in range(0, len(E), 1_000_000):
        E[start : start + 1_000_000] = random.random((1_000_000, 12), np.float32)
    tables = load(tmp_path / "a.npy")
    before = peak_memory(one_worker)
    decomposer = DaskDecomposer(client=one_worker, path=tmp_path / "a.npy", selection=Selection())
    there = factorise(tables, AnalysisSettings(), decomposer=decomposer).measured[0]
    # A shard of 32 MB that is read piece by piece, and the norms of its rows.
    assert peak_memory(one_worker) - before < 100e6 < E.nbytes
    np.testing.assert_allclose(there.sigma, factorise(tables, AnalysisSettings()).measured[0].sigma, rtol=1e-12)


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTNEED"), reason="this system gives no pages back on request")
def test_pages_are_given_back(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.ones((2_000_000, 4)))
    (one,) = load(tmp_path / "a.npy")
    assert is_mapped(one.E)
    memory = psutil.Process().memory_info
    assert np.asarray(one.E).sum() == 8_000_000
    before = memory().rss
    release(one.E)
    assert before - memory().rss > 60e6
    assert np.asarray(one.E).sum() == 8_000_000


def peak_memory(client: "Client") -> float:
    """Return the peak memory of the worker process in bytes."""
    (used,) = client.run(resource.getrusage, resource.RUSAGE_SELF).values()
    return float(used.ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def test_workers_that_die_of_a_task(one_worker: "Client") -> None:
    futures = [one_worker.submit(os._exit, 1, pure=False)]
    with pytest.raises(CollapseError, match=r"2 workers .* 250 MB"):
        results(one_worker, futures, what="field 'a'", unit="shards", needed=250_000_000)


def test_a_cluster_without_workers(tmp_path: Path) -> None:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        pytest.raises(CollapseError, match=r"no worker .*'a' .* 250 MB"),
    ):
        results(client, [client.submit(int)], what="field 'a'", unit="shards", needed=250_000_000, patience=0.1)


def test_the_command_line(tmp_path: Path, collapse: Collapse) -> None:
    """With a cluster on this machine, and a table longer than a shard."""
    np.save(tmp_path / "a.npy", table(1_500_000, 6, 1).astype(np.float32))
    code, out, err = collapse("analyze", tmp_path / "a.npy", "--csv", "--engine", "dask")
    assert code == 0, err
    here = collapse("analyze", tmp_path / "a.npy", "--csv")[1]
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(out)), pd.read_csv(StringIO(here)), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("spark", "'spark'"), ("dask:tcp://127.0.0.1:1", "tcp://")],
)
def test_engines_that_are_not_there(name: str, sentence: str, tmp_path: Path, collapse: Collapse) -> None:
    np.save(tmp_path / "a.npy", table(30, 6, 1))
    code, _, err = collapse("analyze", tmp_path / "a.npy", "--engine", name)
    assert (code, sentence in err, "Traceback" in err) == (2, True, False)
