"""What becomes of a file, as its header and the selection say: its role, the reason and its code.

The rules are those of design section 4.2. A reason names kinds of objects, settings and the values
that decided; never what identifies a patient.
"""

from dataclasses import replace
from functools import lru_cache

from pydicom.uid import UID

from ..codes import Code
from ..dicom.sop_classes import CT_CLASSES, DICOMDIR, SECONDARY_CLASSES
from ..errors import FileError, Private, sentence
from ..model import Frame
from ..run.settings import SelectionSettings
from ..vocabulary import Role

LOCALIZER_WORDS = ("LOCALIZER", "SCOUT", "TOPOGRAM")
"""Any of them in any value of ImageType makes a localizer."""

SECONDARY_LOCALIZER_WORDS = ("SURVIEW",)
"""Further words of scouts that are stored as secondary captures (Philips). A CT object of that name
says LOCALIZER as well."""

MODALITY = "CT"

COLOUR_WORDS = ("RGB", "YBR", "HSV", "CMYK", "PALETTE")
"""Begin or end the photometric interpretations of colour (PS3.3 C.7.6.3.1.2). One sample per pixel
under any other name, or none, is grey: ACR-NEMA called it MONOCHROME."""

BITS = frozenset({8, 16, 32, 64})
"""BitsAllocated of images that can be a plane (PS3.3 C.8.2.1.1.2 asks for 16 in CT); 64 is that of
DoubleFloatPixelData."""

LARGEST_PLANE = 1 << 28
"""Pixels of a plane: 16,384 rows and columns. CT images have up to 4,096."""

_LONGEST_TEXT = 80
"""Characters of a header's text that fit into a sentence."""


def assign_role(frame: Frame, selection: SelectionSettings) -> Frame:
    """Give a frame, as ``dicom.frames.read_frames`` returns it, its role and the reason for it.

    ``not_dicom``, ``unreadable`` and ``excluded`` are final there; the others are decided here.
    """
    if frame.role in (Role.NOT_DICOM, Role.UNREADABLE, Role.EXCLUDED):
        return frame
    role, why = _role(frame, selection)
    if why is None:
        return frame
    return replace(frame, role=role, reason=sentence(why), code=why.code)


def _role(frame: Frame, selection: SelectionSettings) -> tuple[Role, FileError | None]:
    if frame.role is Role.NOT_IMAGE:
        return Role.NOT_IMAGE, _why_no_image(frame)
    if (why := _why_not_ct(frame, selection)) is not None:
        return Role.NOT_CT, why
    if (why := _why_unreadable(frame)) is not None:
        return Role.UNREADABLE, why
    if is_localizer(frame.image_type, frame.sop_class_uid):
        why = FileError(
            Code.LOCALIZER,
            "ImageType {image_type} is that of a localizer",
            image_type=_shown(frame.image_type),
        )
        return Role.LOCALIZER, why
    if (why := _why_excluded(frame, selection)) is not None:
        return Role.EXCLUDED, why
    return Role.SLICE, None


def is_localizer(image_type: str, sop_class_uid: str = "") -> bool:
    """Whether any value of ImageType (upper case) says localizer, scout or topogram."""
    more = SECONDARY_LOCALIZER_WORDS if sop_class_uid in SECONDARY_CLASSES else ()
    return any(word in image_type for word in LOCALIZER_WORDS + more)


@lru_cache(maxsize=256)
def sop_class_name(sop_class_uid: str) -> str:
    """Name of a SOP class from the DICOM dictionary; a UID that it does not have is private."""
    name: str = UID(sop_class_uid).name
    return name if name != sop_class_uid else Private(f"unknown ({_shown(sop_class_uid)})")


def _shown(text: str) -> Private:
    """Text from a header, cut to a length that fits a sentence and without control characters."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in text)
    return Private(clean if len(clean) <= _LONGEST_TEXT else clean[: _LONGEST_TEXT - 3] + "...")


def _why_no_image(frame: Frame) -> FileError:
    if frame.sop_class_uid == DICOMDIR:
        return FileError(
            Code.NO_PIXELS, "the file is a DICOMDIR, an index of files, and holds no image"
        )
    if not frame.sop_class_uid:
        return FileError(Code.NO_PIXELS, "the object has no SOP class and no pixel data")
    name = sop_class_name(frame.sop_class_uid)
    if "Image Storage" in name or frame.rows:
        return FileError(
            Code.NO_PIXELS,
            "the SOP class is {sop_class}, but there are no pixel data",
            sop_class=name,
        )
    return FileError(
        Code.NO_PIXELS, "the SOP class is {sop_class}, which holds no image", sop_class=name
    )


def _why_not_ct(frame: Frame, selection: SelectionSettings) -> FileError | None:
    uid = frame.sop_class_uid
    modality = _shown(frame.modality) or "absent"
    if uid in CT_CLASSES:
        if frame.modality in (MODALITY, ""):
            return None
        return FileError(
            Code.NOT_CT,
            "the SOP class is {sop_class}, but Modality is {modality}, not CT",
            sop_class=sop_class_name(uid), modality=modality,
        )  # fmt: skip
    if uid in SECONDARY_CLASSES:
        name = sop_class_name(uid)
        if frame.modality != MODALITY:
            return FileError(
                Code.NOT_CT,
                "the SOP class is {sop_class}, and Modality is {modality}, not CT",
                sop_class=name, modality=modality,
            )  # fmt: skip
        if not selection.include_secondary_capture:
            return FileError(
                Code.SECONDARY_CAPTURE,
                "the SOP class is {sop_class}; only include_secondary_capture takes it in",
                sop_class=name,
            )
        return None
    if uid:
        name = sop_class_name(uid)
        return FileError(Code.NOT_CT, "the SOP class is {sop_class}, not CT", sop_class=name)
    if frame.modality == MODALITY:
        return None
    return FileError(
        Code.NOT_CT,
        "there is no SOP class, and Modality is {modality}, not CT",
        modality=modality,
    )


def _why_unreadable(frame: Frame) -> FileError | None:
    if not (frame.rows and frame.columns and frame.bits_allocated):
        return FileError(Code.NO_MATRIX, "Rows, Columns or BitsAllocated is missing or zero")
    if frame.rows * frame.columns > LARGEST_PLANE:
        return FileError(
            Code.TOO_LARGE,
            "the image is too large: {rows} rows of {columns} columns",
            rows=frame.rows,
            columns=frame.columns,
        )
    if frame.pixels_missing:
        return FileError(
            Code.TRUNCATED,
            "the pixel data are cut short: {missing} bytes are missing",
            missing=frame.pixels_missing,
        )
    return None


def _why_excluded(frame: Frame, selection: SelectionSettings) -> FileError | None:
    if frame.samples_per_pixel > 1 or any(word in frame.photometric for word in COLOUR_WORDS):
        return FileError(
            Code.COLOUR,
            "the image is in colour: PhotometricInterpretation is {photometric} and "
            "SamplesPerPixel is {samples}",
            photometric=_shown(frame.photometric) or "absent", samples=frame.samples_per_pixel,
        )  # fmt: skip
    if frame.bits_allocated not in BITS:
        return FileError(
            Code.BITS_ALLOCATED,
            "BitsAllocated is {bits}; images of 8, 16 or 32 bits can be converted",
            bits=frame.bits_allocated,
        )
    values = f"\\{frame.image_type}\\"
    for unwanted in selection.exclude_image_types:
        if f"\\{unwanted.strip().upper()}\\" in values:
            return FileError(
                Code.EXCLUDED_IMAGE_TYPE,
                "exclude_image_types leaves out ImageType {image_type}",
                image_type=_shown(frame.image_type),
            )
    return None
