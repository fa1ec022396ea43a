"""``collapse prepare`` from the command line."""

import subprocess
import sys
from pathlib import Path

import pytest

from collapse.training.data.load import load_data
from collapse.training.data.sources.avazu import COLUMNS
from tests.avazu_rows import avazu_line, write_avazu
from tests.conftest import Collapse
from tests.criteo_rows import write_criteo

ROOT = Path(__file__).parents[1]


def test_criteo_from_raw_file_to_summary(tmp_path: Path, collapse: Collapse) -> None:
    source = write_criteo(tmp_path / "train.txt")
    code, out, err = collapse("prepare", "criteo", source, "-o", tmp_path / "data", "--min-count", 5)
    assert (code, err) == (0, "")
    data = load_data(tmp_path / "data")
    assert data.manifest["options"] == {"min_count": 5, "vocabulary": "all"}
    D = data.schema.cardinalities
    assert out.splitlines() == [
        f"criteo: 300 rows, {data.labels.mean():.1%} positive (the advertisement was clicked)",
        f"39 fields with cardinalities from {min(D)} to {max(D)}, {sum(D):,} in total",
        f"wrote {tmp_path / 'data'}",
        f"next: collapse train --data {tmp_path / 'data'} --out runs/data",
    ]


def test_flights_and_overwriting(tmp_path: Path, collapse: Collapse) -> None:
    arguments = ("prepare", "flights", "-o", tmp_path / "data")
    code, out, err = collapse(*arguments)
    assert (code, err) == (0, "")
    assert out.startswith(
        "flights: 327,346 rows, 23.7% positive (arrives more than 15 minutes late)\n31 fields with "
        "cardinalities from 4 to 3,870, 11,899 in total"
    )
    first = load_data(tmp_path / "data").data_hash
    code, out, err = collapse(*arguments)
    assert (code, out) == (2, "")
    assert "data already exists" in err
    assert collapse(*arguments, "--overwrite", "--min-count", 9)[0] == 0
    assert load_data(tmp_path / "data").data_hash != first


def test_bad_input_is_one_sentence_and_exit_code_2(tmp_path: Path, collapse: Collapse) -> None:
    (tmp_path / "train.txt").write_text("1\t2\n")
    found = collapse("prepare", "criteo", tmp_path / "train.txt", "-o", tmp_path / "data")
    assert found == (2, "", f"Error: {tmp_path / 'train.txt'}, line 1: 2 columns instead of 40\n")
    assert [path.name for path in tmp_path.iterdir()] == ["train.txt"]


@pytest.mark.parametrize("largest_file", [200, 3000, 15_000])
@pytest.mark.parametrize("source", ["criteo", "avazu", "synthetic"])
def test_a_full_disk_leaves_nothing_behind(source: str, largest_file: int, tmp_path: Path) -> None:
    code = (
        "import sys; sys.dont_write_bytecode = True;"  # the limit would cut bytecode short
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({largest_file},) * 2); "
        "from collapse.cli import main; main()"
    )
    raw = {"criteo": write_criteo, "avazu": write_avazu}
    words = [str(raw[source](tmp_path / "train"))] if source in raw else ["--scale", "0.001"]
    before = [path.name for path in tmp_path.iterdir()]
    arguments = ["prepare", source, *words, "-o", str(tmp_path / "data")]
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert found.stderr.startswith(f"Error: cannot write {tmp_path / 'data'}: file too large")
    assert [path.name for path in tmp_path.iterdir()] == before


def test_a_field_with_one_value_is_told(tmp_path: Path, collapse: Collapse) -> None:
    """The hour is the same in the first rows of Avazu's file, whose fields are fixed."""
    source = tmp_path / "train.csv"
    rows = [avazu_line(str(n % 2), site_id=str(n % 3)) for n in range(20)]
    source.write_text("\n".join([",".join(COLUMNS), *rows, ""]))
    code, out, err = collapse("prepare", "avazu", source, "-o", tmp_path / "data")
    assert (code, err) == (0, "")
    told = ", ".join(name for name in COLUMNS[2:] if name != "site_id")
    assert f"fields with the same value in every row, which no model can use: {told}\n" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--help"], "criteo"),
        (["criteo", "--help"], "collapse prepare criteo train.txt -o data/criteo"),
        (["flights", "--help"], "collapse prepare flights -o data/flights"),
        (["table", "--help"], "collapse prepare table log-1.csv.gz log-2.csv.gz --label bought --numeric"),
        (["table", "--help"], "collapse prepare table flights.parquet --label 'delay > 15' --skip-unlabelled"),
    ],
)
def test_help_teaches(arguments: list[str], text: str, collapse: Collapse) -> None:
    code, out, _ = collapse("prepare", *arguments)
    assert code == 0
    assert text in out


def test_help_is_fast_because_nothing_heavy_is_imported() -> None:
    code = (
        "import sys; from collapse.cli.prepare import command; "
        "print([name for name in ('numpy', 'polars', 'torch') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code], cwd=ROOT, text=True) == "[]\n"
