"""Batches cover every row once."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from collapse.training.data.store.prepared import open_prepared
from collapse.training.runs import batches as module
from collapse.training.runs.batches import batch_bounds, batches, epoch_order, rows_on_device


@given(rows=st.integers(1, 400), batch_size=st.integers(2, 50))
def test_bounds_cover_all_rows_without_a_batch_of_one(rows: int, batch_size: int) -> None:
    bounds = batch_bounds(rows, batch_size)
    assert [row for start, stop in bounds for row in range(start, stop)] == list(range(rows))
    assert rows == 1 or all(2 <= stop - start <= batch_size + 1 for start, stop in bounds)


@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(1, 100))
def test_the_order_is_a_permutation_that_seed_and_epoch_fix(seed: int, epoch: int) -> None:
    rows = np.arange(50, dtype=np.int64) * 3
    order = epoch_order(rows, seed, epoch)
    assert sorted(order) == list(rows)
    assert np.array_equal(order, epoch_order(rows, seed, epoch))
    assert not np.array_equal(order, epoch_order(rows, seed, epoch + 1))


def test_batches_go_to_another_device(small_data: Path) -> None:
    """The meta device needs no memory, and every machine has it."""
    data, rows = open_prepared(small_data), np.array([5, 1, 7, 2, 9])
    found = list(batches(data, rows, batch_bounds(5, 3), torch.device("meta")))
    assert [ids_BN.shape for ids_BN, _ in found] == [(3, 3), (2, 3)]
    assert {tensor.device.type for batch in found for tensor in batch} == {"meta"}
    here = list(batches(data, rows, batch_bounds(5, 3), torch.device("cpu")))
    assert torch.cat([ids_BN for ids_BN, _ in here]).tolist() == data.ids[rows].tolist()
    assert torch.cat([labels_B for _, labels_B in here]).tolist() == data.labels[rows].tolist()


@given(data=st.data())
def test_rows_that_are_there_give_the_same_batches(small_data: Path, data: st.DataObject) -> None:
    """From the memory of a device, in blocks of small batches, and after a resumption in the middle."""
    prepared = open_prepared(small_data)
    rows = np.array(data.draw(st.lists(st.integers(0, prepared.rows - 1), min_size=2, max_size=60)))
    bounds = batch_bounds(len(rows), data.draw(st.integers(2, 9)))
    bounds = bounds[data.draw(st.integers(0, len(bounds) - 1)) :]
    cpu = torch.device("cpu")
    there = rows_on_device(prepared, cpu, free=2**40)
    assert there is not None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_BLOCK_ROWS", data.draw(st.sampled_from([1, 10, 4096])))
        usual = list(batches(prepared, rows, bounds, cpu))
    for (ids_BN, labels_B), (start, stop), (ids, labels) in zip(
        usual, bounds, batches(prepared, rows, bounds, cpu, there), strict=True
    ):
        assert torch.equal(ids_BN, torch.from_numpy(prepared.ids[rows[start:stop]]))
        assert torch.equal(ids_BN, ids)
        assert torch.equal(labels_B, labels)
        assert ids.dtype == ids_BN.dtype


def test_rows_stay_where_they_are_if_they_take_too_much(small_data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = open_prepared(small_data)
    needed = 2 * (prepared.ids.nbytes + prepared.labels.nbytes)
    monkeypatch.setattr(module, "_COPIED_ROWS", 7)
    assert rows_on_device(prepared, torch.device("cpu"), free=needed - 1) is None
    there = rows_on_device(prepared, torch.device("cpu"), free=needed)
    assert there is not None
    assert np.array_equal(there.ids.numpy(), prepared.ids)
