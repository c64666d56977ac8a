"""The fragments of encapsulated pixel data, one after the other (PS3.5 A.4)."""

import struct
from collections.abc import Iterator

from ..codes import Code
from ..errors import FileError
from .header import ByteSource
from .tags import ITEM, SEQUENCE_END

Place = tuple[int, int]
"""(offset, length) of bytes in a source."""


def walk_items(source: ByteSource, position: int, *, little_endian: bool) -> Iterator[Place]:
    """The Basic Offset Table, which may be empty, then each fragment.

    The walk ends at the delimiter, or where the file ends before one: whether a stream is whole is
    seen by its own end marker. An item that reaches beyond the end of the file is the last.

    Parameters
    ----------
    position
        Of the value of the pixel data element.

    Raises
    ------
    FileError
        Something that is no item lies between the items.
    """
    head = struct.Struct("<HHI" if little_endian else ">HHI")
    while len(content := source.read(position, head.size)) == head.size:
        group, element, length = head.unpack(content)
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise FileError(Code.CANNOT_DECODE, "the fragments of the pixel data are damaged")
        start = position + head.size
        yield start, length
        position = start + length
        if position > source.size:
            return
