"""The bytes of one header element to a value, whatever VR the file states.

Each reader takes the VR ("" where the encoding has none), the value's bytes and the header for its
byte order and character set. It raises ValueError, LookupError, OverflowError or struct.error for
an element that cannot be parsed; the caller counts it.
"""

import math
import struct
from collections.abc import Callable
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes

from .raw_header import CHARACTER_SET, RawHeader

_LONG = 1 << 62
"""Integers beyond this cannot be what a header means."""

_FORMATS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip

ValueReader = Callable[[str, bytes, RawHeader], Any]


def read_text(vr: str, raw: bytes, header: RawHeader) -> str:
    """Text in the character set of the file, components joined by a backslash."""
    if vr in _FORMATS or vr == "SQ":
        raise ValueError(vr)
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        names = header.values.get(CHARACTER_SET, ("", b""))[1].decode("ascii", "replace")
        encodings = convert_encodings([name.strip(" \0") for name in names.split("\\")])
        text = decode_bytes(raw, encodings, {ord("\\")})
    return "\\".join(part.strip(" \0\r\n\t") for part in text.split("\\")).replace("\0", "")


def read_code(vr: str, raw: bytes, header: RawHeader) -> str:
    """Text in upper case, as a CS should be."""
    return read_text(vr, raw, header).upper()


def read_floats(vr: str, raw: bytes, header: RawHeader) -> tuple[float | None, ...]:
    """Numbers of a DS, or of a binary VR where the file says so; empty components are ``None``."""
    values: tuple[float | None, ...]
    if vr in _FORMATS:
        values = unpack_binary(_FORMATS[vr], raw, header)
    else:
        text = raw.decode("ascii").strip(" \0")
        if not text:
            return ()
        values = tuple(
            float(part.replace("_", "x")) if part.strip(" \0") else None
            for part in text.split("\\")
        )
    if not all(value is None or math.isfinite(value) for value in values):
        raise ValueError("not finite")
    return values


def unpack_binary(letter: str, raw: bytes, header: RawHeader) -> tuple[float, ...]:
    """Numbers in the byte order of the file; ``letter`` as in the struct module."""
    order = "<" if header.little_endian else ">"
    return struct.unpack(f"{order}{len(raw) // struct.calcsize(letter)}{letter}", raw)


def read_float(vr: str, raw: bytes, header: RawHeader) -> float | None:
    """The one number of an element; None where it is empty."""
    values = read_floats(vr, raw, header)
    if len(values) > 1:
        raise ValueError("more than one value")
    return values[0] if values else None


def vector_reader(count: int) -> ValueReader:
    """A reader of exactly so many numbers; an empty element is None."""

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
    if number != int(number) or abs(number) > _LONG:
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
    """A US or UL, which the length tells apart where the encoding does not state the VR."""
    return read_integer(vr if vr and vr != "UN" else "US" if len(raw) == 2 else "UL", raw, header)
