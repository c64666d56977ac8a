"""One header, unparsed: the bytes of the elements that a scan wants, and where the pixels lie."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydicom.charset import convert_encodings
from pydicom.dataset import Dataset
from pydicom.filereader import read_sequence

from ...errors import FileError

UNDEFINED = 0xFFFFFFFF
"""Length of an element whose end is marked by a delimiter."""

LONGEST_VALUE = 1 << 20
"""Bytes of a single value that is read; the values needed have a few dozen."""

PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
"""FloatPixelData, DoubleFloatPixelData and PixelData (PS3.3 C.7.6.3, C.7.6.24, C.7.6.25)."""
PIXEL_DATA = 0x7FE00010
CHARACTER_SET = 0x00080005
FUNCTIONAL_GROUPS = frozenset({0x52009229, 0x52009230})
"""Shared and PerFrameFunctionalGroupsSequence (PS3.3 C.7.6.16)."""


@dataclass(frozen=True, slots=True)
class PixelPlace:
    """Where the pixel data begin. ``length`` is ``None`` for encapsulated (undefined length)."""

    tag: int
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True)
class RawHeader:
    """The wanted elements of one file, unparsed.

    Attributes:
        size: bytes of the file, or of the unpacked stream of a deflated file.
        values: tag → (VR or "" where the encoding has none, value bytes).
        groups: tag of a functional groups sequence → its items.
        transfer_syntax: as in the file meta information, or as guessed where there is none.
        media_sop_class, media_sop_instance: as in the file meta information.
        pixels: ``None`` for an object without pixel data.
        bad_elements: functional groups that could not be parsed.
        problem: why the file is unreadable, where it ends inside its header; what was read up to
            there still tells its series. Completes the sentence "the file ...".
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
    problem: str = ""


class ByteSource(Protocol):
    """Bytes at offsets: a file, or a deflated file that was unpacked."""

    size: int

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""


class OpenFile:
    """An open file as a ``ByteSource``; one system call a read, no position kept."""

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
        f"ends inside its header (in the element at byte {position}): cut short or damaged",
        "damaged",
    )


def parse_items(
    content: bytes, explicit: bool, character_set: tuple[str, bytes] | None
) -> list[Dataset] | None:
    """Items of a sequence; ``None`` where pydicom cannot parse it."""
    encoding = None
    if character_set is not None:
        encoding = character_set[1].decode("ascii", "replace").strip(" \0").split("\\")
    try:
        return list(
            read_sequence(
                io.BytesIO(content), not explicit, True, len(content), convert_encodings(encoding)
            )
        )
    except Exception:  # noqa: BLE001 - pydicom raises many kinds; the caller counts the element
        return None
