"""Headers that repeat each other: taken in long steps, and read to the letter all the same."""

import struct

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from byte_source import Bytes
from ct2zarr.dicom.header import RawHeader, read_header
from ct2zarr.dicom.header.repeated_runs import RepeatedRuns, repeated_runs
from ct2zarr.dicom.tags import PER_FRAME_GROUPS, PIXEL_DATA, SHARED_GROUPS

TAGS = (*range(0x00180010, 0x00180022), SHARED_GROUPS, PER_FRAME_GROUPS)
WANTED = frozenset({*TAGS[::2], SHARED_GROUPS, PER_FRAME_GROUPS})
ONE_ITEM = b"\xfe\xff\x00\xe0\x08\0\0\0\x18\0\x50\0IS\0\0"
NO_LENGTH = struct.pack("<HHHHI", 0x18, 0x30, 0, 0, 0)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    place = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if vr in (b"SQ", b"OW"):
        return place + vr + struct.pack("<HI", 0, len(value)) + value
    return place + vr + struct.pack("<H", len(value)) + value


def dicom(elements: list[tuple[int, bytes]], end: bytes) -> bytes:
    meta = element(0x00020010, b"UI", b"1.2.840.10008.1.2.1\0")
    length = element(0x00020000, b"UL", struct.pack("<I", len(meta)))
    parts = [
        element(tag, b"SQ", ONE_ITEM) if tag >= SHARED_GROUPS else element(tag, b"LO", value)
        for tag, value in elements
    ]
    return bytes(128) + b"DICM" + length + meta + b"".join(parts) + end


def read(content: bytes) -> RawHeader:
    return read_header(Bytes(content), WANTED)[0]


def facts_of(header: RawHeader) -> tuple[object, ...]:
    problem = None if header.problem is None else str(header.problem)
    return dict(header.values), header.groups, header.pixels, header.bad_elements, problem


PIXELS = element(PIXEL_DATA, b"OW", b"abcd")
ENDS = (PIXELS, b"", PIXELS[:7], element(PIXEL_DATA, b"OW", bytes(300))[:-200])
HEADERS = st.lists(
    st.tuples(
        st.dictionaries(
            st.sampled_from(TAGS),
            st.sampled_from([b"A ", b"A ", b"A ", b"AB", b"long", b"", b"x" * 17000]),
            min_size=8,
        ).map(lambda drawn: sorted(drawn.items())),
        st.sampled_from(ENDS),
    ),
    min_size=2,
    max_size=6,
)
SAME = [(tag, b"A ") for tag in TAGS]


@given(HEADERS)
@example([(SAME, PIXELS)] * 4 + [(SAME[:9], b""), ([*SAME[:9], (TAGS[9], b"AB")], PIXELS)])
@example([(SAME, PIXELS)] * 3 + [([(TAGS[0], b"x" * 17000), *SAME[1:]], PIXELS)])
def test_a_header_is_read_as_if_it_were_the_first(headers):
    contents = [dicom(*header) for header in headers]
    alone = []
    for content in contents:
        repeated_runs.cache_clear()
        alone.append(facts_of(read(content)))
    repeated_runs.cache_clear()
    assert [facts_of(read(content)) for content in contents] == alone


def test_a_file_that_ends_inside_a_run_is_cut_short_there():
    contents = [dicom(SAME, PIXELS)] * 3
    for content in contents:
        read(content)
    cut = dicom(SAME, b"")[:-40]
    found = read(cut)
    repeated_runs.cache_clear()
    assert facts_of(found) == facts_of(read(cut))
    assert found.problem is not None


def runs_after(*headers: list[tuple[int, bytes]]) -> RepeatedRuns:
    repeated_runs.cache_clear()
    for elements in headers:
        read(dicom(elements, PIXELS))
    return repeated_runs(True, WANTED)


def lengths(runs: RepeatedRuns) -> list[int]:
    return sorted(len(run.parts) for run in runs.by_head.values())


PLAIN = SAME[:18]


def varied(value: bytes, at: int = 6) -> list[tuple[int, bytes]]:
    return [*PLAIN[:at], (PLAIN[at][0], value), *PLAIN[at + 1 :]]


def test_elements_that_two_headers_share_make_runs_around_one_that_varies():
    assert lengths(runs_after(varied(b"B "))) == []
    assert lengths(runs_after(varied(b"B "), varied(b"C "))) == [6, 11]


def test_groups_of_frames_are_in_no_run():
    assert lengths(runs_after(SAME, SAME)) == [18]


def test_another_series_is_learned_from_its_first_two_headers():
    other = [(tag, b"other ") for tag, _ in PLAIN]
    assert lengths(runs_after(PLAIN, PLAIN, other)) == []
    assert lengths(runs_after(PLAIN, PLAIN, other, other)) == [18]


def test_an_element_that_begins_to_vary_divides_its_run():
    series = [PLAIN, PLAIN, PLAIN, varied(b"B "), varied(b"C "), varied(b"D ")]
    assert lengths(runs_after(*series)) == [6, 11]


def test_a_header_that_differs_once_changes_no_run():
    split = [varied(b"B "), varied(b"C ")]
    assert lengths(runs_after(*split, varied(b"D "), varied(b"E ", at=0), varied(b"F "))) == [6, 11]


@pytest.mark.parametrize("before", [0, 1, 17])
def test_a_run_behind_a_tag_that_it_may_not_follow_is_left_to_pydicom(before):
    """Tags have to ascend, wherever the earlier headers had the same bytes."""
    content = dicom([(PLAIN[before][0], b"B "), *PLAIN], PIXELS)
    repeated_runs.cache_clear()
    alone = facts_of(read(content))
    assert lengths(runs_after(PLAIN, PLAIN)) == [18]
    assert facts_of(read(content)) == alone


def test_runs_have_the_tags_of_their_ends():
    (run,) = runs_after(PLAIN, PLAIN).by_head.values()
    assert (run.first, run.last) == (PLAIN[0][0], PLAIN[-1][0])
