"""Stored integers to values: exact, in the narrowest type, and never wrapped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ct2zarr.dicom.planes import WIDER, DoesNotFitError, first_type, write_values
from ct2zarr.dicom.rescale import Rescale

STORED = st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32"])


@given(
    stored=STORED.flatmap(lambda t: hnp.arrays(t, (3, 4))),
    slope=st.one_of(st.integers(-3, 3), st.integers(-40000, 40000)),
    intercept=st.one_of(st.integers(-2000, 2000), st.integers(-(2**33), 2**33)),
    wide=st.booleans(),
)
def test_whole_rescales_are_exact_or_refused(stored, slope, intercept, wide):
    out = np.zeros(stored.shape, dtype=np.int32 if wide else np.int16)
    truth = stored.astype(object) * slope + intercept
    limits = np.iinfo(out.dtype)
    fits = truth.min() >= limits.min and truth.max() <= limits.max
    try:
        found = write_values(stored, Rescale(float(slope), float(intercept)), None, out)
    except DoesNotFitError:
        assert not fits
        assert not out.any()
        return
    assert fits
    assert out.tolist() == truth.tolist()
    assert (found.minimum, found.maximum) == (truth.min(), truth.max())


def test_fractional_rescales_are_computed_in_double_and_kept_in_single_precision():
    stored = np.arange(60000, 60012, dtype=np.uint16).reshape(3, 4)
    out = np.empty(stored.shape, dtype=np.float32)
    found = write_values(stored, Rescale(0.0001, -4047.25), None, out)
    np.testing.assert_array_equal(out, (stored * 0.0001 - 4047.25).astype(np.float32))
    assert (found.minimum, found.maximum) == (out.min(), out.max())


def test_the_first_type_is_the_narrowest_that_can_be_exact():
    assert first_type([Rescale(1.0, -1024.0), Rescale(2.0, 0.0)]) == "int16"
    assert first_type([Rescale(1.0, -1024.0), Rescale(1.0, 0.5)]) == "float32"


def test_padding_pixels_are_counted_and_keep_their_rescaled_value():
    stored = np.array([[63536, 5], [63536, 7]], dtype=np.uint16)
    out = np.empty((2, 2), dtype=np.int32)
    assert write_values(stored, Rescale(1.0, -1024.0), 63536, out).padding_pixels == 2
    assert out.tolist() == [[62512, -1019], [62512, -1017]]
    assert write_values(stored, Rescale(), -2000, out).padding_pixels == 0


@pytest.mark.parametrize(
    ("stored", "fits"), [(-32768, True), (-32769, False), (32767, True), (32768, False)]
)
def test_the_ends_of_int16_stay_int16_and_nothing_beyond_does(stored, fits):
    values = np.array([[stored, 0]], dtype=np.int32)
    out = np.full((1, 2), 7, dtype=np.int16)
    if not fits:
        with pytest.raises(DoesNotFitError):
            write_values(values, Rescale(), None, out)
        assert out.tolist() == [[7, 7]]
        return
    found = write_values(values, Rescale(), None, out)
    assert out.tolist() == [[stored, 0]]
    assert (found.minimum, found.maximum) == (min(stored, 0), max(stored, 0))


def test_values_that_end_at_the_smallest_int16_after_rescaling_fit():
    stored = np.array([[0, 31744]], dtype=np.uint16)
    out = np.empty((1, 2), dtype=np.int16)
    write_values(stored, Rescale(-1.0, -1024.0), None, out)
    assert out.tolist() == [[-1024, -32768]]


def test_a_negative_slope_swaps_the_ends():
    stored = np.array([[1, 5]], dtype=np.uint16)
    for kind in (np.int16, np.float32):
        out = np.empty((1, 2), dtype=kind)
        found = write_values(stored, Rescale(-2.0, 10.0), None, out)
        assert (found.minimum, found.maximum) == (0, 8)
        assert out.tolist() == [[8, 0]]


@pytest.mark.parametrize(
    ("padding", "pixels"), [(3, 1), (9, 2), (2, 0), (10, 0), (None, 0), (5, 0)]
)
def test_padding_is_counted_at_both_ends_of_the_range(padding, pixels):
    stored = np.array([[3, 9, 9, 4]], dtype=np.uint16)
    out = np.empty((1, 4), dtype=np.int16)
    assert write_values(stored, Rescale(), padding, out).padding_pixels == pixels


def test_a_fraction_does_not_fit_an_integer_type():
    out = np.zeros((1, 1), dtype=np.int32)
    for rescale in (Rescale(1.5, 0.0), Rescale(1.0, 0.5)):
        with pytest.raises(DoesNotFitError):
            write_values(np.array([[2]], dtype=np.uint16), rescale, None, out)


def test_a_type_that_is_too_narrow_leads_to_the_next_wider():
    assert WIDER == {"int16": "int32", "int32": "float32"}
