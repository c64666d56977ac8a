"""Both ways through a header find the same elements, wherever those lie in the file."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from byte_source import Bytes
from ct2zarr.codes import Code
from ct2zarr.dicom.header import PixelPlace, RawHeader, read_header
from ct2zarr.dicom.header.raw_header import LONGEST_VALUE, TOO_LONG
from ct2zarr.dicom.header.with_pydicom import read_with_pydicom
from ct2zarr.dicom.tags import PER_FRAME_GROUPS, PIXEL_DATA, SHARED_GROUPS
from ct2zarr.errors import FileError
from phantom import make_multiframe

EXPLICIT, IMPLICIT = b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0"
WINDOW = 16384
"""Bytes that the direct walk reads at once."""

LAST = 0x00280010
WANTED = frozenset({0x00080060, 0x00200013, LAST, SHARED_GROUPS, PER_FRAME_GROUPS})


def element(tag: int, vr: bytes, value: bytes, *, explicit: bool = True) -> bytes:
    """An element with a value of even length."""
    value += b" " * (len(value) % 2)
    place = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if not explicit:
        return place + struct.pack("<I", len(value)) + value
    if vr in (b"OB", b"OW", b"UT", b"UN", b"SQ"):
        return place + vr + struct.pack("<HI", 0, len(value)) + value
    return place + vr + struct.pack("<H", len(value)) + value


def dicom(*elements: bytes, syntax: bytes = EXPLICIT) -> bytes:
    """A file with a meta group of the transfer syntax alone."""
    meta = element(0x00020010, b"UI", syntax)
    length = element(0x00020000, b"UL", struct.pack("<I", len(meta)))
    return bytes(128) + b"DICM" + length + meta + b"".join(elements)


def filler(size: int, *, explicit: bool = True) -> bytes:
    """A private element that takes ``size`` bytes in all."""
    head = 12 if explicit else 8
    return element(0x00190010, b"OB", bytes(size - head), explicit=explicit)


def read(content: bytes) -> RawHeader:
    return read_header(Bytes(content), WANTED)[0]


def pixels(explicit: bool = True) -> bytes:
    return element(PIXEL_DATA, b"OW", b"abcd", explicit=explicit)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("end", [*range(WINDOW - 32, WINDOW + 14, 2), 2 * WINDOW, 2 * WINDOW - 12])
def test_an_element_is_found_wherever_a_window_ends(explicit, end):
    syntax = EXPLICIT if explicit else IMPLICIT
    modality = element(0x00080060, b"CS", b"CT", explicit=explicit)
    before = len(dicom(modality, syntax=syntax))
    content = dicom(
        modality,
        filler(end - before, explicit=explicit),
        element(0x00200013, b"IS", b"12", explicit=explicit),
        element(LAST, b"US", b"\x05\x00", explicit=explicit),
        pixels(explicit),
        syntax=syntax,
    )
    header = read(content)
    assert header.problem is None
    assert {tag: raw for tag, (_, raw) in header.values.items()} == {
        0x00080060: b"CT", 0x00200013: b"12", LAST: b"\x05\x00",
    }  # fmt: skip
    assert header.pixels == PixelPlace(PIXEL_DATA, len(content) - 4, 4)


@pytest.mark.parametrize("explicit", [True, False])
@pytest.mark.parametrize("end", [100, WINDOW - 8, WINDOW, WINDOW + 2])
def test_a_file_may_end_with_an_element_of_no_value(explicit, end):
    syntax = EXPLICIT if explicit else IMPLICIT
    before = len(dicom(syntax=syntax))
    size = max(end - before, 20)
    content = dicom(
        filler(size, explicit=explicit),
        element(LAST, b"US", b"", explicit=explicit),
        syntax=syntax,
    )
    header = read(content)
    assert header.problem is None
    assert header.values[LAST][1] == b""
    assert header.pixels is None


@pytest.mark.parametrize("lost", range(1, 10))
def test_a_header_that_ends_inside_an_element_says_where(lost):
    begin = len(dicom(filler(40)))
    content = dicom(filler(40), element(LAST, b"US", b"\x05\x00"))[:-lost]
    header = read(content)
    assert header.problem is not None
    assert header.problem.code is Code.DAMAGED
    assert header.problem.facts["position"] == begin
    assert header.problem.path is None


def test_a_value_may_be_long_but_not_endless():
    taken = read(dicom(element(LAST, b"UT", b"x" * LONGEST_VALUE)))
    assert len(taken.values[LAST][1]) == LONGEST_VALUE
    refused = read(dicom(element(LAST, b"UT", b"x" * (LONGEST_VALUE + 2))))
    assert refused.values[LAST] == TOO_LONG


@pytest.mark.parametrize(
    "elements",
    [
        [element(0x00200013, b"IS", b"12"), element(0x00080060, b"CS", b"CT")],
        [element(0x00080060, b"CS", b"CT"), element(0x00080060, b"CS", b"MR")],
    ],
)
def test_tags_that_do_not_ascend_are_left_to_pydicom(elements):
    content = dicom(*elements, pixels())
    assert read(content).values == read_with_pydicom(Bytes(content), WANTED).values


def stated(header: RawHeader) -> dict[int, tuple[str, bytes]]:
    """Elements with a value: pydicom gives an empty one like an absent one."""
    return {tag: raw for tag, raw in header.values.items() if raw[1]}


@given(
    numbers=st.lists(
        st.tuples(st.sampled_from([0x00080060, 0x00200013, 0x00200020, LAST]), st.binary()),
        max_size=4,
        unique_by=lambda pair: pair[0],
    ),
    with_pixels=st.booleans(),
)
def test_the_direct_walk_and_pydicom_agree(numbers, with_pixels):
    parts = [element(tag, b"OB", value) for tag, value in sorted(numbers)]
    content = dicom(element(0x00080005, b"CS", b"ISO_IR 100"), *parts, *[pixels()] * with_pixels)
    direct, other = read(content), read_with_pydicom(Bytes(content), WANTED)
    assert stated(direct) == stated(other)
    assert direct.pixels == other.pixels
    assert direct.transfer_syntax == other.transfer_syntax == "1.2.840.10008.1.2.1"


def test_groups_are_the_same_by_both_ways(tmp_path: Path):
    path = make_multiframe(tmp_path, n=3).paths[0]
    source = Bytes(path.read_bytes())
    direct, other = read_header(source, WANTED)[0], read_with_pydicom(source, WANTED)
    assert set(direct.groups) == {SHARED_GROUPS, PER_FRAME_GROUPS}
    assert direct.groups == other.groups
    assert len(direct.groups[PER_FRAME_GROUPS]) == 3


def test_a_usual_header_costs_one_read():
    content = dicom(element(0x00080060, b"CS", b"CT"), filler(4000), pixels())
    source = Bytes(content)
    read_header(source, WANTED)
    assert len(source.reads) == 1


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", Code.EMPTY_FILE),
        (bytes(50), Code.EMPTY_FILE),
        (bytes(200), Code.EMPTY_FILE),
        (b"notes", Code.NOT_DICOM),
        (bytes(199) + b"x", Code.NOT_DICOM),
        (b"PK\3\4" + bytes(200), Code.COMPRESSED_FILE),
        (b"\x1f\x8b" + bytes(200), Code.COMPRESSED_FILE),
        (b"folder/scan.dcm".ljust(257, b"\0") + b"ustar" + bytes(250), Code.COMPRESSED_FILE),
    ],
)
def test_what_is_no_dicom_is_refused_without_its_name(content, code):
    with pytest.raises(FileError) as caught:
        read(content)
    assert caught.value.code is code
    assert str(caught.value).startswith("the file ")


@pytest.mark.parametrize(
    ("start", "is_dicom"),
    [
        (b"\x08\0\x05\0CS\x0a\0ISO_IR 100", True),
        (b"\x08\0\x05\0\x0a\0\0\0ISO_IR 100", True),
        (b"\x02\0\0\0UL\x04\0\0\0\0\0\x02\0\x10\0UI\0\0", True),
        (b"\0\x08\0\x05CS\0\x0aISO_IR 100", True),
        (b"\x08\0\x01\x01CS\x0a\0ISO_IR 100", False),
        (b"\x09\0\x05\0CS\x0a\0ISO_IR 100", False),
        (b"\x08\0\x05\0\xff\0\0\0ISO_IR 100", False),
        (b"\x08\0\x05\0CS\x0b\0ISO_IR 10", False),
        (b"\x08\0\x05\0CS", False),
    ],
)
def test_a_file_without_its_mark_has_to_begin_like_a_data_set(start, is_dicom):
    if is_dicom:
        assert read(start).pixels is None
    else:
        with pytest.raises(FileError) as caught:
            read(start)
        assert caught.value.code is Code.NOT_DICOM


def test_a_data_set_that_is_explicit_in_truth_is_read_as_such():
    content = dicom(
        element(0x00080060, b"CS", b"CT"), element(LAST, b"US", b"\x05\0"), syntax=IMPLICIT
    )
    header = read(content)
    assert header.values[0x00080060] == ("CS", b"CT")
    assert header.values[LAST] == ("US", b"\x05\0")


def test_a_file_that_ends_in_its_meta_information_is_damaged_and_not_something_else():
    whole = dicom()
    for size in range(132, len(whole) + 1):
        with pytest.raises(FileError, match="ends inside its header") as caught:
            read(whole[:size])
        assert caught.value.code is Code.DAMAGED, size
