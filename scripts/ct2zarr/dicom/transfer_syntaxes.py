"""The transfer syntaxes: which are encapsulated, which are lossy, and how they are called.

UIDs are those of DICOM PS3.6 table A-1. ``decoders`` says which package decodes which.
"""

from functools import lru_cache

from pydicom.config import IGNORE
from pydicom.uid import UID

from ..errors import Fact, Private

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"

GE_BIG_PIXELS = "1.2.840.113619.5.2"
"""GE's private syntax: an implicit little endian header, and pixels in big endian."""
ENCAPSULATED_UNCOMPRESSED = "1.2.840.10008.1.2.1.98"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_EXTENDED = "1.2.840.10008.1.2.4.51"
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.57"
JPEG_LOSSLESS_SV1 = "1.2.840.10008.1.2.4.70"
JPEG_LS = "1.2.840.10008.1.2.4.80"
JPEG_LS_NEAR = "1.2.840.10008.1.2.4.81"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
JPEG_2000 = "1.2.840.10008.1.2.4.91"
JPEG_2000_MULTICOMPONENT = "1.2.840.10008.1.2.4.93"
HTJ2K_LOSSLESS = "1.2.840.10008.1.2.4.201"
HTJ2K_LOSSLESS_RPCL = "1.2.840.10008.1.2.4.202"
HTJ2K = "1.2.840.10008.1.2.4.203"
JPEG_XL_LOSSLESS = "1.2.840.10008.1.2.4.110"
JPEG_XL_RECOMPRESSION = "1.2.840.10008.1.2.4.111"
JPEG_XL = "1.2.840.10008.1.2.4.112"
RLE = "1.2.840.10008.1.2.5"

NATIVE_SYNTAXES = frozenset(
    {IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG, GE_BIG_PIXELS}
)
"""All whose pixels are uncompressed and in one piece; no other is read so."""
IMPLICIT_SYNTAXES = frozenset({IMPLICIT_LITTLE, GE_BIG_PIXELS})
BIG_ENDIAN_PIXELS = frozenset({EXPLICIT_BIG, GE_BIG_PIXELS})

JPEG_FAMILY = (JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS, JPEG_LOSSLESS_SV1)
JPEG_LS_FAMILY = (JPEG_LS, JPEG_LS_NEAR)
JPEG_2000_FAMILY = (JPEG_2000_LOSSLESS, JPEG_2000)
HTJ2K_FAMILY = (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K)

JPEG_XL_FAMILY = (JPEG_XL_LOSSLESS, JPEG_XL_RECOMPRESSION, JPEG_XL)

COSINE_TRANSFORMED = frozenset({JPEG_BASELINE, JPEG_EXTENDED})
"""Their inverse cosine transform is not defined to the last bit (ITU-T T.83)."""

_COMPRESSED = "1.2.840.10008.1.2.4."
"""All JPEG, MPEG and JPEG XL syntaxes lie below this root, and nothing else does."""

ALWAYS_LOSSY = frozenset(
    {f"{_COMPRESSED}{i}" for i in (*range(50, 57), *range(59, 65), 81)}
    | {f"{_COMPRESSED}{i}" for i in (*range(100, 109), 111, 112)}
)
"""JPEG baseline, extended and the retired cosine processes, JPEG-LS near-lossless, MPEG, and JPEG
XL that need not be lossless."""

LOSSY_OR_NOT = frozenset({JPEG_2000, JPEG_2000_MULTICOMPONENT, HTJ2K})
"""Wavelet syntaxes that may be lossless: the codestream of each image says which it is."""


_NAMES = {
    GE_BIG_PIXELS: "GE Private Implicit VR Little Endian with big endian pixels",
    DEFLATED_FRAME: "Deflated Image Frame Compression",
    JPEG_XL_LOSSLESS: "JPEG XL Lossless",
    JPEG_XL_RECOMPRESSION: "JPEG XL JPEG Recompression",
    JPEG_XL: "JPEG XL",
}
"""Of syntaxes that the dictionary of pydicom does not have."""


def is_encapsulated(syntax: str) -> bool:
    """Whether pixel data in this syntax are frames in fragments (PS3.5 A.4)."""
    return syntax in (RLE, DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED) or syntax.startswith(
        _COMPRESSED
    )


@lru_cache(maxsize=64)
def syntax_name(syntax: str) -> Fact:
    """Name and UID of a transfer syntax, for sentences.

    A UID that DICOM does not know is text of a header, so it is private.
    """
    if syntax in _NAMES:
        return f"{_NAMES[syntax]} ({syntax})"
    name = UID(syntax, validation_mode=IGNORE).name  # a warning would repeat the text
    if name == syntax:
        return Private(f"transfer syntax {syntax}")
    return f"{name} ({syntax})"
