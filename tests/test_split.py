"""The 8:1:1 split."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from collapse.training.data.store.split import Split, split_rows

PINNED = "80ce38f910aee72649e69caf4394abe5be7a91f87693642e72950543ea6ac1b9"


def parts(split: Split) -> list[NDArray[np.int64]]:
    return [split.train, split.validation, split.test]


def digest(split: Split) -> str:
    return hashlib.sha256(b"".join(part.tobytes() for part in parts(split))).hexdigest()


@given(rows=st.integers(0, 500), seed=st.integers(0, 2**32 - 1))
def test_parts_are_disjoint_complete_sorted_and_of_the_stated_sizes(rows: int, seed: int) -> None:
    split = split_rows(rows, seed)
    assert sorted(np.concatenate(parts(split)).tolist()) == list(range(rows))
    assert len(split.train) == int(0.8 * rows)
    assert len(split.validation) == int(0.1 * rows)
    for part in parts(split):
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()


def test_the_seed_alone_decides() -> None:
    assert digest(split_rows(100, 3)) == digest(split_rows(100, 3))
    assert digest(split_rows(100, 3)) != digest(split_rows(100, 4))
    assert digest(split_rows(100, 3)) == PINNED


@pytest.mark.parametrize("hash_seed", ["0", "1"])
def test_the_split_is_the_same_in_another_process(hash_seed: str) -> None:
    code = (
        "import hashlib; from collapse.training.data.store.split import split_rows; s = split_rows(100, 3); "
        "print(hashlib.sha256(b''.join(map(bytes, (s.train, s.validation, s.test)))).hexdigest())"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == PINNED
