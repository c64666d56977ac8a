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
        (2.0, None, Rescale(1.0, 0.0)),
        (0.0, None, Rescale(1.0, 0.0)),
        (None, -5.0, Rescale(1.0, 0.0)),
        (0.0, -5.0, Rescale(0.0, -5.0)),
        (2.0, 0.0, Rescale(2.0, 0.0)),
    ],
)
def test_half_a_rescale_changes_no_value(slope, intercept, rescale):
    assert Rescale.declared(slope, intercept) == rescale
    assert Rescale.of(plane(rescale_slope=slope, rescale_intercept=intercept)) == rescale


def test_values_stored_ignores_the_rescale_and_hu_takes_it():
    frame = plane(rescale_slope=2.0, rescale_intercept=-1024.0)
    assert rescale_of(frame, "hu") == Rescale(2.0, -1024.0)
    assert rescale_of(frame, "stored") == Rescale(1.0, 0.0)
    assert rescale_of(plane(), "hu") == Rescale(1.0, 0.0)


def test_a_slope_of_zero_is_refused_by_name_unless_stored_values_are_wanted():
    frame = plane(rescale_slope=0.0, rescale_intercept=0.0, frames=3, frame_number=2)
    with pytest.raises(FileError) as caught:
        rescale_of(frame, "hu")
    assert caught.value.code is Code.CANNOT_RESCALE
    assert str(caught.value).startswith("a.dcm (frame 2) has RescaleSlope 0")
    assert "a.dcm" not in sentence(caught.value, private=False)
    assert rescale_of(frame, "stored") == Rescale()


@pytest.mark.parametrize(
    ("slope", "intercept", "element"),
    [
        (1e300, -1024.0, "RescaleSlope"),
        (-1000.1, 0.0, "RescaleSlope"),
        (1e-13, 0.0, "RescaleSlope"),
        (1.0, 1e300, "RescaleIntercept"),
        (1.0, -65537.0, "RescaleIntercept"),
        (0.1, 65537.0, "RescaleIntercept"),
        (2.0, 131073.0, "RescaleIntercept"),
    ],
)
def test_a_rescale_that_no_ct_can_have_is_refused_by_file_and_element(slope, intercept, element):
    frame = plane(rescale_slope=slope, rescale_intercept=intercept, bits_allocated=16)
    with pytest.raises(FileError) as caught:
        rescale_of(frame, "hu")
    assert caught.value.code is Code.CANNOT_RESCALE
    assert str(caught.value).startswith(f"a.dcm has {element} ")
    assert rescale_of(frame, "stored") == Rescale()


@pytest.mark.parametrize(
    ("slope", "intercept", "bits"),
    [
        (1000.0, 0.0, 16), (-1.0, 0.0, 16), (1e-12, 0.0, 16), (1.0, -65536.0, 8),
        (2.0, 131072.0, 16), (1.0, -2147483648.0, 32),
    ],
)  # fmt: skip
def test_a_rescale_at_the_limit_is_taken(slope, intercept, bits):
    frame = plane(rescale_slope=slope, rescale_intercept=intercept, bits_allocated=bits)
    assert rescale_of(frame, "hu") == Rescale(slope, intercept)


def test_a_rescale_is_whole_only_if_both_numbers_are():
    assert Rescale(2.0, -1024.0).whole
    assert not Rescale(0.5, -1024.0).whole
    assert not Rescale(1.0, 0.5).whole
