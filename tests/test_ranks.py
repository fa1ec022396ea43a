"""Tables in parts on ranks have the abundance of the whole table, whatever the division."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import collapse
from tests import ranks


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@pytest.mark.cluster
@pytest.mark.parametrize("number", [2, 3])
def test_every_division_on_every_rank(number: int, tmp_path: Path) -> None:
    words = [sys.executable, "-W", "ignore", "-m", "tests.ranks", str(tmp_path), str(free_port()), str(number)]
    ran = subprocess.run(
        words, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    whole = {name: collapse.information_abundance(E) for name, E in ranks.tables().items()}
    for rank in range(number):
        found = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert len(found["tables"]) == 3 * len(whole) + 3
        for name, ia in found["tables"].items():
            assert ia == pytest.approx(whole[name.split()[0]], rel=1e-12), name
        assert found["problems"] == {"bad rows": "row 900 holds NaN or infinity"}
        assert found["fsdp"] == pytest.approx(found["truth"], rel=1e-12)
        assert found["by call"] == ["row-wise"]
        assert (tmp_path / f"rank{rank}.prom").exists() == (rank == 0)
    assert 'collapse_ia{table="long rows"} ' in (tmp_path / "rank0.prom").read_text()
