"""The frames of a multi-frame file, with functional groups and without."""

from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

import phantom
from ct2zarr.dicom.frames import read_frames
from ct2zarr.vocabulary import Role


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_frames_have_their_own_position_and_rescale(
    tmp_path: Path, legacy: bool, syntax: str
) -> None:
    series = phantom.make_multiframe(
        tmp_path,
        n=4,
        legacy=legacy,
        transfer_syntax=syntax,
        slope=[1, 2, 3, 4],
        intercept=[-1000, -1001, -1002, -1003],
    )
    frames = read_frames("d", str(tmp_path), str(series.paths[0]))
    assert [frame.frame_number for frame in frames] == [1, 2, 3, 4]
    of = {number: place for place, number in enumerate(series.frames)}
    for frame in frames:
        place = of[frame.frame_number]
        np.testing.assert_allclose(frame.position, series.positions[place])
        np.testing.assert_allclose(frame.orientation, series.orientation)
        assert frame.pixel_spacing == series.pixel_spacing
        assert (frame.rescale_slope, frame.rescale_intercept) == (place + 1, -1000 - place)
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


CT, ENHANCED, LEGACY, CAPTURE, COLOUR_CAPTURE, MR = (
    f"1.2.840.10008.5.1.4.1.1.{end}" for end in ("2", "2.1", "2.2", "7.3", "7.4", "4.1")
)


@pytest.mark.parametrize(
    ("sop_class", "modality", "rows"),
    [
        (CT, "CT", 3), (ENHANCED, "CT", 3), (LEGACY, "CT", 3), (CAPTURE, "OT", 3),
        (COLOUR_CAPTURE, "OT", 3), (ENHANCED, "MR", 3), (MR, "CT", 1), (MR, "MR", 1),
        (None, "CT", 3), (None, "MR", 1), (None, "", 1),
    ],
)  # fmt: skip
def test_frames_of_what_may_be_a_ct_volume_have_a_row_each(
    tmp_path: Path, sop_class: str | None, modality: str, rows: int
) -> None:
    path = phantom.make_multiframe(tmp_path, n=3).paths[0]
    dataset = dcmread(path)
    dataset.Modality = modality
    del dataset.SOPClassUID, dataset.file_meta.MediaStorageSOPClassUID
    if sop_class is not None:
        dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = UID(sop_class)
    dataset.save_as(path, enforce_file_format=False)
    frames = read_frames("d", str(tmp_path), str(path))
    assert [frame.frame_number for frame in frames] == list(range(1, rows + 1))
    assert {frame.frames for frame in frames} == {3}


@pytest.mark.parametrize("items", [0, 2, 3])
def test_a_frame_without_an_item_of_its_own_has_what_all_share_and_lacks_nothing(
    tmp_path: Path, items: int
) -> None:
    path = phantom.make_multiframe(tmp_path, n=3, slope=[2, 3, 4]).paths[0]
    dataset = dcmread(path)
    del dataset.PerFrameFunctionalGroupsSequence[items:]
    dataset.save_as(path)
    frames = read_frames("d", str(tmp_path), str(path))
    assert [frame.frame_number for frame in frames] == [1, 2, 3]
    assert [frame.position is not None for frame in frames] == [n < items for n in range(3)]
    assert all(frame.pixel_spacing is not None for frame in frames)
    assert {frame.bad_elements for frame in frames} == {0}


def test_a_wrong_element_counts_in_each_frame_that_has_it(tmp_path: Path) -> None:
    path = phantom.make_multiframe(tmp_path, n=3).paths[0]
    before = path.read_bytes()
    dataset = dcmread(path)
    shared = dataset.SharedFunctionalGroupsSequence[0]
    spacing = shared.PixelMeasuresSequence[0]["PixelSpacing"]
    text = "\\".join(map(str, spacing.value)).encode()
    assert before.count(text) == 1
    path.write_bytes(before.replace(text, b"?" * len(text)))
    assert [f.bad_elements for f in read_frames("d", str(tmp_path), str(path))] == [1, 1, 1]
    own = dataset.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    position = "\\".join(map(str, own.ImagePositionPatient)).encode()
    assert before.count(position) == 1
    path.write_bytes(before.replace(position, b"?" * len(position)))
    assert [f.bad_elements for f in read_frames("d", str(tmp_path), str(path))] == [0, 1, 0]
