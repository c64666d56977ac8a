"""Indices mean what they mean to numpy, and only the region that they need is read."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.volume.indexing import basic_index

SHAPE = (4, 3, 5)
VALUES = np.arange(60).reshape(SHAPE)
INTEGERS = st.integers(-6, 6)
PART = st.one_of(
    INTEGERS,
    st.builds(slice, st.none() | INTEGERS, st.none() | INTEGERS, st.none() | INTEGERS.filter(bool)),
)
KEYS = st.lists(PART, max_size=4).flatmap(
    lambda parts: st.one_of(
        st.just(tuple(parts)),
        st.integers(0, len(parts)).map(lambda at: (*parts[:at], ..., *parts[at:])),
    )
)


@given(KEYS)
def test_an_index_gives_what_numpy_gives_or_its_error(key):
    try:
        expected = VALUES[key]
    except IndexError:
        with pytest.raises(IndexError):
            basic_index(key, SHAPE)
        return
    region, within = basic_index(key, SHAPE)
    found = VALUES[tuple(slice(start, stop) for start, stop in region)][within]
    assert type(found) is type(expected)
    assert np.array_equal(found, expected)
    assert all(
        0 <= start <= stop <= size for (start, stop), size in zip(region, SHAPE, strict=True)
    )


@pytest.mark.parametrize("key", [None, True, (np.bool_(True), 0), [1, 2], (0, np.array([1]))])
def test_other_indices_are_left_to_numpy(key):
    assert basic_index(key, SHAPE) is None


def test_only_the_planes_between_the_first_and_the_last_are_read():
    assert basic_index((slice(3, 0, -2), 1), SHAPE)[0] == [(1, 4), (1, 2), (0, 5)]
    assert basic_index(slice(2, 2), SHAPE)[0][0] == (0, 0)
    assert basic_index(np.int64(-1), SHAPE)[0][0] == (3, 4)


def test_two_ellipses_are_refused_as_numpy_does():
    with pytest.raises(IndexError, match="single ellipsis"):
        basic_index((..., 0, ...), SHAPE)
