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
RLE = "1.2.840.10008.1.2.5"

JPEG_FAMILY = (JPEG_BASELINE, JPEG_EXTENDED, JPEG_LOSSLESS, JPEG_LOSSLESS_SV1)
JPEG_LS_FAMILY = (JPEG_LS, JPEG_LS_NEAR)
JPEG_2000_FAMILY = (JPEG_2000_LOSSLESS, JPEG_2000)
HTJ2K_FAMILY = (HTJ2K_LOSSLESS, HTJ2K_LOSSLESS_RPCL, HTJ2K)

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


def is_encapsulated(syntax: str) -> bool:
    """Whether pixel data in this syntax are compressed frames in fragments (PS3.5 A.4)."""
    return syntax == RLE or syntax.startswith(_COMPRESSED)


@lru_cache(maxsize=64)
def syntax_name(syntax: str) -> Fact:
    """Name and UID of a transfer syntax, for sentences.

    A UID that DICOM does not know is text of a header, so it is private.
    """
    name = UID(syntax, validation_mode=IGNORE).name  # a warning would repeat the text
    if name == syntax:
        return Private(f"transfer syntax {syntax}")
    return f"{name} ({syntax})"
