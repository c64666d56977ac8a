"""Two readers of one header, the scan's and pydicom's, say the same of whatever a file holds."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydicom import Dataset

from ct2zarr.dicom.decoding import SourceReader, StoredFrame
from ct2zarr.dicom.element_values import read_as_meant, read_float, read_uid, vector_reader
from ct2zarr.dicom.frames import read_frames
from ct2zarr.dicom.header import RawHeader
from ct2zarr.dicom.metadata import TagCollector
from ct2zarr.dicom.rescale import Rescale
from ct2zarr.dicom.source_headers import (
    IMAGE_POSITION,
    RESCALE_INTERCEPT,
    RESCALE_SLOPE,
    WANTED,
    FrameHeader,
    FrameHeaders,
)
from ct2zarr.dicom.tags import PER_FRAME_GROUPS, SHARED_GROUPS, SOP_INSTANCE_UID
from ct2zarr.model import Frame
from ct2zarr.run.settings import MetadataSettings
from ct2zarr.vocabulary import Role
from phantom import make_multiframe, make_series, real_set


def header_of(**values: tuple[str, bytes]) -> RawHeader:
    tags = {
        "uid": SOP_INSTANCE_UID, "position": IMAGE_POSITION,
        "slope": RESCALE_SLOPE, "intercept": RESCALE_INTERCEPT,
    }  # fmt: skip
    raws = {tags[name]: raw for name, raw in values.items()}
    return RawHeader(0, raws, {}, True, "", "", "", None)


def read_again(header: RawHeader) -> FrameHeader:
    stored = StoredFrame(np.zeros((1, 1), np.int16), header, "native")
    return FrameHeaders().of(stored, Frame("d", "/", "/a", 0, 0, Role.SLICE))


def scanned(tag: int, reader, raw: bytes):
    value, _ = read_as_meant(tag, reader, "DS", raw, header_of())
    return value


NUMBERS = st.text("0123456789+-.eE_ \\,nafi", max_size=12).map(str.encode)
PADDING = st.text("\0 \t\r\n", max_size=3).map(str.encode)
"""PS3.5 6.2 allows spaces around a number; zeros and ends of lines there mean nothing either."""


def padded(before: bytes, number: bytes, behind: bytes) -> bytes:
    return before + number + behind


@given(
    slope=st.builds(padded, PADDING, NUMBERS, PADDING),
    intercept=st.builds(padded, PADDING, NUMBERS, PADDING),
)
@example(slope=b"\0001", intercept=b"\0-1024 ")
@example(slope=b"1_5", intercept=b"nan")
@example(slope=b"1\\1", intercept=b"1e400")
@example(slope=b"\0\0", intercept=b" 2.5\0")
@example(slope=b"2\0\0", intercept=b"-0")
@pytest.mark.filterwarnings("ignore")
def test_the_rescale_is_one_whatever_the_text(slope, intercept):
    again = read_again(header_of(slope=("DS", slope), intercept=("DS", intercept)))
    expected = Rescale.declared(
        scanned(RESCALE_SLOPE, read_float, slope),
        scanned(RESCALE_INTERCEPT, read_float, intercept),
    )
    assert (again.slope, again.intercept) == (expected.slope, expected.intercept)


@pytest.mark.parametrize(
    "text",
    [
        "-1024,0",
        "-1024\\-1024",
        "-1,024",
        "1,000",
        "-1024,",
        "nan",
        "1\\2",
        "-1024\\",
        "1_5,0",
        "\0-1024",
        "\0-1024,5 ",
        "-10\x0024",
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_irregular_numbers_are_the_same_to_the_scan_and_to_the_verification(text):
    again = read_again(header_of(slope=("DS", b"1"), intercept=("DS", text.encode())))
    due, _ = read_as_meant(RESCALE_INTERCEPT, read_float, "DS", text.encode(), header_of())
    assert (again.intercept, again.rescaled) == (due or 0.0, due is not None)


@pytest.mark.parametrize(
    "text", ["-12,5\\-10,125\\2,5", "1,5\\2.5\\3", "1\\2", "1\\\\3", "1,2,3\\1\\1"]
)
@pytest.mark.filterwarnings("ignore")
def test_irregular_positions_are_the_same_to_the_scan_and_to_the_verification(text):
    raw = text.encode()
    due, _ = read_as_meant(IMAGE_POSITION, vector_reader(3), "DS", raw, header_of())
    assert read_again(header_of(position=("DS", raw))).position == due


@given(numbers=st.lists(NUMBERS, min_size=3, max_size=3))
@example(numbers=[b"1", b"", b"3"])
@example(numbers=[b"1", b"nan", b"3"])
@pytest.mark.filterwarnings("ignore")
def test_the_position_is_one_whatever_the_text(numbers):
    raw = b"\\".join(numbers)
    assert read_again(header_of(position=("DS", raw))).position == scanned(
        IMAGE_POSITION, vector_reader(3), raw
    )


@given(raw=st.text("0123456789. \0\t\r\n\\é", max_size=20).map(lambda text: text.encode("latin-1")))
@example(raw=b"1.2.3\t")
@example(raw=b" 1.2.3\0\n")
@example(raw=b"1.2\\3.4")
@example(raw=b"1\0.2")
@pytest.mark.filterwarnings("ignore")
def test_the_uid_is_one_whatever_the_bytes(raw):
    assert read_again(header_of(uid=("UI", raw))).sop_instance_uid == read_uid(
        "UI", raw, header_of()
    )


def test_a_number_of_another_vr_is_no_uid():
    assert read_again(header_of(uid=("US", b"\x01\x00"))).sop_instance_uid == ""


def test_without_elements_there_is_no_position_and_the_default_rescale():
    assert read_again(header_of()) == FrameHeader("", None, 1.0, 0.0, False)


def test_a_frame_has_its_own_values_before_those_of_all_frames(tmp_path):
    series = make_multiframe(tmp_path, n=3, intercept=[-1024, -1000, -900])
    frames = read_frames("d", str(tmp_path), str(series.paths[0]))
    place = {number: index for index, number in enumerate(series.frames)}
    headers = FrameHeaders()
    with SourceReader(WANTED) as reader:
        for frame in frames:
            found = headers.of(reader.read(frame), frame)
            index = place[frame.frame_number]
            assert found.position == pytest.approx(tuple(series.positions[index]))
            assert found.intercept == [-1024, -1000, -900][index]


# A UID that a file holds is one thing to all who read it ------------------------------------------


UIDS = {
    "tab": b"\t", "line feed": b"\n", "space": b" ", "zero": b"\0", "carriage return": b"\r",
}  # fmt: skip


def with_uid_end(folder: Path, end: bytes) -> tuple[Path, str]:
    """A real file whose SOPInstanceUID ends in other bytes, in the data set and the meta group."""
    source = real_set("pydicom_ct") / "CT_small.dcm"
    content = source.read_bytes()
    uid = read_frames("d", "/", str(source))[0].sop_instance_uid.encode()
    assert content.count(uid) == 2
    path = folder / "patched.dcm"
    path.write_bytes(content.replace(uid, uid[:-1] + end))
    return path, uid[:-1].decode()


@pytest.mark.parametrize("end", UIDS.values(), ids=UIDS)
def test_a_uid_with_stray_padding_is_one_to_scan_decoder_table_and_verifier(tmp_path, end):
    path, uid = with_uid_end(tmp_path, end)
    (frame,) = read_frames("d", str(tmp_path), str(path))
    collector = TagCollector(MetadataSettings())
    with SourceReader({*collector.wanted, *WANTED}) as reader:
        stored = reader.read(frame)
    collector.add(frame, stored.header)
    table = collector.finish(str(tmp_path)).slices
    assert frame.sop_instance_uid == uid
    assert table.column("SOPInstanceUID") == (uid,)
    assert FrameHeaders().of(stored, frame).sop_instance_uid == uid


def test_a_frame_of_one_file_is_not_mixed_with_that_of_another(tmp_path):
    def edit(index: int, dataset: Dataset) -> None:
        dataset.RescaleIntercept = -1000 - index

    series = make_series(tmp_path, n=2, edit=edit)
    headers = FrameHeaders()
    found = []
    with SourceReader(WANTED) as reader:
        for path in series.paths:
            (frame,) = read_frames("d", str(tmp_path), str(path))
            found.append(headers.of(reader.read(frame), frame))
    assert len({header.sop_instance_uid for header in found}) == 2
    assert {header.intercept for header in found} == {-1000.0, -1001.0}
    assert all(math.isfinite(header.slope) for header in found)


def test_a_replaced_frame_number_beyond_the_groups_takes_what_is_shared(tmp_path):
    series = make_multiframe(tmp_path, n=2)
    frame = read_frames("d", str(tmp_path), str(series.paths[0]))[1]
    with SourceReader(WANTED) as reader:
        stored = reader.read(frame)
    beyond = replace(frame, frame_number=3)
    assert FrameHeaders().of(stored, beyond).position is None


def test_an_element_of_the_frame_comes_before_the_shared_one_and_that_before_the_files():
    def group(slope: float, intercept: float | None = None) -> Dataset:
        values = Dataset()
        values.RescaleSlope = slope
        if intercept is not None:
            values.RescaleIntercept = intercept
        item = Dataset()
        item.PixelValueTransformationSequence = [values]
        return item

    groups = {PER_FRAME_GROUPS: [group(2.0)], SHARED_GROUPS: [group(3.0, -7.0)]}
    header = replace(header_of(slope=("DS", b"4"), intercept=("DS", b"-9")), groups=groups)
    found = read_again(header)
    assert (found.slope, found.intercept) == (2.0, -7.0)


@pytest.mark.parametrize("raw", [b"1\\2", b"1\\2\\3\\4"])
def test_a_position_has_three_numbers(raw):
    assert read_again(header_of(position=("DS", raw))).position is None


def test_the_first_item_of_a_macro_is_the_one_that_counts():
    items = [Dataset(), Dataset()]
    items[0].RescaleSlope, items[1].RescaleSlope = 2.0, 3.0
    items[0].RescaleIntercept = items[1].RescaleIntercept = -1024.0
    group = Dataset()
    group.PixelValueTransformationSequence = items
    header = replace(header_of(), groups={SHARED_GROUPS: [group]})
    assert read_again(header).slope == 2.0
