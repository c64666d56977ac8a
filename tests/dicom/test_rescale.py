"""What a header declares about slope and intercept, and what applies where it declares nothing."""

import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.rescale import Rescale, rescale_of
from ct2zarr.errors import FileError, sentence
from ct2zarr.model import Frame
from ct2zarr.vocabulary import Role


def plane(**fields) -> Frame:
    return Frame("v1", "/", "/folder/a.dcm", 0, 0, Role.SLICE, **fields)


@pytest.mark.parametrize(
    ("slope", "intercept", "rescale"),
    [
        (None, None, Rescale(1.0, 0.0)),
        (0.0, None, Rescale(0.0, 0.0)),
        (None, -5.0, Rescale(1.0, -5.0)),
        (2.0, 0.0, Rescale(2.0, 0.0)),
    ],
)
def test_only_an_absent_element_takes_its_default(slope, intercept, rescale):
    assert Rescale.declared(slope, intercept) == rescale
    assert Rescale.of(plane(rescale_slope=slope, rescale_intercept=intercept)) == rescale


def test_values_stored_ignores_the_rescale_and_hu_takes_it():
    frame = plane(rescale_slope=2.0, rescale_intercept=-1024.0)
    assert rescale_of(frame, "hu") == Rescale(2.0, -1024.0)
    assert rescale_of(frame, "stored") == Rescale(1.0, 0.0)
    assert rescale_of(plane(), "hu") == Rescale(1.0, 0.0)


def test_a_slope_of_zero_is_refused_by_name_unless_stored_values_are_wanted():
    frame = plane(rescale_slope=0.0, frames=3, frame_number=2)
    with pytest.raises(FileError) as caught:
        rescale_of(frame, "hu")
    assert caught.value.code is Code.CANNOT_RESCALE
    assert str(caught.value).startswith("a.dcm (frame 2) has RescaleSlope 0")
    assert "a.dcm" not in sentence(caught.value, private=False)
    assert rescale_of(frame, "stored") == Rescale()


def test_a_rescale_is_whole_only_if_both_numbers_are():
    assert Rescale(2.0, -1024.0).whole
    assert not Rescale(0.5, -1024.0).whole
    assert not Rescale(1.0, 0.5).whole
