"""The walk over encapsulated pixel data: where each item lies, and where the walk ends."""

import pytest

from byte_source import END, Bytes, item
from ct2zarr.codes import Code
from ct2zarr.dicom.fragments import walk_items
from ct2zarr.errors import FileError


def places(content: bytes, position: int = 0, *, little: bool = True) -> list[tuple[int, int]]:
    return list(walk_items(Bytes(content), position, little_endian=little))


def test_items_are_walked_to_the_delimiter_and_not_beyond():
    content = b"head" + item(b"") + item(b"abcd") + item(b"ef") + END + item(b"behind")
    assert places(content, 4) == [(12, 0), (20, 4), (32, 2)]


def test_big_endian_items_are_walked_too():
    assert places(item(b"abcd", "big") + item(b"ef", "big"), little=False) == [(8, 4), (20, 2)]


@pytest.mark.parametrize("rest", [b"", b"\xfe\xff\x00\xe0\x04\0\0"])
def test_a_walk_without_a_delimiter_ends_with_the_file(rest):
    assert places(item(b"abcd") + rest) == [(8, 4)]


def test_an_item_beyond_the_end_is_the_last():
    content = item(b"abcd")[:-1]
    assert places(content) == [(8, 4)]
    longer = item(b"abcd") + item(b"efgh")[:-4]
    assert places(longer) == [(8, 4), (20, 4)]


def test_something_that_is_no_item_is_damage():
    with pytest.raises(FileError) as caught:
        places(item(b"") + b"\x10\x00\x20\x00\x04\0\0\0abcd")
    assert caught.value.code is Code.CANNOT_DECODE
    assert str(caught.value) == "the fragments of the pixel data are damaged"
