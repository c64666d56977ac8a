"""What a source file says of a frame, read again by pydicom for the verification.

The scan has its own reader of headers, ``element_values``. This one shares nothing with it but
what counts as padding, so a fault in either, or a file that has changed since the scan, shows when
both are compared.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ..model import Frame
from .decoding import StoredFrame
from .header_text import PADDING, split_values
from .rescale import DEFAULT_INTERCEPT, DEFAULT_SLOPE
from .tags import PER_FRAME_GROUPS, SHARED_GROUPS, SOP_INSTANCE_UID

ACR_POSITION = 0x00200030
IMAGE_POSITION = 0x00200032
RESCALE_INTERCEPT = 0x00281052
RESCALE_SLOPE = 0x00281053
_BITS_ALLOCATED, _BITS_STORED, _HIGH_BIT = 0x00280100, 0x00280101, 0x00280102
_PIXEL_REPRESENTATION, _PADDING, _OVERLAY = 0x00280103, 0x00280120, 0x60000102
_AS_TEXT = ("IS", "DS")
WANTED = (
    SOP_INSTANCE_UID, ACR_POSITION, IMAGE_POSITION, RESCALE_INTERCEPT, RESCALE_SLOPE,
    _BITS_ALLOCATED, _BITS_STORED, _HIGH_BIT, _PIXEL_REPRESENTATION, _PADDING, _OVERLAY,
)  # fmt: skip
"""Elements that ``SourceReader`` is to keep for ``FrameHeaders``."""

_THOUSANDS = re.compile(r"[+-]?[1-9]\d?\d?,\d\d\d")
"""-1,024 is -1024 in one country and -1.024 in another; nobody can tell."""


@dataclass(frozen=True, slots=True)
class PixelHeader:
    """How the header describes the bits of the pixels.

    Attributes
    ----------
    bits_stored
        BitsStored, or BitsAllocated where it is absent.
    high_bit
        HighBit, likewise.
    padding
        PixelPaddingValue as the integer of the stored pixel representation.
    overlay
        An overlay lies in bits that the pixels leave free.
    """

    bits_stored: int = 16
    high_bit: int = 15
    signed: bool = False
    padding: int | None = None
    overlay: bool = False


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the source says of one frame, independent of the manifest.

    Attributes
    ----------
    sop_instance_uid
        Empty where the data set has none.
    position
        ImagePositionPatient, mm, or ``None``.
    slope, intercept
        Of the rescale; the defaults where the header has none, or half of one.
    rescaled
        The header states both slope and intercept.
    pixels
        How the bits of the pixels lie.
    """

    sop_instance_uid: str
    position: tuple[float, ...] | None
    slope: float
    intercept: float
    rescaled: bool = True
    pixels: PixelHeader = PixelHeader()


class FrameHeaders:
    """Reads frame headers; the top level of a multi-frame file is parsed once."""

    def __init__(self) -> None:
        self._path = ""
        self._dataset = Dataset()

    def of(self, stored: StoredFrame, frame: Frame) -> FrameHeader:
        """The header of one frame: its own item, else the shared one, else the file itself."""
        if self._path != frame.path:
            self._path, self._dataset = frame.path, stored.dataset
        groups = stored.header.groups
        own = groups.get(PER_FRAME_GROUPS, [])[frame.frame_number - 1 : frame.frame_number]
        shared = groups.get(SHARED_GROUPS, [])[:1]
        places = [*_items_of(own), *_items_of(shared), self._dataset]
        slope = _first_number(places, RESCALE_SLOPE)
        intercept = _first_number(places, RESCALE_INTERCEPT)
        rescaled = slope is not None and intercept is not None
        return FrameHeader(
            sop_instance_uid=_uid(self._dataset),
            position=_first_position(places),
            slope=slope if slope is not None and rescaled else DEFAULT_SLOPE,
            intercept=intercept if intercept is not None and rescaled else DEFAULT_INTERCEPT,
            rescaled=rescaled,
            pixels=_pixel_header(self._dataset, stored.header.little_endian),
        )


def _pixel_header(dataset: Dataset, little_endian: bool) -> PixelHeader:
    order: Literal["little", "big"] = "little" if little_endian else "big"

    def integer(tag: int, signed: bool = False) -> int | None:
        raw = dataset.get_item(tag)
        if raw is None or not raw.value:
            return None
        if isinstance(raw, RawDataElement) and len(raw.value) == 2 and raw.VR not in _AS_TEXT:
            # The VR may belie the sign of the pixels; the bytes are those of a pixel.
            return int.from_bytes(raw.value, order, signed=signed)
        first = _numbers(dataset, tag)[:1]
        return int(first[0]) if first and first[0] is not None else None

    stored = integer(_BITS_STORED)
    bits = stored or integer(_BITS_ALLOCATED) or 16
    signed = integer(_PIXEL_REPRESENTATION) == 1
    return PixelHeader(
        bits_stored=bits,
        high_bit=(integer(_HIGH_BIT) or 0) if stored else bits - 1,
        signed=signed,
        padding=integer(_PADDING, signed),
        overlay=bool(integer(_OVERLAY)),
    )


def _uid(dataset: Dataset) -> str:
    """SOPInstanceUID as text; several values, which it must not have, joined by a backslash."""
    value: Any = dataset.get("SOPInstanceUID")
    parts = value if isinstance(value, MultiValue) else [value]
    return "\\".join("".join(split_values(part)) for part in parts if isinstance(part, str))


def _items_of(groups: Sequence[Dataset]) -> list[Dataset]:
    """Items of the macros that hold position and rescale (PS3.3 C.7.6.16.2)."""
    items: list[Dataset] = []
    for group in groups:
        for keyword in ("PlanePositionSequence", "PixelValueTransformationSequence"):
            items += list(group.get(keyword) or [])[:1]
    return items


def _first_number(places: Sequence[Dataset], tag: int) -> float | None:
    """The value of the first place that has a number; what cannot be parsed counts as absent."""
    for place in places:
        numbers = set(_numbers(place, tag)) - {None}
        if len(numbers) == 1:
            return numbers.pop()
    return None


def _first_position(places: Sequence[Dataset]) -> tuple[float, ...] | None:
    for tag in (IMAGE_POSITION, ACR_POSITION):
        for place in places:
            numbers = _numbers(place, tag)
            if len(numbers) == 3 and None not in numbers:
                return tuple(number for number in numbers if number is not None)
    return None


_NOT_NUMBERS = (ValueError, TypeError, OverflowError, NotImplementedError)
"""What pydicom and Python raise for an element that holds no numbers."""


def _numbers(place: Dataset, tag: int) -> list[float | None]:
    """The numbers of an element as pydicom reads them, or as its text plainly means them.

    ``None`` stands for an empty value; the list is empty where the element is absent or means
    nothing.
    """
    raw = place.get_item(tag)
    text = raw.value if isinstance(raw, RawDataElement) else None
    try:
        value = place[tag].value if tag in place else None
        parts = list(value) if isinstance(value, MultiValue | list) else [value]
        return [None if part in (None, "") else finite_number(part) for part in parts]
    except _NOT_NUMBERS:
        pass
    if not isinstance(text, bytes):
        return []
    parts = [part.strip(PADDING) for part in text.decode("latin-1").split("\\")]
    if tag == RESCALE_INTERCEPT and any(_THOUSANDS.fullmatch(part) for part in parts):
        return []
    try:
        return [_with_comma(part) if part else None for part in parts]
    except _NOT_NUMBERS:
        return []


def _with_comma(part: str) -> float:
    """A number with a decimal comma, which has a digit before it."""
    if "," in part and not part.lstrip("+-")[:1].isdigit():
        raise ValueError("no decimal number")
    return finite_number(part.replace(",", "."))


def finite_number(value: Any) -> float:
    """A number of DICOM: unlike Python, it knows neither ``nan`` nor ``1_5`` (PS3.5 6.2)."""
    number = float(value)
    text = value if isinstance(value, str) else getattr(value, "original_string", "")
    if not math.isfinite(number) or "_" in text:
        raise ValueError("no decimal number")
    return number
