"""Errors of one frame name it; messages of other packages become one line."""

from dataclasses import replace

import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.frame_errors import frame_error, one_line
from ct2zarr.model import Frame


def test_an_error_names_the_frame_only_where_the_file_has_several():
    frame = Frame("d", "/", "/x/a.dcm", 0, 0, "slice", frames=1)
    assert str(frame_error(frame, Code.NO_PIXELS, "{file} is bad")) == "a.dcm is bad"
    several = replace(frame, frames=2, frame_number=2)
    assert str(frame_error(several, Code.NO_PIXELS, "{file} is bad")) == "a.dcm (frame 2) is bad"


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("a\n  b"), "a b"),
        (ValueError(""), "ValueError"),
        (ValueError("x" * 200), "x" * 120),
    ],
)
def test_an_error_of_another_package_is_one_line(error, text):
    assert one_line(error) == text
