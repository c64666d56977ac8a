"""The rescale of a frame, and the defaults where its header states none."""

import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.rescale import Rescale, rescale_of
from ct2zarr.errors import FileError
from series_of import frame


@pytest.mark.parametrize(
    ("slope", "intercept", "rescale"),
    [
        (2.0, -1024.0, Rescale(2.0, -1024.0)),
        (None, None, Rescale(1.0, 0.0)),
        (0.5, None, Rescale(0.5, 0.0)),
        (None, -5.0, Rescale(1.0, -5.0)),
        (0.0, 0.0, Rescale(0.0, 0.0)),
    ],
)
def test_an_absent_element_has_its_default_and_zero_is_a_value(slope, intercept, rescale):
    one = frame(1, 0.0, rescale_slope=slope, rescale_intercept=intercept)
    assert Rescale.of(one) == Rescale.declared(slope, intercept) == rescale


@pytest.mark.parametrize(
    ("slope", "intercept", "whole"),
    [(1.0, -1024.0, True), (-2.0, 0.0, True), (0.5, 0.0, False), (1.0, 0.5, False)],
)
def test_integers_stay_integers_where_both_numbers_are_whole(slope, intercept, whole):
    assert Rescale(slope, intercept).whole is whole


def test_stored_values_are_not_rescaled_whatever_the_header_says():
    assert rescale_of(frame(1, 0.0, rescale_slope=0.0), "stored") == Rescale(1.0, 0.0)
    assert rescale_of(frame(1, 0.0), "hu") == Rescale(1.0, -1024.0)


@pytest.mark.parametrize(("frames", "number"), [(1, None), (3, 2)])
def test_a_slope_of_zero_is_refused_with_the_file_and_its_frame(frames, number):
    one = frame(1, 0.0, rescale_slope=0.0, frames=frames, frame_number=2)
    with pytest.raises(FileError) as raised:
        rescale_of(one, "hu")
    assert raised.value.code is Code.CANNOT_RESCALE
    assert (raised.value.path, raised.value.frame) == (one.path, number)
