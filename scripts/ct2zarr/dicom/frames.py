"""One file to its frames, as its header describes them; pixels are never read.

An element that cannot be parsed is left out alone and is counted in ``bad_elements``. Nothing
that is wrong with a file raises: its ``Frame`` has the role and the reason.
"""

import errno
import os
import stat
import warnings
from typing import Any

from ..codes import Code
from ..errors import FileError
from ..model import Frame
from ..run.machine import lack, raise_lack
from ..vocabulary import Role
from .element_values import (
    ABSENT,
    UNPARSED,
    ValueReader,
    read_as_meant,
    read_code,
    read_digest,
    read_double,
    read_float,
    read_index,
    read_integer,
    read_pixel_spacing,
    read_short,
    read_text,
    read_uid,
    read_yes,
    remember,
    remembered_values,
    unpack_binary,
    vector_reader,
)
from .header import ByteSource, OpenFile, RawHeader, read_header
from .multi_frames import frames_of_file
from .pixel_facts import is_lossy, pixels_missing
from .sop_classes import CT_CLASSES, SECONDARY_CLASSES
from .tags import (
    CHARACTER_SET,
    FUNCTIONAL_GROUPS,
    LOSSY_COMPRESSION,
    MODALITY_LUT,
    PIXEL_SPACING,
    PRIVATE_COMPRESSED_PIXELS,
    SOP_INSTANCE_UID,
)

_FIELDS: dict[int, tuple[str, ValueReader]] = {
    0x00080016: ("sop_class_uid", read_uid),
    SOP_INSTANCE_UID: ("sop_instance_uid", read_uid),
    0x0020000E: ("series_uid", read_uid),
    0x0020000D: ("study_uid", read_uid),
    0x00100020: ("patient", read_digest),
    0x00200011: ("series_number", read_integer),
    0x00200052: ("frame_of_reference_uid", read_uid),
    0x00080060: ("modality", read_code),
    0x00080008: ("image_type", read_code),
    0x00200013: ("instance_number", read_integer),
    0x00200012: ("acquisition_number", read_integer),
    0x00200100: ("temporal_position", read_integer),
    0x00209128: ("temporal_index", read_index),
    0x00181060: ("trigger_time", read_float),
    0x00209153: ("cardiac_delay", read_double),
    0x00209241: ("cardiac_phase", read_double),
    0x00181210: ("kernel", read_text),
    0x00180022: ("scan_options", read_code),
    0x00209056: ("stack_id", read_text),
    0x00180086: ("echo_number", read_integer),
    0x00280010: ("rows", read_short),
    0x00280011: ("columns", read_short),
    0x00200030: ("position", vector_reader(3)),  # of ACR-NEMA, as the next two
    0x00200035: ("orientation", vector_reader(6)),
    0x00200032: ("position", vector_reader(3)),
    0x00200037: ("orientation", vector_reader(6)),
    0x00201041: ("slice_location", read_float),
    PIXEL_SPACING: ("pixel_spacing", read_pixel_spacing),
    0x00180050: ("slice_thickness", read_float),
    0x00180088: ("spacing_between_slices", read_float),
    0x00181120: ("gantry_tilt", read_float),
    0x00185100: ("patient_position", read_code),
    0x00180060: ("kvp", read_float),
    0x00080070: ("manufacturer", read_text),
    0x00081090: ("manufacturer_model", read_text),
    0x00280002: ("samples_per_pixel", read_short),
    0x00280004: ("photometric", read_code),
    0x00280100: ("bits_allocated", read_short),
    0x00280101: ("bits_stored", read_short),
    0x00280102: ("high_bit", read_short),
    0x00280103: ("pixel_representation", read_short),
    0x00281053: ("rescale_slope", read_float),
    0x00281052: ("rescale_intercept", read_float),
    0x00281054: ("rescale_type", read_text),
    0x00280301: ("burned_in", read_yes),
}
"""Tag → field of ``Frame`` and how its bytes are read. Of two tags that give the same field the
higher one counts, where it can be read: elements of a header ascend."""
_OF_ONE_FILE = frozenset({SOP_INSTANCE_UID, 0x00200013, 0x00200030, 0x00200032, 0x00201041})
"""Number and place, which differ from file to file; all other elements repeat in a series."""
_FRAMES, _PADDING = 0x00280008, 0x00280120
WANTED = (
    frozenset(_FIELDS)
    | FUNCTIONAL_GROUPS
    | {_FRAMES, _PADDING, LOSSY_COMPRESSION, CHARACTER_SET}
    | {MODALITY_LUT, PRIVATE_COMPRESSED_PIXELS}
)

FEW_FRAMES = 1 << 14
MOST_FRAMES = 1 << 17
BYTES_PER_FRAME = 1 << 10
"""Frames of a file, each of which becomes a row in memory: any file may have ``FEW_FRAMES``, a file
with so many bytes for each frame up to ``MOST_FRAMES``. The largest known objects have 20,000."""

_MOST_MISSING = 1 << 62
"""Bytes that a table can state; a header may declare more."""

_NO_DICOM = (Code.NOT_DICOM, Code.EMPTY_FILE, Code.COMPRESSED_FILE)

_PRIVATE_COMPRESSION = (
    "The pixels are in the private element (07a1,100a), under a compression of ELSCINT and Philips"
    " (PMSCT_RLE1) that cannot be decoded."
)


def read_frames(dataset: str, root: str, path: str) -> list[Frame]:
    """Read the header of one file.

    Never raises for what is wrong with the file.

    Returns
    -------
    list[Frame]
        A ``Frame`` for each frame of what may be a CT volume, and a single one for any other file.
        The role is ``not_dicom``, ``unreadable`` or ``not_image`` where that is certain, with the
        reason for the first two, and otherwise ``slice`` until ``roles.assign_role`` decides.
    """
    place: dict[str, Any] = {
        "dataset": dataset, "root": root, "path": path, "bytes": 0, "mtime_ns": 0,
    }  # fmt: skip
    try:
        return _read_file(place)
    except FileError as error:
        problem = error
    except OSError as error:
        raise_lack(error)
        problem = FileError(
            Code.UNREADABLE,
            "cannot be opened: {problem}",
            problem=error.strerror or "input/output error",
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        if isinstance(error, MemoryError) and lack() is not None:
            raise  # not for what this file demands
        problem = FileError(
            Code.DAMAGED,
            "the file has a header that cannot be interpreted ({kind})",
            kind=type(error).__name__,
        )
    role = Role.NOT_DICOM if problem.code in _NO_DICOM else Role.UNREADABLE
    return [Frame(**place, role=role, reason=str(problem), code=problem.code)]


def _read_file(place: dict[str, Any]) -> list[Frame]:
    """The frames of a file, whose size and time are put into ``place`` first."""
    descriptor = os.open(place["path"], os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(descriptor)
        place["bytes"], place["mtime_ns"] = status.st_size, status.st_mtime_ns
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with warnings.catch_warnings():
            # A warning of pydicom may hold a value of the header; errors are counted instead.
            warnings.simplefilter("ignore")
            header, source = read_header(OpenFile(descriptor, status.st_size), WANTED)
            return _frames_of_file(place, header, source)
    finally:
        os.close(descriptor)


def _frames_of_file(place: dict[str, Any], header: RawHeader, source: ByteSource) -> list[Frame]:
    """The frames that a header describes; ``place`` has the fields that say which file it is."""
    fields, bad = _top_level_values(header)
    frames = fields["frames"]
    problem = header.problem
    if frames > FEW_FRAMES and problem is None:
        problem = _too_many_frames(frames, header.size)
    missing = pixels_missing(header, source, frames, fields) if problem is None else None
    if missing:
        missing = min(missing, _MOST_MISSING)
    role, code, reason = Role.SLICE, None, ""
    if problem is not None:
        role, code, reason = Role.UNREADABLE, problem.code, str(problem)
    elif missing is None and PRIVATE_COMPRESSED_PIXELS in header.values:
        role, code, reason = Role.UNREADABLE, Code.CANNOT_DECODE, _PRIVATE_COMPRESSION
    elif missing is None:
        role, code = Role.NOT_IMAGE, Code.NO_PIXELS
    frame = Frame(
        **place,
        role=role,
        reason=reason,
        code=code,
        transfer_syntax_uid=header.transfer_syntax,
        lossy=missing is not None and is_lossy(header, source),
        bad_elements=bad,
        pixels_missing=missing or 0,
        modality_lut=MODALITY_LUT in header.values,
        **fields,
    )
    if missing is None or missing > 0 or not _may_be_ct(frame):
        return [frame]
    if frames == 1 and not header.groups:
        return [frame]
    return list(frames_of_file(frame, header))


def _too_many_frames(frames: int, size: int) -> FileError | None:
    """The error of a file that declares more than ``FEW_FRAMES``, if it cannot hold so many."""
    if frames <= MOST_FRAMES and frames * BYTES_PER_FRAME <= size:
        return None
    return FileError(
        Code.TOO_LARGE,
        "the number of frames is too large: NumberOfFrames says {frames} in a file of {size} bytes",
        frames=frames,
        size=size,
    )


def _top_level_values(header: RawHeader) -> tuple[dict[str, Any], int]:
    """Fields that the top level gives, and how many elements could not be parsed."""
    fields: dict[str, Any] = {}
    bad = header.bad_elements
    remembered = remembered_values(header.little_endian, header.values.get(CHARACTER_SET))
    for element in header.values.items():
        known = remembered.get(element)
        if known is None:
            tag, (vr, raw) = element
            if tag not in _FIELDS:
                continue
            field, reader = _FIELDS[tag]
            value, regular = read_as_meant(tag, reader, vr, raw, header)
            bad += not regular
            if regular and tag not in _OF_ONE_FILE:
                remember(remembered, element, (field, value))
        else:
            field, value = known
        if value is not None:
            fields[field] = value
    fields["frames"], wrong = _frame_count(header)
    bad += wrong
    padding, wrong = _padding(header, fields.get("pixel_representation", 0))
    fields["padding_value"] = padding
    fields["sop_class_uid"] = fields.get("sop_class_uid") or header.media_sop_class
    fields["sop_instance_uid"] = fields.get("sop_instance_uid") or header.media_sop_instance
    return fields, bad + wrong


def _may_be_ct(frame: Frame) -> bool:
    """Whether a setting could make planes of this object; then each frame needs its own row."""
    if frame.sop_class_uid:
        return frame.sop_class_uid in CT_CLASSES | SECONDARY_CLASSES
    return frame.modality == "CT"


def _frame_count(header: RawHeader) -> tuple[int, int]:
    vr, raw = header.values.get(_FRAMES, ABSENT)
    try:
        frames = read_integer(vr, raw, header)
    except UNPARSED:
        return 1, 1
    return (1, 0) if frames is None else (max(frames, 1), int(frames < 1))


def _padding(header: RawHeader, pixel_representation: int) -> tuple[int | None, int]:
    """PixelPaddingValue as a stored integer, and whether it could not be parsed.

    Its VR is to follow PixelRepresentation, but transcoders write US into signed images: 63536
    there is -2000. The bytes are right, so they are read as the pixels are (PS3.3 C.7.5.1.1.2).
    """
    vr, raw = header.values.get(_PADDING, ABSENT)
    if not raw:
        return None, 0
    try:
        if len(raw) == 2 and vr not in ("IS", "DS"):
            letter = "h" if pixel_representation == 1 else "H"
            return int(unpack_binary(letter, raw, little_endian=header.little_endian)[0]), 0
        return read_integer(vr, raw, header), 0
    except UNPARSED:
        return None, 1
