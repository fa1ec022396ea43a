"""Tables whose shards a cluster reads: the numbers of one host, with workers that could not hold the table."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from distributed import Client, LocalCluster
from numpy.typing import NDArray

from collapse import load
from collapse.analysis.choices import Choices
from collapse.analysis.diagnosis import diagnose_factored
from collapse.analysis.factors import FactoredTables, factorise
from collapse.analysis.readers.roles import Selection
from collapse.analysis.shards import DaskEngine
from collapse.errors import CollapseError
from collapse.tables import EmbeddingTable, TableSet
from tests.conftest import Collapse


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def table(rows: int, columns: int, decades: float, scale: float = 1.0) -> NDArray[np.float64]:
    E = np.random.default_rng(rows).normal(size=(rows, columns)) * np.logspace(0, -decades, columns)
    E[3] = 0
    return E * scale


def both(E: NDArray[Any], client: Client, tmp_path: Path, **given: Any) -> tuple[Any, Any]:
    """Factor a table here and by shards of 4 kB."""
    np.save(tmp_path / "a.npy", E)
    tables = load(tmp_path / "a.npy")
    choices = Choices(rows=given.pop("rows", "all"))
    if counts := given.get("counts"):
        (one,) = tables
        counted = EmbeddingTable(field=one.field, E=one.E, sizes=one.sizes, row_counts=np.resize(counts, len(E)))
        tables = TableSet(name="a", source="a", tables=(counted,))
    engine = DaskEngine(client=client, path=tmp_path / "a.npy", selection=Selection(), shard_bytes=4096)
    assert engine.takes(tables.tables[0])
    return factorise(tables, choices), factorise(tables, choices, engine=engine)


def assert_same(there: FactoredTables, here: FactoredTables) -> None:
    """Compare singular values to 1e-12 of the largest, and every measure."""
    ours, theirs = there.factors[0].sigma, here.factors[0].sigma
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
    columns: int, decades: float, scale: float, dtype: str, client: Client, tmp_path: Path
) -> None:
    """Also where squares overflow, where the spectrum is deep, and of a table of zeros."""
    here, there = both(table(3000, columns, decades, scale).astype(dtype), client, tmp_path)
    assert_same(there, here)


@pytest.mark.parametrize("rows", ["seen", "frequency"])
def test_weights(rows: str, client: Client, tmp_path: Path) -> None:
    """With shards of which no row was seen."""
    counts = [*[0] * 1500, 1, 0, 5, 2]
    here, there = both(table(3008, 6, 1), client, tmp_path, rows=rows, counts=counts)
    assert_same(there, here)


def test_a_row_that_is_not_finite_is_named(client: Client, tmp_path: Path) -> None:
    E = table(3000, 6, 1)
    E[2345, 3] = np.nan
    np.save(tmp_path / "a.npy", E)
    engine = DaskEngine(client=client, path=tmp_path / "a.npy", selection=Selection(), shard_bytes=4096)
    with pytest.raises(CollapseError, match="row 2345 holds NaN or infinity"):
        factorise(load(tmp_path / "a.npy"), Choices(), engine=engine)


def test_a_table_larger_than_a_workers_memory(tmp_path: Path) -> None:
    """300 MB a worker, 480 MB of table; a worker that takes too much is killed by its nanny."""
    E = np.lib.format.open_memmap(tmp_path / "a.npy", mode="w+", dtype=np.float32, shape=(10_000_000, 12))
    random = np.random.default_rng(0)
    for start in range(0, len(E), 1_000_000):
        E[start : start + 1_000_000] = random.random((1_000_000, 12), np.float32)
    tables = load(tmp_path / "a.npy")
    with (
        LocalCluster(n_workers=1, threads_per_worker=1, memory_limit="300MB", dashboard_address=":0") as cluster,
        Client(cluster) as client,
    ):
        engine = DaskEngine(client=client, path=tmp_path / "a.npy", selection=Selection())
        there = factorise(tables, Choices(), engine=engine).factors[0]
        (worker,) = client.scheduler_info()["workers"].values()
        assert worker["memory_limit"] == 300_000_000 < E.nbytes
    np.testing.assert_allclose(there.sigma, factorise(tables, Choices()).factors[0].sigma, rtol=1e-12)


def test_the_command_line(tmp_path: Path, collapse: Collapse) -> None:
    """With a cluster of its own for this machine; the table is longer than a shard."""
    np.save(tmp_path / "a.npy", table(1_500_000, 6, 1).astype(np.float32))
    code, out, err = collapse("analyze", tmp_path / "a.npy", "--csv", "--engine", "dask")
    assert code == 0, err
    here = collapse("analyze", tmp_path / "a.npy", "--csv")[1]
    pd.testing.assert_frame_equal(pd.read_csv(StringIO(out)), pd.read_csv(StringIO(here)), rtol=1e-9)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [("spark", "there is no engine 'spark'"), ("dask:tcp://127.0.0.1:1", "no Dask scheduler answers at tcp://")],
)
def test_engines_that_are_not_there(name: str, sentence: str, tmp_path: Path, collapse: Collapse) -> None:
    np.save(tmp_path / "a.npy", table(30, 6, 1))
    code, _, err = collapse("analyze", tmp_path / "a.npy", "--engine", name)
    assert (code, sentence in err, "Traceback" in err) == (2, True, False)
