"""The frames of a multi-frame file, with functional groups and without."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

import phantom
from ct2zarr.dicom.frames import read_frames
from ct2zarr.vocabulary import Role


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_frames_have_their_own_position_and_rescale(
    tmp_path: Path, legacy: bool, syntax: str
) -> None:
    series = phantom.make_multiframe(
        tmp_path, n=4, legacy=legacy, transfer_syntax=syntax, slope=[1, 2, 3, 4]
    )
    frames = read_frames("d", str(tmp_path), str(series.paths[0]))
    assert [frame.frame_number for frame in frames] == [1, 2, 3, 4]
    of = {number: place for place, number in enumerate(series.frames)}
    for frame in frames:
        place = of[frame.frame_number]
        np.testing.assert_allclose(frame.position, series.positions[place])
        np.testing.assert_allclose(frame.orientation, series.orientation)
        assert frame.pixel_spacing == series.pixel_spacing
        assert frame.rescale_slope == place + 1
        assert (frame.frames, frame.bad_elements, frame.role) == (4, 0, Role.SLICE)


def test_stacks_of_a_multi_frame_file_are_told_apart(tmp_path: Path) -> None:
    series = phantom.make_multiframe(tmp_path, n=3, stacks=2)
    frames = read_frames("d", str(tmp_path), str(series.paths[0]))
    assert len({frame.stack_id for frame in frames}) == 2


@pytest.mark.parametrize(
    ("tags", "offsets"),
    [
        ({"SpacingBetweenSlices": "0.4"}, [0.0, 0.4, 0.8]),
        ({"SpacingBetweenSlices": "-0.4"}, [0.0, -0.4, -0.8]),
        ({"SpacingBetweenSlices": "0"}, None),
        ({}, None),
    ],
)
def test_frames_without_functional_groups_follow_the_first_along_the_normal(
    tmp_path: Path, tags: dict[str, str], offsets: list[float] | None
) -> None:
    turned = (0.0, 2.0, 0.0, 0.0, 0.0, -2.0)  # the normal runs against x
    series = phantom.make_series(
        tmp_path, n=1, NumberOfFrames=3, ImageOrientationPatient=list(turned), **tags
    )
    dataset = dcmread(series.paths[0])
    dataset.PixelData = dataset.PixelData * 3
    dataset.save_as(series.paths[0])
    frames = read_frames("v1", str(tmp_path), str(series.paths[0]))
    assert [frame.frame_number for frame in frames] == [1, 2, 3]
    assert {frame.nominal_position for frame in frames} == {offsets is not None}
    x, y, z = series.positions[0]
    for frame, along in zip(frames, offsets or [None] * 3, strict=True):
        due = None if along is None else pytest.approx((x - along, y, z))
        assert frame.position == due
        assert frame.slice_location is None
