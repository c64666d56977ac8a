"""What becomes of a file, as its header and the selection say: its role and the reason.

The rules are those of design section 4.2. A reason is a sentence that a person understands; it
names kinds of objects and settings, never a value that may identify a patient.
"""

from dataclasses import replace
from functools import lru_cache

from pydicom.uid import UID

from ..dicom.frames import CT_CLASSES, SECONDARY_CLASSES
from ..model import Frame
from ..run.settings import SelectionSettings
from ..vocabulary import Role

LOCALIZER_WORDS = ("LOCALIZER", "SCOUT", "TOPOGRAM")
"""Any of them in any value of ImageType makes a localizer."""

MODALITY = "CT"

GREY = frozenset({"MONOCHROME1", "MONOCHROME2", ""})
"""Photometric interpretations of grey images; an absent one is taken as grey."""

BITS = frozenset({8, 16, 32})
"""BitsAllocated of images that can be a plane (PS3.3 C.8.2.1.1.2 asks for 16 in CT)."""

_DICOMDIR = "1.2.840.10008.1.3.10"


def assign_role(frame: Frame, selection: SelectionSettings) -> Frame:
    """Give a frame as it comes from ``headers.read_frames`` its role and reason.

    ``not_dicom`` and ``unreadable`` are final there; the others are decided here.
    """
    if frame.role in (Role.NOT_DICOM, Role.UNREADABLE, Role.EXCLUDED):
        return frame
    role, reason = _role(frame, selection)
    if role is frame.role and reason == frame.reason:
        return frame
    return replace(frame, role=role, reason=reason)


def _role(frame: Frame, selection: SelectionSettings) -> tuple[Role, str]:
    if frame.role is Role.NOT_IMAGE:
        return Role.NOT_IMAGE, _why_no_image(frame)
    other = _why_not_ct(frame, selection)
    if other:
        return Role.NOT_CT, other
    damage = _why_unreadable(frame)
    if damage:
        return Role.UNREADABLE, damage
    if is_localizer(frame.image_type):
        return Role.LOCALIZER, f"ImageType {_shown(frame.image_type)} is that of a localizer"
    excluded = _why_excluded(frame, selection)
    if excluded:
        return Role.EXCLUDED, excluded
    return Role.SLICE, ""


def is_localizer(image_type: str) -> bool:
    """Whether any value of ImageType (upper case) says localizer, scout or topogram."""
    return any(word in image_type for word in LOCALIZER_WORDS)


@lru_cache(maxsize=256)
def object_name(sop_class_uid: str) -> str:
    """Name of a SOP class from the DICOM dictionary, else its UID as it stands."""
    uid = UID(sop_class_uid)
    name: str = uid.name
    return name if name != sop_class_uid else f"the unknown SOP class {_shown(sop_class_uid)}"


def _shown(text: str) -> str:
    """Text from a header, cut to a length that fits a sentence and without control characters."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return clean if len(clean) <= 80 else clean[:77] + "..."


def _why_no_image(frame: Frame) -> str:
    if frame.sop_class_uid == _DICOMDIR:
        return "a DICOMDIR (an index of files) holds no image"
    if not frame.sop_class_uid:
        return "a DICOM object of unstated kind without pixel data"
    name = object_name(frame.sop_class_uid)
    if "Image Storage" in name or frame.rows:
        return f"{name} without pixel data"
    return f"{name} holds no image"


def _why_not_ct(frame: Frame, selection: SelectionSettings) -> str:
    uid, modality = frame.sop_class_uid, frame.modality
    if uid in CT_CLASSES:
        return ""
    if uid in SECONDARY_CLASSES:
        name = object_name(uid)
        if modality != MODALITY:
            return f"{name} of modality {_shown(modality) or 'unknown'} is not CT"
        if not selection.include_secondary_capture:
            return f"{name} is not CT (include_secondary_capture takes it in)"
        return ""
    if uid:
        return f"{object_name(uid)} is not CT"
    if modality == MODALITY:
        return ""
    return f"no SOP class, and modality {_shown(modality) or 'unknown'} is not CT"


def _why_unreadable(frame: Frame) -> str:
    if not (frame.rows and frame.columns and frame.bits_allocated):
        return "Rows, Columns or BitsAllocated is missing or zero"
    if frame.pixels_missing:
        return f"the pixel data are cut short: {frame.pixels_missing} bytes are missing"
    return ""


def _why_excluded(frame: Frame, selection: SelectionSettings) -> str:
    if frame.samples_per_pixel > 1 or frame.photometric not in GREY:
        return f"a colour image ({_shown(frame.photometric) or 'several samples a pixel'})"
    if frame.bits_allocated not in BITS:
        return f"{frame.bits_allocated} bits a sample cannot be converted"
    values = f"\\{frame.image_type}\\"
    for unwanted in selection.exclude_image_types:
        if f"\\{unwanted.strip().upper()}\\" in values:
            return f"exclude_image_types leaves out ImageType {_shown(frame.image_type)}"
    return ""
