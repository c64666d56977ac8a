"""Stored integers to values: exact, in the narrowest type, and never wrapped."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ct2zarr.dicom.planes import DoesNotFitError, first_type, write_values
from ct2zarr.dicom.rescale import Rescale, rescale_of
from ct2zarr.errors import FileError
from ct2zarr.model import Frame
from ct2zarr.vocabulary import Role

STORED = st.sampled_from(["int8", "uint8", "int16", "uint16", "int32", "uint32"])


def plane(**fields) -> Frame:
    return Frame("v1", "/", "/folder/a.dcm", 0, 0, Role.SLICE, **fields)


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


def test_values_stored_ignores_the_rescale_and_hu_takes_it():
    frame = plane(rescale_slope=2.0, rescale_intercept=-1024.0)
    assert rescale_of(frame, "hu") == Rescale(2.0, -1024.0)
    assert rescale_of(frame, "stored") == Rescale(1.0, 0.0)
    assert rescale_of(plane(), "hu") == Rescale(1.0, 0.0)


def test_a_slope_of_zero_is_refused_by_name():
    with pytest.raises(FileError, match=r"a\.dcm has RescaleSlope 0"):
        rescale_of(plane(rescale_slope=0.0), "hu")
