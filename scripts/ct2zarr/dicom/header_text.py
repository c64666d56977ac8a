"""Text of header elements: character sets, and the padding that is not part of a value.

Scan, decoder and tables all read text through this module, so that they agree on what a UID is.
"""

import warnings

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.valuerep import PN_DELIMS, TEXT_VR_DELIMS

PADDING = " \0\r\n\t"
"""What surrounds a value without being part of it: DICOM pads with spaces and zeros (PS3.5 section
6.2), and other software leaves the ends of its own lines."""

_DELIMITERS = frozenset(TEXT_VR_DELIMS) | {ord("\\"), ord("=")}
_NAME_DELIMITERS = frozenset(PN_DELIMS) | {ord("\\"), ord("=")}
"""Behind these an ISO 2022 text is back in its first character set (PS3.5 section 6.1.2.5.3)."""


def split_values(text: str) -> list[str]:
    """The values of an element, without their padding."""
    if "\0" in text:
        return [part.strip(PADDING).replace("\0", "") for part in text.split("\\")]
    return [part.strip(PADDING) for part in text.split("\\")]


def decode_uid(raw: bytes) -> str:
    """A UID, whatever bytes it has: UIDs have no character set (PS3.5 section 6.2)."""
    return "\\".join(split_values(raw.decode("latin-1")))


def decode_text(raw: bytes, character_set: bytes, *, person_name: bool = False) -> str:
    """Text in the character set of the file; bytes that are not in it become U+FFFD.

    Parameters
    ----------
    character_set
        Value bytes of SpecificCharacterSet.

    Raises
    ------
    LookupError
        Python does not know the character set.
    """
    if raw.isascii() and b"\x1b" not in raw:
        return raw.decode("ascii")
    with warnings.catch_warnings():
        # A warning of pydicom may hold the value, and so a patient's name.
        warnings.simplefilter("ignore")
        delimiters = _NAME_DELIMITERS if person_name else _DELIMITERS
        return decode_bytes(raw, encodings_of(character_set), set(delimiters))


def encodings_of(character_set: bytes) -> list[str]:
    """Python's names of the encodings that SpecificCharacterSet lists."""
    return convert_encodings(split_values(character_set.decode("ascii", "replace")))
