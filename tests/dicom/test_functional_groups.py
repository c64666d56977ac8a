"""Elements of functional groups: the frame's own, the shared ones, and what stands for what."""

import pytest
from pydicom import Dataset, dcmread
from pydicom.sequence import Sequence as Items

from ct2zarr.dicom.functional_groups import GroupElements
from ct2zarr.dicom.header import OpenFile, RawHeader, read_header
from ct2zarr.dicom.tags import ACQUISITION_NUMBER, FUNCTIONAL_GROUPS, IMAGE_TYPE
from ct2zarr.model import Frame
from ct2zarr.vocabulary import Role
from phantom import make_multiframe

SPACING, POSITION = 0x00280030, 0x00200032


def frame(path: str, number: int) -> Frame:
    return Frame("d", "/", path, 0, 0, Role.SLICE, frame_number=number, frames=3)


def header_of(path) -> RawHeader:
    with path.open("rb") as file:
        source = OpenFile(file.fileno(), path.stat().st_size)
        return read_header(source, FUNCTIONAL_GROUPS)[0]


def sequence(**elements) -> Items:
    inner = Dataset()
    for keyword, value in elements.items():
        setattr(inner, keyword, value)
    return Items([inner])


@pytest.fixture(params=["explicit", "implicit"])
def path(tmp_path, request):
    """Frames with their own acquisition and frame type, and one spacing but for frame 2."""
    made = make_multiframe(tmp_path, n=3, transfer_syntax=request.param).paths[0]
    dataset = dcmread(made)
    for number, item in enumerate(dataset.PerFrameFunctionalGroupsSequence, start=1):
        item.FrameContentSequence = sequence(FrameAcquisitionNumber=10 + number)
        item.CTImageFrameTypeSequence = sequence(FrameType=["ORIGINAL", "PRIMARY", f"F{number}"])
        if number == 2:
            item.PixelMeasuresSequence = sequence(PixelSpacing=["9", "9"])
    dataset.save_as(made)
    return made


def test_a_frame_has_its_own_elements_before_those_that_are_shared(path):
    groups, header = GroupElements(), header_of(path)
    spacing = [groups.of_frame(frame(str(path), n), header)[SPACING][1] for n in (1, 2, 3)]
    assert spacing[1].strip() == b"9\\9"
    assert spacing[0] == spacing[2] != spacing[1]


def test_frame_elements_stand_for_those_of_single_frames(path):
    elements = GroupElements().of_frame(frame(str(path), 3), header_of(path))
    vr, raw = elements[ACQUISITION_NUMBER]
    assert (vr, int.from_bytes(raw, "little")) == ("US", 13)
    vr, raw = elements[IMAGE_TYPE]
    assert (vr, raw.strip()) == ("CS", b"ORIGINAL\\PRIMARY\\F3")


def test_a_frame_beyond_the_items_has_what_is_shared(path):
    elements = GroupElements().of_frame(frame(str(path), 4), header_of(path))
    assert SPACING in elements
    assert POSITION not in elements


def test_another_file_has_its_own_shared_elements(path, tmp_path):
    other = make_multiframe(tmp_path / "other", n=3, spacing=(2.5, 0.5, 0.25)).paths[0]
    groups = GroupElements()
    first = groups.of_frame(frame(str(path), 1), header_of(path))[SPACING]
    second = groups.of_frame(frame(str(other), 1), header_of(other))[SPACING]
    assert first[1].strip() == b"0.8\\0.7"
    assert second[1].strip() == b"0.5\\0.25"


def test_a_macro_that_is_empty_or_no_sequence_is_lost_alone(path):
    dataset = dcmread(path)
    dataset.PerFrameFunctionalGroupsSequence[0].FrameContentSequence = Items([])
    dataset.PerFrameFunctionalGroupsSequence[0].StudyID = "no macro"
    dataset.save_as(path)
    elements = GroupElements().of_frame(frame(str(path), 1), header_of(path))
    assert ACQUISITION_NUMBER not in elements
    assert IMAGE_TYPE in elements
