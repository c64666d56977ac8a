"""The bytes of one header element to a value, whatever VR the file states.

Each reader takes the VR ("" where the encoding has none), the value's bytes and the header for its
byte order and character set. It raises ValueError, LookupError, OverflowError or struct.error for
an element that cannot be parsed; the caller counts it.
"""

import hashlib
import math
import re
import struct
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

from .header import RawHeader
from .header_text import PADDING, decode_text, decode_uid, split_values
from .tags import CHARACTER_SET, PIXEL_SPACING, SOP_INSTANCE_UID

SMALLEST_PIXEL_MM, LARGEST_PIXEL_MM = 1e-6, 100.0
"""A nanometre, which no detector resolves, and five pixels across the widest CT."""

_LARGEST_INTEGER = 1 << 62
"""Integers beyond this cannot be what a header means."""

_MOST_REMEMBERED, _LONGEST_REMEMBERED = 4096, 256
"""Values that are kept parsed, and bytes of each: they fill some MiB at most."""

BINARY_FORMATS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip
"""VR of binary numbers → their letter in the struct module (PS3.5 section 6.2)."""

Raw = tuple[str, bytes]
"""VR, empty where the encoding has none, and the bytes of the value."""

ABSENT: Raw = ("", b"")

ValueReader = Callable[[str, bytes, RawHeader], Any]

UNPARSED = (ValueError, OverflowError, LookupError, struct.error)
"""What readers raise for an element that cannot be parsed."""

_DECIMAL_COMMA = re.compile(rb"[+-]?\d+,\d*(?:[eE][+-]?\d+)?")
_COMMA_OR_THOUSANDS = re.compile(rb"[+-]?[1-9]\d{0,2},\d{3}")
"""``-1,024`` may be -1.024 in one country and -1024 in another."""
_WHOLE_NUMBERS = frozenset({0x00281052})
"""Elements in which a comma may divide thousands: RescaleIntercept. Positions and spacings of a
patient are never thousands of millimetres."""
_NUMBER_PADDING = PADDING.encode()


def read_text(vr: str, raw: bytes, header: RawHeader) -> str:
    """Text in the character set of the file, components joined by a backslash."""
    if vr in BINARY_FORMATS or vr == "SQ":
        raise ValueError(vr)
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
        if "\\" not in text and "\0" not in text:
            return text.strip(PADDING)
    else:
        text = decode_text(raw, header.values.get(CHARACTER_SET, ABSENT)[1])
    return "\\".join(split_values(text))


def read_code(vr: str, raw: bytes, header: RawHeader) -> str:
    """Text in upper case, as a CS should be."""
    return read_text(vr, raw, header).upper()


def read_digest(vr: str, raw: bytes, header: RawHeader) -> str:
    """A digest of text that must not be kept itself; empty where the text is."""
    return digest_of(read_text(vr, raw, header))


@lru_cache(maxsize=1024)
def digest_of(text: str) -> str:
    """16 hexadecimal digits of BLAKE2b, equal for equal texts; empty for none."""
    if not text:
        return ""
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).hexdigest()


def read_uid(vr: str, raw: bytes, header: RawHeader) -> str:  # noqa: ARG001 - a ``ValueReader``
    """A UI; it does not depend on the character set of the file."""
    if vr in BINARY_FORMATS or vr == "SQ":
        raise ValueError(vr)
    return decode_uid(raw)


def sop_instance_uid(header: RawHeader) -> str:
    """SOPInstanceUID, or that of the file meta information where the data set has none.

    Raises
    ------
    ValueError
        The element is not text.
    """
    vr, raw = header.values.get(SOP_INSTANCE_UID, ABSENT)
    return read_uid(vr, raw, header) or header.media_sop_instance


def decimal(text: str) -> float | None:
    """The number of one value of a DS or IS; ``None`` where it is empty.

    Raises
    ------
    ValueError
        The text is no finite decimal number.
    """
    text = text.strip(PADDING)
    if not text:
        return None
    if "_" in text:  # Python reads 1_5 as 15
        raise ValueError("not a number")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("not finite")
    return number


def read_floats(vr: str, raw: bytes, header: RawHeader) -> tuple[float | None, ...]:
    """The numbers of an element, ``None`` for an empty one; none at all where it is empty."""
    if vr in BINARY_FORMATS:
        return unpack_binary(BINARY_FORMATS[vr], raw, little_endian=header.little_endian)
    return decimals(raw)


def decimals(raw: bytes) -> tuple[float | None, ...]:
    """The values of a DS or IS, ``None`` for an empty one; none at all where all are empty."""
    numbers = tuple(map(decimal, raw.decode("ascii").split("\\")))
    return () if numbers == (None,) else numbers


def unpack_binary(letter: str, raw: bytes, *, little_endian: bool) -> tuple[float, ...]:
    """Numbers in the byte order of the file.

    Parameters
    ----------
    letter
        Of ``BINARY_FORMATS``.

    Raises
    ------
    ValueError
        A number is not finite, or the bytes are not a whole number of them.
    """
    size = struct.calcsize(letter)
    if len(raw) % size:
        raise ValueError(f"{len(raw)} bytes are not a whole number of values of {size}")
    values = struct.unpack(f"{'<' if little_endian else '>'}{len(raw) // size}{letter}", raw)
    if letter in "fd" and not all(map(math.isfinite, values)):
        raise ValueError("not finite")
    return values


def read_float(vr: str, raw: bytes, header: RawHeader) -> float | None:
    """The one number of an element; None where it is empty."""
    values = read_floats(vr, raw, header)
    if len(values) > 1:
        raise ValueError("more than one value")
    return values[0] if values else None


def vector_reader(count: int) -> ValueReader:
    """A reader of exactly ``count`` numbers; an empty element is None."""

    def parse(vr: str, raw: bytes, header: RawHeader) -> tuple[float, ...] | None:
        values = read_floats(vr, raw, header)
        if not any(value is not None for value in values):
            return None
        if len(values) != count or None in values:
            raise ValueError(f"not {count} values")
        return values  # type: ignore[return-value]

    return parse


def read_integer(vr: str, raw: bytes, header: RawHeader) -> int | None:
    """The first number of an IS or a binary VR; decimals such as 12.0 are taken."""
    values = read_floats(vr, raw, header)
    if not values or values[0] is None:
        return None
    number = values[0]
    if number != int(number) or abs(number) > _LARGEST_INTEGER:
        raise ValueError("not a whole number")
    return int(number)


def read_short(vr: str, raw: bytes, header: RawHeader) -> int:
    """A US that describes the pixels: also where the encoding does not state the VR."""
    number = read_integer(vr if vr and vr != "UN" else "US", raw, header)
    if number is not None and number < 0:
        raise ValueError("negative")
    return number or 0


def read_yes(vr: str, raw: bytes, header: RawHeader) -> bool:
    """Whether a CS says YES."""
    return read_code(vr, raw, header) == "YES"


def read_double(vr: str, raw: bytes, header: RawHeader) -> float | None:
    """An FD, also where the encoding does not state the VR."""
    return read_float(vr if vr and vr != "UN" else "FD", raw, header)


def read_index(vr: str, raw: bytes, header: RawHeader) -> int | None:
    """A US or UL; where the encoding does not state the VR, the length decides."""
    return read_integer(vr if vr and vr != "UN" else "US" if len(raw) == 2 else "UL", raw, header)


def read_pixel_spacing(vr: str, raw: bytes, header: RawHeader) -> tuple[float, ...] | None:
    """PixelSpacing in mm; what no detector can have makes no sense and is refused."""
    values: tuple[float, ...] | None = vector_reader(2)(vr, raw, header)
    if values is not None and not all(
        SMALLEST_PIXEL_MM <= value <= LARGEST_PIXEL_MM for value in values
    ):
        raise ValueError("no distance between pixels")
    return values


# Elements that do not follow the standard, and still say plainly what they mean ---------------


def read_as_meant(
    tag: int, reader: ValueReader, vr: str, raw: bytes, header: RawHeader
) -> tuple[Any, bool]:
    """The value of an element, and whether it follows the standard.

    A decimal comma is read as a point, a value that is repeated as that one value, and a single
    PixelSpacing as that of rows and columns. Where nothing is plain the value is ``None``.
    """
    try:
        return reader(vr, raw, header), True
    except UNPARSED:
        for meant in plain_forms(tag, vr, raw):
            try:
                return reader(vr, meant, header), False
            except UNPARSED:
                continue
    return None, False


def plain_forms(tag: int, vr: str, raw: bytes) -> Iterator[bytes]:
    """Other ways to write what an element of numbers plainly means, the nearest one first."""
    if vr in BINARY_FORMATS:
        size = struct.calcsize(BINARY_FORMATS[vr])
        parts = [raw[at : at + size] for at in range(0, len(raw), size)]
        join = b""
    else:
        parts = [part.strip(_NUMBER_PADDING) for part in raw.split(b"\\")]
        if tag in _WHOLE_NUMBERS and any(map(_COMMA_OR_THOUSANDS.fullmatch, parts)):
            return
        if any(map(_DECIMAL_COMMA.fullmatch, parts)):
            parts = [
                part.replace(b",", b".") if _DECIMAL_COMMA.fullmatch(part) else part
                for part in parts
            ]
            yield b"\\".join(parts)
        join = b"\\"
    stated = [part for part in parts if part]
    if len(parts) > 1 and len(set(map(_number_or_text, stated))) == 1:
        yield stated[0]
    elif len(parts) == 1 and tag == PIXEL_SPACING and stated:
        yield join.join(stated * 2)


def _number_or_text(part: bytes) -> float | bytes:
    """What equal values have in common, however they are written."""
    try:
        return float(part)
    except ValueError:
        return part


# Values that repeat from file to file --------------------------------------------------------

Remembered = dict[tuple[int, Raw], tuple[str, Any]]
"""Element of a header to what it was parsed to: the name of a field, and the value."""


@lru_cache(maxsize=8)
def remembered_values(_little_endian: bool, _character_set: Raw | None) -> Remembered:
    """What was parsed before in an encoding, always the same dictionary for the same encoding.

    Most elements are the same in all files of a series, so each needs to be parsed only once.
    """
    return {}


def remember(remembered: Remembered, element: tuple[int, Raw], parsed: tuple[str, Any]) -> None:
    """Keep a parsed element, unless it is long; a full dictionary is emptied first."""
    if len(element[1][1]) > _LONGEST_REMEMBERED:
        return
    if len(remembered) >= _MOST_REMEMBERED:
        remembered.clear()
    remembered[element] = parsed
