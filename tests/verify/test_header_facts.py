"""Equal bytes count as read only where they cannot mean anything else."""

from pathlib import Path

import pytest
from pydicom import Dataset, dcmread
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from converted import plans_in
from ct2zarr.model import Frame
from ct2zarr.verify.header_facts import COMPARED, READER, SAME_BYTES, HeaderReader
from phantom import make_series, write


def frames_of(folder: Path, **series: object) -> tuple[Frame, ...]:
    make_series(folder, **series)  # type: ignore[arg-type]
    (plan,) = plans_in(folder)
    return plan.planes


def edited(frame: Frame, edit) -> None:
    dataset = dcmread(frame.path)
    edit(dataset)
    write(dataset, Path(frame.path))


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless])
def test_both_ways_of_reading_give_the_same(tmp_path, syntax):
    frames = frames_of(tmp_path, n=3, transfer_syntax=syntax)
    reader, other = HeaderReader(), HeaderReader()
    first = reader.read(frames[0], by_pydicom=False)
    assert first is not None
    assert first.texts["Modality"] == "CT"
    assert first.numbers["SliceThickness"] == (2.5,)
    for frame in frames[1:]:
        by_bytes = reader.read(frame, by_pydicom=False)
        by_pydicom = other.read(frame, by_pydicom=True)
        assert by_bytes == by_pydicom
    assert reader.readers == {READER: 1, SAME_BYTES: 2}
    assert other.readers == {READER: 2}


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "ANOTHER"),
        ("Modality", "MR"),
        ("KVP", "80"),
        ("Rows", 12),
        ("ImageOrientationPatient", [0, 1, 0, -1, 0, 0]),
        ("SOPInstanceUID", "1.2.3"),
        ("PatientID", None),
    ],
)
def test_a_header_with_another_value_is_read_by_pydicom(tmp_path, keyword, value):
    frames = frames_of(tmp_path, n=3)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)

    def edit(dataset: Dataset) -> None:
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)

    edited(frames[1], edit)
    facts = reader.read(frames[1], by_pydicom=False)
    assert facts is not None
    assert reader.readers == {READER: 2}
    due = dcmread(frames[1].path)
    assert facts.sop_instance_uid == due.SOPInstanceUID
    assert facts.texts["PatientID"] == str(due.get("PatientID", ""))
    assert facts.numbers["Rows"] == (due.Rows,)


def hide_study_in_a_sequence(dataset: Dataset) -> None:
    """The study of the other files stands in an item, and another one at the top level."""
    request = Dataset()
    request.StudyInstanceUID = dataset.StudyInstanceUID
    dataset.RequestAttributesSequence = [request]
    dataset.StudyInstanceUID = "1.2.3.4"


def test_a_value_within_a_sequence_is_not_taken_for_the_one_of_the_header(tmp_path):
    frames = frames_of(tmp_path, n=3)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)
    edited(frames[1], hide_study_in_a_sequence)
    facts = reader.read(frames[1], by_pydicom=False)
    assert facts is not None
    assert facts.texts["StudyInstanceUID"] == "1.2.3.4"
    assert reader.readers == {READER: 2}


def test_a_second_kind_of_header_is_remembered_too(tmp_path):
    frames = frames_of(tmp_path, n=6, KVP=["80"] * 3 + ["120"] * 3)
    reader = HeaderReader()
    found = [reader.read(frame, by_pydicom=False) for frame in frames]
    assert [facts and facts.numbers["KVP"] for facts in found] == [(80.0,)] * 3 + [(120.0,)] * 3
    assert reader.readers == {READER: 2, SAME_BYTES: 4}


def test_a_header_that_is_longer_than_the_one_before_is_still_compared_whole(tmp_path):
    frames = frames_of(tmp_path, n=3)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)
    edited(frames[1], lambda dataset: setattr(dataset, "ImageComments", "x" * 5000))
    assert reader.read(frames[1], by_pydicom=False) is not None
    assert reader.readers == {READER: 2}


@pytest.mark.parametrize(("text", "alike"), [(500, True), (5000, False)])
def test_a_header_may_be_a_little_longer_than_the_one_before(tmp_path, text, alike):
    frames = frames_of(tmp_path, n=2)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)
    edited(frames[1], lambda dataset: setattr(dataset, "ImageComments", "x" * text))
    assert reader.read(frames[1], by_pydicom=False) is not None
    assert reader.readers == ({READER: 1, SAME_BYTES: 1} if alike else {READER: 2})


@pytest.mark.parametrize(("size", "alike"), [(64_000, True), (66_000, False)])
def test_headers_beyond_64_kib_are_not_compared_by_their_bytes(tmp_path, size, alike):
    frames = frames_of(tmp_path, n=2)

    def edit(dataset: Dataset) -> None:
        dataset.private_block(0x0009, "TEST", create=True).add_new(0x10, "OB", b"x" * size)

    for frame in frames:
        edited(frame, edit)
    reader = HeaderReader()
    facts = [reader.read(frame, by_pydicom=False) for frame in frames]
    assert all(one is not None and one.texts["Modality"] == "CT" for one in facts)
    assert reader.readers == ({READER: 1, SAME_BYTES: 1} if alike else {READER: 2})


def test_eight_kinds_of_headers_are_remembered(tmp_path):
    kinds = [str(80 + kind) for kind in range(9)]
    frames = frames_of(tmp_path, n=18, KVP=kinds * 2)
    reader = HeaderReader()
    found = [reader.read(frame, by_pydicom=False) for frame in frames]
    assert [facts and facts.numbers["KVP"] for facts in found] == [(float(k),) for k in kinds * 2]
    assert reader.readers == {READER: 10, SAME_BYTES: 8}


def test_a_header_without_pixels_is_parsed(tmp_path):
    frames = frames_of(tmp_path, n=2)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)
    edited(frames[1], lambda dataset: dataset.pop("PixelData"))
    assert reader.read(frames[1], by_pydicom=False) is not None
    assert reader.readers == {READER: 2}


def test_the_uid_of_a_file_is_not_taken_from_a_sequence(tmp_path):
    frames = frames_of(tmp_path, n=2)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)

    def edit(dataset: Dataset) -> None:
        item = Dataset()
        item.SOPInstanceUID = dataset.SOPInstanceUID
        dataset.RequestAttributesSequence = [item]
        dataset.SOPInstanceUID = "1.2.3"

    edited(frames[1], edit)
    facts = reader.read(frames[1], by_pydicom=False)
    assert facts is not None
    assert facts.sop_instance_uid == "1.2.3"


def test_what_cannot_be_parsed_is_absent(tmp_path):
    frames = frames_of(tmp_path, n=2)
    path = Path(frames[0].path)
    content = path.read_bytes()
    thickness = str(dcmread(path).SliceThickness).encode()
    at = content.index(b"\x18\x00\x50\x00DS")
    start = content.index(thickness, at)
    path.write_bytes(content[:start] + b"?" * len(thickness) + content[start + len(thickness) :])
    facts = HeaderReader().read(frames[0], by_pydicom=True)
    assert facts is not None
    assert facts.numbers["SliceThickness"] == ()
    assert set(facts.texts) | set(facts.numbers) == set(COMPARED)


def test_a_file_that_cannot_be_read_is_counted(tmp_path):
    frames = frames_of(tmp_path, n=2)
    path = Path(frames[0].path)
    path.unlink()
    reader = HeaderReader()
    assert reader.read(frames[0], by_pydicom=True) is None
    assert (reader.unreadable, reader.readers) == (1, {})


def with_first_pixels(frame: Frame, content: bytes) -> None:
    def edit(dataset: Dataset) -> None:
        dataset.PixelData = content + dataset.PixelData[len(content) :]

    edited(frame, edit)


def test_pixels_that_look_like_tags_are_no_header(tmp_path):
    """Dark pixels of 8, 16, 24 and 32 are the tags of SOPInstanceUID and PatientID."""
    frames = frames_of(tmp_path, n=4)
    with_first_pixels(frames[1], b"\x08\0\x18\0" * 4)
    with_first_pixels(frames[2], b"\x10\0\x20\0\x20\0\x0d\0\x28\0\x10\0")
    with_first_pixels(frames[3], b"\xe0\x7f\x10\0")
    reader = HeaderReader()
    for frame in frames:
        assert reader.read(frame, by_pydicom=False) is not None
    assert reader.readers == {READER: 1, SAME_BYTES: 3}


def hide_header(dataset: Dataset, of: Path) -> None:
    """Put another header, up to its first pixels, into an element before those of the patient."""
    content = of.read_bytes()
    end = content.index(b"\xe0\x7f\x10\0") + 64
    dataset.private_block(0x0009, "TEST", create=True).add_new(0x10, "OB", content[132:end])
    dataset.PatientID = "ANOTHER"


def test_a_whole_header_within_an_element_is_not_taken_for_that_of_the_file(tmp_path):
    frames = frames_of(tmp_path, n=3)
    reader = HeaderReader()
    reader.read(frames[0], by_pydicom=False)
    edited(frames[1], lambda dataset: hide_header(dataset, Path(frames[1].path)))
    facts = reader.read(frames[1], by_pydicom=False)
    assert facts is not None
    assert facts.texts["PatientID"] == "ANOTHER"
    again = reader.read(frames[2], by_pydicom=False)
    assert again is not None
    assert again.texts["PatientID"] != "ANOTHER"
    assert reader.readers == {READER: 2, SAME_BYTES: 1}


def test_a_header_with_the_start_of_pixels_in_a_value_is_remembered_whole(tmp_path):
    frames = frames_of(tmp_path, n=3)

    def edit(dataset: Dataset) -> None:
        block = dataset.private_block(0x0009, "TEST", create=True)
        block.add_new(0x10, "OB", b"\xe0\x7f\x10\0OW\0\0\0\x02\0\0")

    for frame in frames:
        edited(frame, edit)
    edited(frames[2], lambda dataset: setattr(dataset, "KVP", "80"))
    reader = HeaderReader()
    found = [reader.read(frame, by_pydicom=False) for frame in frames]
    assert reader.readers == {READER: 2, SAME_BYTES: 1}
    assert found[2] is not None
    assert found[2].numbers["KVP"] == (80.0,)
