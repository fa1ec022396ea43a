"""``collapse prepare`` from the command line."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from collapse.cli.prepare import command
from collapse.training.data.catalogue import load_data
from collapse.training.data.prepared import open_prepared
from tests.criteo_rows import write_criteo

ROOT = Path(__file__).parents[1]
CALL = "from collapse.cli import main; main()"


def collapse(*arguments: str | Path, largest_file: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``collapse`` in a process of its own, if wanted with a limit on the size of files in bytes."""
    limit = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file},) * 2); "
    return subprocess.run(
        [sys.executable, "-c", (limit if largest_file else "") + CALL, *map(str, arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_criteo_from_raw_file_to_summary(tmp_path: Path) -> None:
    source = write_criteo(tmp_path / "train.txt")
    found = collapse("prepare", "criteo", source, "-o", tmp_path / "data", "--min-count", "5")
    assert (found.returncode, found.stderr) == (0, "")
    data = load_data(tmp_path / "data")
    assert data.manifest["options"] == {"min_count": 5}
    D = data.schema.cardinalities
    assert found.stdout.splitlines() == [
        f"criteo: 300 rows, {data.labels.mean():.1%} positive (the advertisement was clicked)",
        f"39 fields, {sum(D):,} table rows in all, from {min(D)} to {max(D)} a field",
        f"written to {tmp_path / 'data'}",
    ]


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "train.txt").write_text("1\t2\n")
    found = collapse("prepare", "criteo", tmp_path / "train.txt", "-o", tmp_path / "data")
    assert found.returncode == 2
    assert found.stdout == ""
    assert found.stderr == f"Error: {tmp_path / 'train.txt'}, line 1: 2 columns where 40 are expected\n"
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("size", [200, 3000, 20_000])
def test_a_full_disk_leaves_nothing_behind(size: int, tmp_path: Path) -> None:
    source = write_criteo(tmp_path / "train.txt")
    found = collapse("prepare", "criteo", source, "-o", tmp_path / "data", largest_file=size)
    assert found.returncode == 2
    assert found.stderr.startswith(f"Error: cannot write {tmp_path / 'data'}: file too large")
    assert [path.name for path in tmp_path.iterdir()] == ["train.txt"]


def test_flights_and_overwriting(tmp_path: Path) -> None:
    run = CliRunner().invoke
    arguments = ["flights", "-o", str(tmp_path / "data")]
    found = run(command, arguments, catch_exceptions=False)
    assert found.stdout.startswith(
        "flights: 327,346 rows, 23.7% positive (arrives more than 15 minutes late)\n31 fields"
    )
    first = open_prepared(tmp_path / "data").data_hash
    found = run(command, arguments)
    assert "exists already" in str(found.exception)
    assert run(command, [*arguments, "--overwrite", "--min-count", "9"]).exit_code == 0
    assert open_prepared(tmp_path / "data").data_hash != first


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--help"], "criteo"),
        (["criteo", "--help"], "collapse prepare criteo train.txt -o data/criteo"),
        (["flights", "--help"], "collapse prepare flights -o data/flights"),
    ],
)
def test_help_teaches(arguments: list[str], text: str) -> None:
    found = CliRunner().invoke(command, arguments)
    assert found.exit_code == 0
    assert text in found.stdout


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from collapse.cli.prepare import command; "
        "print([name for name in ('numpy', 'polars', 'torch') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "[]\n"
