"""The items of encapsulated pixel data, one after the other."""

import struct

import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.fragments import walk_items
from ct2zarr.dicom.header.raw_header import Unpacked
from ct2zarr.errors import FileError

END = (0xFFFE, 0xE0DD, 0)


def items(*contents, little_endian=True, end=True):
    head = "<HHI" if little_endian else ">HHI"
    written = [struct.pack(head, 0xFFFE, 0xE000, len(one)) + one for one in contents]
    return b"".join(written) + (struct.pack(head, *END) if end else b"")


def places(content, start=0, little_endian=True):
    return list(walk_items(Unpacked(content), start, little_endian=little_endian))


@pytest.mark.parametrize("little_endian", [True, False])
def test_the_offset_table_comes_first_and_each_fragment_after_it(little_endian):
    content = b"head" + items(b"", b"abcd", b"ef", little_endian=little_endian) + b"behind"
    found = places(content, 4, little_endian)
    assert [content[start : start + length] for start, length in found] == [b"", b"abcd", b"ef"]


def test_the_walk_ends_with_the_file_where_the_delimiter_is_missing():
    assert places(items(b"", b"abcd", end=False)) == [(8, 0), (16, 4)]


def test_an_item_beyond_the_end_of_the_file_is_the_last():
    content = items(b"", b"abcd", b"ef")[: 8 + 8 + 2]
    assert places(content) == [(8, 0), (16, 4)]


def test_a_head_that_is_cut_short_ends_the_walk():
    assert places(items(b"", end=False) + b"\xfe\xff\x00") == [(8, 0)]


def test_something_else_between_the_items_is_damage():
    with pytest.raises(FileError) as raised:
        places(items(b"", end=False) + struct.pack("<HHI", 0x0010, 0x0010, 0))
    assert raised.value.code is Code.CANNOT_DECODE
