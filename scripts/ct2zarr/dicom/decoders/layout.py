"""What decoders need to know about a frame, and what the frame's own codestream says.

The header and the codestream can disagree about precision and signedness; the codestream says how
the bytes were made, so the bits are repaired from both (``stored_values``).
"""

import struct
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...codes import Code
from ...errors import FileError
from ..transfer_syntaxes import (
    HTJ2K_FAMILY,
    JPEG_2000_FAMILY,
    JPEG_FAMILY,
    JPEG_LS_FAMILY,
)

Integers = NDArray[np.integer[Any]]
Pixels = Integers | NDArray[np.floating[Any]]

_RLE_HEADER = struct.Struct("<16L")  # number of segments and 15 offsets, PS3.5 G.5
_J2K_START = b"\xff\x4f\xff\x51"  # SOC then SIZ marker, ISO/IEC 15444-1 A.5.1
_J2K_SSIZ = 42  # offset of the first component's Ssiz from SOC
_NO_SEGMENT = frozenset({0x01, *range(0xD0, 0xD9)})  # TEM, RSTn and SOI have no length field
_NOT_FRAME = frozenset({0xC4, 0xC8, 0xCC})  # DHT, JPG and DAC lie among the SOFn codes


@dataclass(frozen=True, slots=True)
class FrameLayout:
    """What the header says about one encoded frame (PS3.3 C.7.6.3)."""

    syntax: str
    rows: int
    columns: int
    bits_allocated: int
    bits_stored: int
    pixel_representation: int


@dataclass(frozen=True, slots=True)
class Codestream:
    """Precision in bits and signedness as the codestream states them; 0 and None if it does not."""

    precision: int = 0
    signed: bool | None = None


def read_codestream(encoded: bytes, syntax: str) -> Codestream:
    """What the codestream itself says about its samples."""
    if syntax in JPEG_2000_FAMILY or syntax in HTJ2K_FAMILY:
        start = encoded.find(_J2K_START)
        if start < 0 or len(encoded) <= start + _J2K_SSIZ:
            return Codestream()
        ssiz = encoded[start + _J2K_SSIZ]
        return Codestream(precision=(ssiz & 0x7F) + 1, signed=bool(ssiz & 0x80))
    if syntax not in JPEG_FAMILY and syntax not in JPEG_LS_FAMILY:
        return Codestream()
    return Codestream(precision=_jpeg_precision(encoded))


def is_complete(encoded: bytes, syntax: str) -> bool:
    """Whether a JPEG or JPEG-LS codestream has its end of image marker.

    The marker cannot occur within the entropy-coded data (T.81 B.1.1.5, T.87 A.1). libjpeg-turbo
    and libjpeg fill what is missing without an error, so a stream that was cut short is found
    here. The other syntaxes are found by their decoders.
    """
    if syntax not in JPEG_FAMILY and syntax not in JPEG_LS_FAMILY:
        return True
    return encoded.rfind(b"\xff\xd9") > 0


def _jpeg_precision(encoded: bytes) -> int:
    """The sample precision of the first frame header (ITU-T T.81 B.2.2, T.87 C.2.2)."""
    at = 0
    while at + 5 <= len(encoded):
        if encoded[at] != 0xFF:
            return 0
        code = encoded[at + 1]
        if code == 0xFF:  # fill byte
            at += 1
        elif code in _NO_SEGMENT:
            at += 2
        elif code == 0xF7 or (0xC0 <= code <= 0xCF and code not in _NOT_FRAME):
            return encoded[at + 4]
        else:
            at += 2 + int(struct.unpack_from(">H", encoded, at + 2)[0])
    return 0


def rle_segments(encoded: bytes, layout: FrameLayout) -> list[bytes]:
    """The segments of an RLE frame, the most significant bytes first (PS3.5 G.5).

    Raises
    ------
    FileError
        The header is cut short, or has another number of segments than a pixel bytes.
    """
    if len(encoded) < _RLE_HEADER.size:
        raise FileError(Code.TRUNCATED, "the RLE header is cut short")
    size = layout.bits_allocated // 8
    count, *offsets = _RLE_HEADER.unpack_from(encoded)
    if count != size:
        raise FileError(
            Code.CANNOT_DECODE,
            "the RLE frame has {found} segments; {due} were expected",
            found=count,
            due=size,
        )
    return [encoded[start:end] for start, end in pairwise([*offsets[:count], len(encoded)])]


def as_plane(decoded: bytes | bytearray | Integers, layout: FrameLayout, bits: int) -> Integers:
    """A decoder's output as (rows, columns), little-endian unsigned where it is bytes.

    Parameters
    ----------
    decoded
        An array, or bytes of samples of 1, 2 or 4 bytes each.
    bits
        Precision of the samples, from which their size follows where bytes are given.

    Raises
    ------
    FileError
        The decoder gave another number of samples than the header says.
    """
    if isinstance(decoded, np.ndarray):
        samples = decoded
    else:
        size = 1 if bits <= 8 else 2 if bits <= 16 else 4
        if len(decoded) % size:
            raise FileError(
                Code.CANNOT_DECODE,
                "decoded {found} bytes, which are not whole samples",
                found=len(decoded),
            )
        samples = np.frombuffer(decoded, dtype=f"<u{size}")
    if samples.size != layout.rows * layout.columns:
        raise FileError(
            Code.CANNOT_DECODE,
            "decoded {found} samples where the header says {rows} x {columns}",
            found=samples.size,
            rows=layout.rows,
            columns=layout.columns,
        )
    if samples.ndim == 2 and samples.shape != (layout.rows, layout.columns):
        raise FileError(
            Code.CANNOT_DECODE,
            "decoded {found_rows} x {found_columns} samples where the header says"
            " {rows} x {columns}",
            found_rows=samples.shape[0],
            found_columns=samples.shape[1],
            rows=layout.rows,
            columns=layout.columns,
        )
    return samples.reshape(layout.rows, layout.columns)
