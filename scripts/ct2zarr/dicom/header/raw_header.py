"""One header, unparsed: the bytes of the elements that are wanted, and where the pixels lie."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from ...codes import Code
from ...errors import FileError
from ..header_text import encodings_of

LONGEST_VALUE = 1 << 16
"""Bytes of a single value that is read; the values needed have a few dozen."""

TOO_LONG = ("SQ", b"\xff")
"""Stands for a longer value, which no reader of values can parse: the element counts as bad."""


LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""VRs with a length of 32 bits (PS3.5 table 7.1-1)."""


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixel data begin. ``length`` is ``None`` for encapsulated (undefined length)."""

    tag: int
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class RawHeader:
    """The wanted elements of one file, unparsed.

    Attributes
    ----------
    size
        Bytes of the file, or of the unpacked stream of a deflated file.
    values
        Tag → (VR or "" where the encoding has none, value bytes).
    groups
        Tag of a functional groups sequence → its items.
    transfer_syntax
        As in the file meta information, or as guessed where there is none.
    media_sop_class, media_sop_instance
        As in the file meta information.
    pixels
        ``None`` for an object without pixel data.
    bad_elements
        Functional groups that could not be parsed.
    problem
        Why the file is unreadable, where it ends inside its header or the header is too large; the
        elements before that point still say which series it belongs to.
    """

    size: int
    values: Mapping[int, tuple[str, bytes]]
    groups: Mapping[int, list[Dataset]]
    little_endian: bool
    transfer_syntax: str
    media_sop_class: str
    media_sop_instance: str
    pixels: PixelPlace | None
    bad_elements: int = 0
    problem: FileError | None = None


class ByteSource(Protocol):
    """Bytes at offsets: a file, or a deflated file that was unpacked."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""


class OpenFile:
    """An open file as a ``ByteSource``; each read is one system call and moves no position."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        return os.pread(self.descriptor, length, offset)


class Unpacked:
    """Bytes in memory as a ``ByteSource``."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        return self.content[offset : offset + length]


def cut_short(position: int) -> FileError:
    """The error of a file that ends inside its header."""
    return FileError(
        Code.DAMAGED,
        "the file ends inside its header, in the element at byte {position}:"
        " it is cut short or damaged",
        position=position,
    )


def parse_items(
    content: bytes, explicit: bool, character_set: tuple[str, bytes] | None
) -> list[Dataset] | None:
    """Items of a sequence; ``None`` where pydicom cannot parse it.

    ``bounds.check_elements`` has to have found it small enough.
    """
    try:
        encodings = encodings_of(b"" if character_set is None else character_set[1])
        return list(read_sequence(io.BytesIO(content), not explicit, True, len(content), encodings))
    except Exception:  # noqa: BLE001 - pydicom raises many kinds; the caller counts the element
        return None
