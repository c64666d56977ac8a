"""What a source file says of a frame, read again by pydicom for the verification.

The scan has its own reader of headers, ``element_values``. This one shares nothing with it but
what counts as padding, so a fault in either, or a file that has changed since the scan, shows when
both are compared.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from ..model import Frame
from .decoding import StoredFrame
from .header_text import split_values
from .rescale import DEFAULT_INTERCEPT, DEFAULT_SLOPE
from .tags import PER_FRAME_GROUPS, SHARED_GROUPS, SOP_INSTANCE_UID

IMAGE_POSITION = 0x00200032
RESCALE_INTERCEPT = 0x00281052
RESCALE_SLOPE = 0x00281053
WANTED = (SOP_INSTANCE_UID, IMAGE_POSITION, RESCALE_INTERCEPT, RESCALE_SLOPE)
"""Elements that ``SourceReader`` is to keep for ``FrameHeaders``."""


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
        Of the rescale; the defaults where the header has none.
    """

    sop_instance_uid: str
    position: tuple[float, ...] | None
    slope: float
    intercept: float


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
        slope = _first_number(places, "RescaleSlope")
        intercept = _first_number(places, "RescaleIntercept")
        return FrameHeader(
            sop_instance_uid=_uid(self._dataset),
            position=_first_position(places),
            slope=DEFAULT_SLOPE if slope is None else slope,
            intercept=DEFAULT_INTERCEPT if intercept is None else intercept,
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


def _first_number(places: Sequence[Dataset], keyword: str) -> float | None:
    """The value of the first place that has a number; what cannot be parsed counts as absent."""
    for place in places:
        try:
            value = place.get(keyword)
            if value is not None and value != "":
                return _finite(value)
        except _NOT_NUMBERS:
            continue
    return None


def _first_position(places: Sequence[Dataset]) -> tuple[float, ...] | None:
    for place in places:
        try:
            value = place.get("ImagePositionPatient")
            if value is not None and len(value) == 3:
                return tuple(_finite(number) for number in value)
        except _NOT_NUMBERS:
            continue
    return None


_NOT_NUMBERS = (ValueError, TypeError, OverflowError, NotImplementedError)
"""What pydicom and Python raise for an element that holds no numbers."""


def _finite(value: Any) -> float:
    """A number of DICOM: unlike Python, it knows neither ``nan`` nor ``1_5`` (PS3.5 6.2)."""
    number = float(value)
    if not math.isfinite(number) or "_" in getattr(value, "original_string", ""):
        raise ValueError("no decimal number")
    return number
