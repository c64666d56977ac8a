"""The directory of a zip file: which entries there are, and where (APPNOTE.TXT, 4.3 to 4.5).

It is read once, within a bound, and an entry is taken apart when it is asked for: a store has
hundreds, and a patch needs a few. ``zipfile`` makes an object of each when a file is opened, as
many as the file says there are.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_END = struct.Struct("<4s4H2LH")
_END_64_LOCATOR = struct.Struct("<4sLQL")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_ENTRY = struct.Struct("<4s4B4H3L5H2L")
_EXTRA = struct.Struct("<2H")
_NUMBER = struct.Struct("<Q")

_END_MAGIC = b"PK\x05\x06"
_END_64_LOCATOR_MAGIC = b"PK\x06\x07"
_END_64_MAGIC = b"PK\x06\x06"
_ENTRY_MAGIC = b"PK\x01\x02"

_LONGEST_COMMENT = 0xFFFF
_IN_ZIP64, _COUNT_IN_ZIP64 = 0xFFFFFFFF, 0xFFFF  # the number is in the ZIP64 field instead
_ZIP64_FIELD = 1
_ENCRYPTED = 0x0001 | 0x0040 | 0x2000  # flags: encrypted, strongly, and its directory too
_UTF_8 = 0x0800

STORED, DEFLATED = 0, 8
"""Methods of compression (4.4.5)."""

Read = Callable[[int, int], bytes]
"""Gives as many bytes from an offset on, or fewer where the file ends."""


class NoDirectoryError(ValueError):
    """The file does not end in the directory of a zip file."""


class BadDirectoryError(ValueError):
    """The directory contradicts itself or the file, or exceeds its bound; the text says how."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What the directory says of an entry.

    Attributes
    ----------
    offset
        Of its local header in the file.
    packed, size
        Its bytes in the file, and without compression.
    """

    method: int
    encrypted: bool
    crc: int
    packed: int
    size: int
    offset: int


class Directory:
    """The entries of a zip file that are no folders, by name."""

    def __init__(self, content: bytes, places: dict[str, int]) -> None:
        self._content = content
        self._places = places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def entry(self, name: str) -> Entry | None:
        """The entry of a name; ``BadDirectoryError`` if its sizes or its place are missing."""
        place = self._places.get(name)
        if place is None:
            return None
        fields = _ENTRY.unpack_from(self._content, place)
        flags, method, crc, packed, size = fields[5], fields[6], *fields[9:12]
        name_bytes, extra_bytes, offset = fields[12], fields[13], fields[18]
        if _IN_ZIP64 in (size, packed, offset):
            start = place + _ENTRY.size + name_bytes
            extra = self._content[start : start + extra_bytes]
            size, packed, offset = _from_zip64(extra, size, packed, offset)
        return Entry(method, bool(flags & _ENCRYPTED), crc, packed, size, offset)


def read_directory(read: Read, size: int, most: int) -> Directory:
    """The directory of a zip file of ``size`` bytes.

    Parameters
    ----------
    most
        Bytes that the directory may have.

    Raises
    ------
    NoDirectoryError
        There is none, as in a file that was cut short.
    BadDirectoryError
        It is too large, contradicts itself, or names an entry twice.
    """
    start, length, count = _limits(read, size)
    if length > most:
        raise BadDirectoryError(f"it has {length} bytes, more than the {most} that it may have")
    content = read(length, start)
    places: dict[str, int] = {}
    place = 0
    for _ in range(count):
        if content[place : place + 4] != _ENTRY_MAGIC or place + _ENTRY.size > length:
            raise BadDirectoryError("it ends before its last entry")
        flags = int.from_bytes(content[place + 8 : place + 10], "little")
        name_bytes, extra_bytes, comment_bytes = struct.unpack_from("<3H", content, place + 28)
        after = place + _ENTRY.size + name_bytes
        name = _name(content[place + _ENTRY.size : after], flags)
        if name in places:
            raise BadDirectoryError("it names an entry twice")
        if not name.endswith("/"):
            places[name] = place
        place = after + extra_bytes + comment_bytes
    if place != length:
        raise BadDirectoryError("its entries are not as long as it says")
    return Directory(content, places)


def _name(raw: bytes, flags: int) -> str:
    try:
        return raw.decode("utf-8" if flags & _UTF_8 else "cp437")
    except UnicodeDecodeError:
        raise BadDirectoryError("a name of an entry is no text") from None


def _limits(read: Read, size: int) -> tuple[int, int, int]:
    """Offset and bytes of the directory, and the number of its entries."""
    tail_start = max(0, size - _END.size - _LONGEST_COMMENT)
    tail = read(size - tail_start, tail_start)
    place = tail.rfind(_END_MAGIC)
    # A comment may hold the signature too; that of the record is followed by just the comment.
    while place >= 0 and not _ends_file(tail, place):
        place = tail.rfind(_END_MAGIC, 0, place)
    if place < 0:
        raise NoDirectoryError("no record of the end")
    _, _, _, _, count, length, start, _ = _END.unpack_from(tail, place)
    before = tail_start + place
    if _IN_ZIP64 in (length, start) or count == _COUNT_IN_ZIP64:
        before, count, length, start = _zip64_limits(read, before, (count, length, start))
    if start + length != before:
        raise BadDirectoryError("it is not where the end of the file says")
    if count * _ENTRY.size > length:
        raise BadDirectoryError("it is too short for its entries")
    return start, length, count


def _ends_file(tail: bytes, place: int) -> bool:
    if place + _END.size > len(tail):
        return False
    return place + _END.size + int(_END.unpack_from(tail, place)[7]) == len(tail)


def _zip64_limits(read: Read, end: int, limits: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Offset of the ZIP64 record; number of entries, bytes and offset of the directory."""
    locator = read(_END_64_LOCATOR.size, max(0, end - _END_64_LOCATOR.size))
    if len(locator) < _END_64_LOCATOR.size or locator[:4] != _END_64_LOCATOR_MAGIC:
        return end, *limits  # a file of old tools with just as many entries
    offset = int(_END_64_LOCATOR.unpack(locator)[2])
    record = read(_END_64.size, offset) if offset + _END_64.size <= end else b""
    if len(record) < _END_64.size or record[:4] != _END_64_MAGIC:
        raise BadDirectoryError("its ZIP64 record is not where the end of the file says")
    count, length, start = _END_64.unpack(record)[7:10]
    return offset, count, length, start


def _from_zip64(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """The numbers of an entry, those that do not fit in 32 bits from its ZIP64 field (4.5.3)."""
    place = 0
    while place + _EXTRA.size <= len(extra):
        kind, length = _EXTRA.unpack_from(extra, place)
        place += _EXTRA.size
        if kind != _ZIP64_FIELD:
            place += length
            continue
        field = extra[place : place + length]
        numbers = [number for (number,) in _NUMBER.iter_unpack(field[: len(field) // 8 * 8])]
        found = []
        for value in (size, packed, offset):
            if value != _IN_ZIP64:
                found.append(value)
            elif numbers:
                found.append(numbers.pop(0))
            else:
                raise BadDirectoryError("an entry lacks its sizes")
        return found[0], found[1], found[2]
    raise BadDirectoryError("an entry lacks its sizes")
