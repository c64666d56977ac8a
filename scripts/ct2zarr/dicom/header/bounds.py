"""Bounds of a header, so that no file takes minutes or gigabytes to read.

A file is not to be trusted: a few bytes can declare any size, and a header may consist of millions
of elements. Each bound is far above what scanners write. A file beyond one is unreadable, and its
reason says what was too large.
"""

import struct

from ...codes import Code
from ...errors import FileError
from ..tags import ITEM, ITEM_END, SEQUENCE_END, UNDEFINED_LENGTH
from .raw_header import LONG_VRS, ByteSource

LARGEST_HEADER = 1 << 27
"""Bytes that are read to find the pixel data. The largest headers are those of enhanced objects:
2 KiB for each frame, which are read twice."""

LARGEST_UNUSUAL_HEADER = 1 << 24
"""The same for headers that pydicom reads, which takes ten times as long."""

LARGEST_UNPACKED = 1 << 28
"""Bytes to which a deflated data set may unpack; it is unpacked in memory."""

MOST_ELEMENTS = 1 << 21
"""Elements in the functional groups of a file: a hundred for each of 20,000 frames."""

MOST_TOP_LEVEL_ELEMENTS = 1 << 19
"""Elements of a header beside those in sequences; a header of a CT image has a hundred."""

COUNTED_FROM = 1 << 22
"""Bytes of functional groups from which their elements are counted before they are parsed."""

_BYTES_PER_MB = 1 << 20
_SMALLEST_ELEMENT = 8


class BoundedSource:
    """A ``ByteSource`` of which at most ``limit`` bytes can be read."""

    __slots__ = ("left", "limit", "size", "source")

    def __init__(self, source: ByteSource, limit: int) -> None:
        self.source = source
        self.size = source.size
        self.limit = self.left = limit

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``.

        Raises
        ------
        FileError
            Too much was read.
        """
        self.check_left(length)
        self.left -= length
        return self.source.read(offset, length)

    def check_left(self, length: int) -> None:
        """Raise FileError where ``length`` bytes more are too many."""
        if length > self.left:
            raise FileError(
                Code.TOO_LARGE,
                "the header is too large: its pixel data are not found within {limit} MB",
                limit=self.limit // _BYTES_PER_MB,
            )


def too_many_elements() -> FileError:
    """The error of a header with too many elements at its top level."""
    return FileError(
        Code.TOO_LARGE,
        "the header is too large: it has more than {limit} elements",
        limit=MOST_TOP_LEVEL_ELEMENTS,
    )


def unpacks_too_large() -> FileError:
    """The error of a deflated file beyond its bound."""
    return FileError(
        Code.TOO_LARGE,
        "the file is deflated and unpacks to more than {limit} MB",
        limit=LARGEST_UNPACKED // _BYTES_PER_MB,
    )


def check_elements(content: bytes, *, explicit: bool) -> None:
    """Check that a sequence can be parsed in reasonable time and memory.

    Raises
    ------
    FileError
        It has more than ``MOST_ELEMENTS``.
    """
    if len(content) <= COUNTED_FROM or _count(content, explicit) <= MOST_ELEMENTS:
        return
    raise FileError(
        Code.TOO_LARGE,
        "the functional groups are too large: they have more than {limit} elements",
        limit=MOST_ELEMENTS,
    )


def _count(content: bytes, explicit: bool) -> int:
    """Elements and items at any depth, or more than that where the encoding is unusual."""
    count = position = 0
    last = len(content) - 12
    while position <= last and count <= MOST_ELEMENTS:
        count += 1
        group, element, vr, short, long = struct.unpack_from("<HH2sHI", content, position)
        tag = group << 16 | element
        position += 8
        if tag in (ITEM, ITEM_END, SEQUENCE_END):
            continue
        if not explicit:
            (length,) = struct.unpack_from("<I", content, position - 4)
            nested = length == UNDEFINED_LENGTH
        elif vr in LONG_VRS:
            position, length, nested = position + 4, long, vr == b"SQ"
            if length == UNDEFINED_LENGTH and not nested:  # implicit VR in explicit VR
                return count + (len(content) - position) // _SMALLEST_ELEMENT
        else:
            length, nested = short, False
        if not nested:
            position += length
    return count
