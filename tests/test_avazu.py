"""Avazu's raw file: the values read from it, and the errors for other files."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.errors import CollapseError
from collapse.training.data.sources.avazu import COLUMNS, FIELDS, prepare_avazu
from collapse.training.data.store.prepared import PreparedData
from collapse.training.data.store.split import split_rows
from collapse.training.data.text import delimited
from tests.avazu_rows import avazu_line, write_avazu
from tests.conftest import Collapse

HEADER = ",".join(COLUMNS)


def cells(path: Path) -> list[dict[str, str]]:
    """Read a file with plain Python."""
    return [dict(zip(COLUMNS, line.split(","), strict=True)) for line in path.read_text().splitlines()[1:]]


def values(data: PreparedData, field: str) -> list[str | None]:
    vocabulary = data.vocabulary().filter(field=field)["value"].to_list()
    return [vocabulary[n] for n in data.ids[:, data.schema.fields.index(field)]]


def test_every_row_is_read_back(tmp_path: Path) -> None:
    source = write_avazu(tmp_path / "train.csv")
    data = prepare_avazu(source, tmp_path / "data", min_count=1)
    rows = cells(source)
    assert data.schema.fields == tuple(FIELDS)
    assert len(FIELDS) == 22
    assert data.labels.tolist() == [int(row["click"]) for row in rows]
    for field in FIELDS:
        assert values(data, field) == [row[field] for row in rows]
    assert data.manifest["options"] == {"min_count": 1, "vocabulary": "all", "hour": "raw"}


def test_the_hour_in_two(tmp_path: Path) -> None:
    source = write_avazu(tmp_path / "train.csv")
    data = prepare_avazu(source, tmp_path / "data", min_count=1, hour="split")
    assert data.schema.fields == ("day", "hour_of_day", *list(FIELDS)[1:])
    assert values(data, "day") == [row["hour"][:6] for row in cells(source)]
    assert values(data, "hour_of_day") == [row["hour"][6:] for row in cells(source)]
    assert values(data, "C21") == [row["C21"] for row in cells(source)]
    (tmp_path / "bad.csv").write_text(f"{HEADER}\n{avazu_line()}\n{avazu_line(hour='14102124')}\n")
    with pytest.raises(CollapseError, match="line 3: column hour .*'14102124'"):
        prepare_avazu(tmp_path / "bad.csv", tmp_path / "more", hour="split")
    with pytest.raises(CollapseError, match="'day'"):
        prepare_avazu(source, tmp_path / "more", hour="day")  # type: ignore[arg-type]


def test_the_threshold_is_the_papers(tmp_path: Path) -> None:
    source = write_avazu(tmp_path / "train.csv")
    data = prepare_avazu(source, tmp_path / "data")
    for field in FIELDS:
        counts = Counter(row[field] for row in cells(source))
        kept = data.vocabulary().filter(field=field)["value"].to_list()[1:]
        assert sorted(kept) == sorted(value for value, count in counts.items() if count >= 4)


@pytest.mark.parametrize("seed", [0, 3])
def test_a_vocabulary_of_the_training_rows(seed: int, tmp_path: Path) -> None:
    """Values that occur only in validation or test rows, or too rarely in training, are out of vocabulary."""
    source = write_avazu(tmp_path / "train.csv")
    data = prepare_avazu(source, tmp_path / "data", vocabulary_split=seed)
    rows, train = cells(source), split_rows(300, seed).train
    for n, field in enumerate(FIELDS):
        of_all = Counter(row[field] for row in rows)
        in_training = Counter(rows[row][field] for row in train)
        kept = [value for value, count in in_training.items() if count >= 4]
        order = sorted(kept, key=lambda value: (-in_training[value], value))
        vocabulary = data.vocabulary().filter(field=field)
        assert vocabulary["value"].to_list() == [None, *order]
        assert vocabulary["count"].to_list() == [300 - sum(of_all[v] for v in order), *(of_all[v] for v in order)]
        ids = {value: number for number, value in enumerate(order, start=1)}
        assert data.ids[:, n].tolist() == [ids.get(row[field], 0) for row in rows]
    assert data.manifest["options"]["vocabulary"] == "training"
    assert data.manifest["options"]["split_seed"] == seed
    everything = prepare_avazu(source, tmp_path / "all", vocabulary_split=None)
    assert data.data_hash != everything.data_hash


def test_a_run_takes_the_vocabularys_split(tmp_path: Path, collapse: Collapse) -> None:
    source = write_avazu(tmp_path / "train.csv", rows=400)
    arguments = (
        "prepare",
        "avazu",
        source,
        "-o",
        tmp_path / "data",
        "--vocabulary",
        "training",
        "--split-seed",
        5,
    )
    assert collapse(*arguments)[0] == 0
    train = ("train", "--data", tmp_path / "data", "--epochs", 1, "--out", tmp_path / "run", "--model", "fm")
    code, _, err = collapse(*train)
    assert code == 2
    assert "--split-seed 5" in err
    assert collapse(*train, "--split-seed", 5)[0] == 0
    assert collapse("analyze", tmp_path / "run" / "best.pt")[0] == 0


OF = "Avazu's train.csv"
BAD = {
    "empty": ("", " is empty"),
    "a header alone": (f"{HEADER}\n", " is empty"),
    "no header": (avazu_line(), f", line 1: this is not the header of {OF}: column 1 is '1000"),
    "the test file": (
        HEADER.replace("click,", ""),
        ", line 1: there is no column click. Is this Avazu's ",
    ),
    "a column more": (
        f"{HEADER},x\n",
        f", line 1: this is not the header of {OF}: it has 25",
    ),
    "a short row": (f"{HEADER}\n{avazu_line()}\n1,0,2\n", ", line 3: 3 columns instead of 24"),
    "another label": (
        f"{HEADER}\n{avazu_line('yes')}\n",
        ", line 2: column click has 'yes', which is ",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_another_file_is_refused_with_its_line(case: str, tmp_path: Path) -> None:
    content, sentence = BAD[case]
    (tmp_path / "train.csv").write_text(content)
    with pytest.raises(CollapseError) as caught:
        prepare_avazu(tmp_path / "train.csv", tmp_path / "data")
    assert str(caught.value).startswith(f"{tmp_path / 'train.csv'}{sentence}")
    assert [path.name for path in tmp_path.iterdir()] == ["train.csv"]


ROWS = st.lists(
    st.sampled_from(
        [
            avazu_line().encode(),
            avazu_line("1", site_id='"quoted"', C14="").encode(),
            avazu_line(device_model="\N{LATIN SMALL LETTER E WITH ACUTE}").encode(),
            avazu_line("2").encode(),
            avazu_line("").encode(),
            avazu_line().encode() + b",",
            b"",
            b"\xff\xfe" + avazu_line().encode(),
            avazu_line(app_id="x").encode() + b"\r",
        ]
    )
    | st.binary(max_size=40).filter(lambda line: b"\n" not in line and b"\r" not in line),
    max_size=12,
)


def is_good(line: bytes) -> bool:
    """Decide with plain Python whether a line is a valid row."""
    try:
        found = line.removesuffix(b"\r").decode().split(",")
    except UnicodeDecodeError:
        return False
    return len(found) == len(COLUMNS) and found[1] in ("0", "1")


@given(lines=ROWS, block=st.sampled_from([1, 50, 300, 1 << 20]), zipped=st.booleans())
def test_malformed_rows_are_skipped_and_told(
    lines: list[bytes], block: int, zipped: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """For any block size, good rows are kept, bad ones are listed, and one too many is an error."""
    folder = tmp_path_factory.mktemp("avazu")
    content = b"\n".join([HEADER.encode(), *lines, b""])
    source = folder / ("train.csv.gz" if zipped else "train.csv")
    source.write_bytes(gzip.compress(content) if zipped else content)
    bad = [number for number, line in enumerate(lines, start=2) if not is_good(line)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(delimited, "BLOCK_BYTES", block)
        if len(bad) == len(lines):
            with pytest.raises(CollapseError, match="has no valid row|is empty"):
                prepare_avazu(source, folder / "data", min_count=1, skip_bad=len(bad))
        else:
            data = prepare_avazu(source, folder / "data", min_count=1, skip_bad=len(bad))
            assert data.manifest["skipped"]["rows"] == len(bad)
            assert [told["line"] for told in data.manifest["skipped"]["first"]] == bad
            good = [line.removesuffix(b"\r").decode().split(",") for line in lines if is_good(line)]
            assert data.labels.tolist() == [int(row[1]) for row in good]
            for field in ("site_id", "device_model", "C14"):
                assert values(data, field) == [row[COLUMNS.index(field)] for row in good]
        if bad:
            before = rf" \({len(bad) - 1} malformed rows before it were skipped\)" if len(bad) > 1 else ""
            with pytest.raises(CollapseError, match=rf"line \d+: .*{before}"):
                prepare_avazu(source, folder / "none", min_count=1, skip_bad=len(bad) - 1)
            assert not (folder / "none").exists()


def test_the_command_line_tells_what_it_skipped(tmp_path: Path, collapse: Collapse) -> None:
    source = write_avazu(tmp_path / "train.csv")
    with source.open("a") as file:
        file.write("cut,off\n")
    code, out, err = collapse("prepare", "avazu", source, "-o", tmp_path / "data", "--skip-bad", 3)
    assert (code, err) == (0, "")
    assert "train.csv, line 302: 2 columns" in out
    assert out.startswith("avazu: 300 rows")
    assert np.load(tmp_path / "data" / "ids.npy").shape == (300, 22)
