"""Prefetching gives the same items in the same order, and the same exceptions."""

import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collapse.training.data.sources.rows import prefetched


@given(items=st.lists(st.none() | st.integers()))
def test_the_items_in_their_order(items: list[int | None]) -> None:
    assert list(prefetched(iter(items))) == items


@given(before=st.integers(0, 4))
def test_an_exception_in_its_place(before: int) -> None:
    def failing() -> Iterator[int]:
        yield from range(before)
        raise KeyError("here")

    ahead = prefetched(failing())
    assert [next(ahead) for _ in range(before)] == list(range(before))
    with pytest.raises(KeyError, match="here"):
        next(ahead)


def test_no_thread_stays_behind() -> None:
    before = threading.active_count()
    ahead = prefetched(iter(range(100)))
    assert next(ahead) == 0
    assert threading.active_count() == before + 1
    ahead.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
