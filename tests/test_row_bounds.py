"""Ends of rows in delimited text, compared with Python's own reader."""

import csv
import io

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from collapse.training.data.text.row_bounds import last_end, not_text, row_bounds, without

CELLS = st.text(st.sampled_from('ab ,"\n\té'), max_size=6)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=4), max_size=8)


def written(rows: list[list[str]], separator: str, quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\n", quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    return text.getvalue()


@given(ROWS, st.sampled_from([",", "\t", ";"]), st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
def test_rows_columns_and_lines_are_those_of_the_csv_module(
    rows: list[list[str]], separator: str, quoting: int
) -> None:
    block = written(rows, separator, quoting).encode()
    found = row_bounds(block, separator, quoted=True)
    assert found.stray is None
    assert found.columns.tolist() == [len(row) for row in rows]
    lines = [written(rows[:n], separator, quoting).count("\n") for n in range(len(rows))]
    assert found.lines.tolist() == lines
    assert found.ends.tolist() == [
        len(written(rows[: n + 1], separator, quoting).encode()) for n in range(len(rows))
    ]


@given(ROWS, st.integers(0, 100))
def test_a_block_is_cut_behind_its_last_whole_row(rows: list[list[str]], cut: int) -> None:
    block = written(rows, ",").encode()
    ends = [0, *row_bounds(block, ",", quoted=True).ends.tolist()]
    assert last_end(block[:cut], quoted=True) == max(end for end in ends if end <= max(cut, 0))


@given(ROWS, st.data())
def test_leaving_out_rows(rows: list[list[str]], data: st.DataObject) -> None:
    left_out = data.draw(st.lists(st.sampled_from(range(len(rows))), unique=True)) if rows else []
    kept = [row for n, row in enumerate(rows) if n not in left_out]
    found = row_bounds(written(rows, ",").encode(), ",", quoted=True)
    assert without(found, left_out) == written(kept, ",").encode()


def strictly(text: str) -> list[list[str]] | None:
    """Read with the csv module; None if quotation marks are out of place."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error:
        return None
    # It lets a quotation mark stand inside a cell that does not begin with one; RFC 4180 does not.
    return rows if '"' not in text or written(rows, ",", csv.QUOTE_ALL).count('"') >= text.count('"') else None


@given(st.text(st.sampled_from('a",\n'), max_size=12).map(lambda text: text + "\n"))
def test_quotation_marks_out_of_place(text: str) -> None:
    """Valid text is read as by the csv module, and text that it refuses is found."""
    block = text.encode()
    found = row_bounds(block, ",", quoted=True)
    in_order = found.stray is None and last_end(block, quoted=True) == len(block)
    read = strictly(text)
    if in_order:
        assert read is not None
        assert [max(len(row), 1) for row in read] == found.columns.tolist()
    elif found.stray is not None:
        line = text.split("\n")[found.stray]
        assert '"' in line
    if read is None:
        assert not in_order


def test_a_stray_quotation_mark_is_found_with_its_line() -> None:
    def stray(text: str) -> int | None:
        return row_bounds(text.encode(), ",", quoted=True).stray

    assert stray('a,b\n5" pipe,"x"\n') == 1
    assert stray('"a"b,c\n') == 0
    assert stray('"a\nb" ,c\n') == 1
    assert stray(' "a",c\n') == 0
    assert stray('"a""b","",""""\n') is None


@given(st.lists(st.binary(max_size=5).filter(lambda line: b"\n" not in line), max_size=6))
def test_rows_that_are_not_text(lines: list[bytes]) -> None:
    def is_text(line: bytes) -> bool:
        return line.decode(errors="replace").encode() == line

    block = b"".join(line + b"\n" for line in lines)
    found = not_text(row_bounds(block, ",", quoted=False))
    assert sorted(found) == [n for n, line in enumerate(lines) if not is_text(line)]


def test_where_nothing_is_quoted_every_line_is_a_row() -> None:
    found = row_bounds(b'"a\tb\n"\n\n', "\t", quoted=False)
    assert found.columns.tolist() == [2, 1, 1]
    assert found.lines.tolist() == [0, 1, 2]
    assert np.array_equal(found.ends, [5, 7, 8])
