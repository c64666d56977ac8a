"""Header elements to the JSON values of series.json and the cells of slices.csv."""

import struct
from dataclasses import dataclass
from typing import Self

from pydicom.datadict import dictionary_VR

from ..model import Frame, Json
from .element_values import ABSENT, BINARY_FORMATS, Raw, decimals, plain_forms, unpack_binary
from .header import RawHeader
from .header_text import PADDING, decode_text, decode_uid, split_values
from .tags import CHARACTER_SET

_LOCAL_TEXT = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""VRs in the character set of the file (PS3.5 section 6.1.2.2)."""
_ONE_VALUE = frozenset({"LT", "ST", "UT", "UR"})
"""VRs in which a backslash is text (PS3.5 section 6.2)."""
_OTHER_TEXT = frozenset({"AE", "AS", "CS", "DA", "DT", "TM", "UR"})

NOT_PARSED = (ValueError, LookupError, OverflowError, struct.error, TypeError)
"""What ``parse_value`` raises for an element that has no value for a table."""


@dataclass(frozen=True, slots=True)
class ParsingContext:
    """What the parsing of an element depends on beside its own bytes."""

    character_set: bytes
    little_endian: bool
    signed: bool

    @classmethod
    def of(cls, frame: Frame, header: RawHeader) -> Self:
        """The context of one frame."""
        character_set = header.values.get(CHARACTER_SET, ABSENT)[1]
        return cls(character_set, header.little_endian, frame.pixel_representation == 1)


def parse_as_meant(tag: int, raw: Raw, context: ParsingContext) -> tuple[Json, bool]:
    """The value of an element, and whether it follows the standard.

    As ``element_values.read_as_meant``, by which the scan reads the same elements.
    """
    vr, content = raw
    try:
        return parse_value(tag, raw, context), True
    except NOT_PARSED:
        if not _holds_numbers(tag, vr):
            return None, False
        for meant in plain_forms(tag, vr, content):
            try:
                return parse_value(tag, (vr, meant), context), False
            except NOT_PARSED:
                continue
    return None, False


def parse_value(tag: int, raw: Raw, context: ParsingContext) -> Json:
    """The value of an element as JSON knows it; a list for several, ``None`` for empty.

    Raises
    ------
    ValueError, LookupError, OverflowError, struct.error
        The bytes do not fit the VR, or the VR has no value that fits a table.
    """
    vr, content = raw
    if not content:
        return None
    known = vr if vr and vr != "UN" else _dictionary_vr(tag, context.signed)
    if known in BINARY_FORMATS:
        letter = BINARY_FORMATS[known]
        numbers = unpack_binary(letter, content, little_endian=context.little_endian)
        return _one_or_list([_whole_if_possible(number) for number in numbers])
    if known in ("DS", "IS"):
        return _one_or_list([_whole_if_possible(number) for number in decimals(content)])
    if known == "UI":
        return _one_or_list([part or None for part in decode_uid(content).split("\\")])
    if known in _LOCAL_TEXT:
        text = decode_text(content, context.character_set, person_name=known == "PN")
        if "\N{REPLACEMENT CHARACTER}" in text:
            raise ValueError("not in the character set that the file declares")
    elif known in _OTHER_TEXT:
        text = content.decode("ascii")
    else:
        raise ValueError(f"{known} is neither text nor number")
    if known in _ONE_VALUE:
        return text.strip(PADDING) or None
    return _one_or_list([part or None for part in split_values(text)])


def as_text(value: Json) -> str:
    """A value as a cell of a table: several are joined by a backslash, as in DICOM."""
    if value is None:
        return ""
    if isinstance(value, list):
        return "\\".join(as_text(part) for part in value)
    return str(value)


def _one_or_list(parts: list[Json]) -> Json:
    if all(part is None for part in parts):
        return None
    return parts[0] if len(parts) == 1 else parts


def _whole_if_possible(number: float | None) -> Json:
    """5.0 and 5 are one value, however the header writes it."""
    return int(number) if number is not None and number == int(number) else number


def _holds_numbers(tag: int, vr: str) -> bool:
    try:
        known = vr if vr and vr != "UN" else dictionary_VR(tag)
    except KeyError:
        return False
    return known in ("DS", "IS", *BINARY_FORMATS)


def _dictionary_vr(tag: int, signed: bool) -> str:
    known = dictionary_VR(tag)
    if known.startswith("US or SS"):
        return "SS" if signed else "US"
    return known
