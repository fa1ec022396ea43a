"""Diversity over a checkpoint: all pairs of sets, an SE split, and the random reference."""

from itertools import combinations

import numpy as np
import pytest

from collapse import diversity
from collapse.analysis.diversity import set_diversity
from collapse.errors import CollapseError
from collapse.measures.random_matrix import random_diversity
from tests.test_analysis import table_set


def test_it_is_the_mean_over_all_pairs() -> None:
    tables = table_set([3, 40, 700], 4, 3, seed=0)
    frame = set_diversity(tables)
    for table, row in zip(tables, frame.itertuples(), strict=True):
        pairs = list(combinations([table.set(m) for m in range(3)], 2))
        assert row.div == pytest.approx(np.mean([diversity(*pair) for pair in pairs]))
        assert row.div_rank == pytest.approx(np.mean([diversity(*pair, divisor="rank") for pair in pairs]))
        assert row.div_random == random_diversity(table.cardinality, 4)


def test_a_single_table_is_split_into_consecutive_columns() -> None:
    tables = table_set([40, 700], 6, 1, seed=0)
    frame = set_diversity(tables, split=2)
    E = tables.tables[1].E
    assert frame["div"][1] == pytest.approx(diversity(E[:, :3], E[:, 3:]))
    assert frame["columns"].tolist() == [3, 3]


def test_copies_have_none_and_random_sets_the_reference() -> None:
    tables = table_set([500] * 30, 5, 2, seed=0)
    assert set_diversity(tables)["div"].mean() == pytest.approx(random_diversity(500, 5, draws=500), abs=0.01)


@pytest.mark.parametrize(
    ("split", "message"), [(None, "has only one set"), (4, "cannot be split into 4"), (1, "into 1")]
)
def test_what_has_no_sets_is_refused(split: int | None, message: str) -> None:
    with pytest.raises(CollapseError, match=message):
        set_diversity(table_set([9], 6, 1, seed=0), split=split)
