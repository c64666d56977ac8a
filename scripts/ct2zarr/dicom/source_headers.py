"""What a source file says of a frame, read anew by pydicom for the verification.

The scan has its own reader of headers; a fault in it, or a file that was changed since, shows when
both are compared.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ..model import Frame
from .decoding import StoredFrame

SOP_INSTANCE_UID = 0x00080018
IMAGE_POSITION = 0x00200032
RESCALE_INTERCEPT = 0x00281052
RESCALE_SLOPE = 0x00281053
SHARED_GROUPS = 0x52009229
PER_FRAME_GROUPS = 0x52009230
WANTED = (SOP_INSTANCE_UID, IMAGE_POSITION, RESCALE_INTERCEPT, RESCALE_SLOPE)
"""Elements that ``SourceReader`` is to keep for ``FrameHeaders``."""


@dataclass(frozen=True, slots=True)
class FrameHeader:
    """What the source says of one frame; read here anew, not taken from the manifest."""

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
            sop_instance_uid=str(self._dataset.get("SOPInstanceUID", "")).strip(" \0"),
            position=_first_position(places),
            slope=1.0 if slope is None else slope,
            intercept=0.0 if intercept is None else intercept,
        )


def _items_of(groups: Sequence[Dataset]) -> list[Dataset]:
    """Items of the macros that hold position and rescale (PS3.3 C.7.6.16.2)."""
    items: list[Dataset] = []
    for group in groups:
        for keyword in ("PlanePositionSequence", "PixelValueTransformationSequence"):
            items += list(group.get(keyword) or [])[:1]
    return items


def _first_number(places: Sequence[Dataset], keyword: str) -> float | None:
    for place in places:
        try:
            value = place.get(keyword)
            if value is not None and value != "":
                return float(value)
        except (ValueError, TypeError, OverflowError, NotImplementedError):
            continue  # an element that cannot be parsed counts as absent
    return None


def _first_position(places: Sequence[Dataset]) -> tuple[float, ...] | None:
    for place in places:
        try:
            value = place.get("ImagePositionPatient")
            if value is not None and len(value) == 3:
                return tuple(float(number) for number in value)
        except (ValueError, TypeError, OverflowError, NotImplementedError):
            continue
    return None
