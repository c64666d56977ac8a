"""One file to its frames, as its header describes them; pixels are never read.

Values are parsed here from the raw bytes of ``elements``: an element that cannot be parsed costs
itself alone and is counted in ``bad_elements``. Nothing that is wrong with a file raises: its
``Frame`` has the role and the reason.
"""

import errno
import os
import stat
import struct
import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset

from ..codes import Code
from ..errors import FileError
from ..model import Frame
from ..vocabulary import Role
from .header.raw_header import CHARACTER_SET, FUNCTIONAL_GROUPS, ByteSource, OpenFile, RawHeader
from .header.values import (
    ValueReader,
    read_code,
    read_double,
    read_float,
    read_index,
    read_integer,
    read_short,
    read_text,
    read_yes,
    unpack_binary,
    vector_reader,
)
from .header.walk import read_header
from .pixel_facts import LOSSY, is_lossy, pixels_missing

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
CT_CLASSES = frozenset({CT_IMAGE, f"{CT_IMAGE}.1", f"{CT_IMAGE}.2"})
"""CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage (PS3.4 B.5)."""
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_CLASSES = frozenset({_SECONDARY, *(f"{_SECONDARY}.{i}" for i in range(1, 5))})
"""Secondary Capture and the four multi-frame Secondary Capture classes (PS3.4 B.5)."""

CANNOT_OPEN = "cannot be opened"
"""Start of the reason where the operating system refuses; such files are tried at every scan."""

_FIELDS: dict[int, tuple[str, ValueReader]] = {
    0x00080016: ("sop_class_uid", read_text),
    0x00080018: ("sop_instance_uid", read_text),
    0x0020000E: ("series_uid", read_text),
    0x0020000D: ("study_uid", read_text),
    0x00200052: ("frame_of_reference_uid", read_text),
    0x00080060: ("modality", read_code),
    0x00080008: ("image_type", read_code),
    0x00200013: ("instance_number", read_integer),
    0x00200012: ("acquisition_number", read_integer),
    0x00200100: ("temporal_position", read_integer),
    0x00181060: ("trigger_time", read_float),
    0x00181210: ("kernel", read_text),
    0x00209056: ("stack_id", read_text),
    0x00180086: ("echo_number", read_integer),
    0x00280010: ("rows", read_short),
    0x00280011: ("columns", read_short),
    0x00200032: ("position", vector_reader(3)),
    0x00200037: ("orientation", vector_reader(6)),
    0x00280030: ("pixel_spacing", vector_reader(2)),
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
"""Tag → field of ``Frame`` and how its bytes are read."""
_FRAMES, _PADDING = 0x00280008, 0x00280120
WANTED = frozenset(_FIELDS) | FUNCTIONAL_GROUPS | {_FRAMES, _PADDING, LOSSY, CHARACTER_SET}

_GROUP_FIELDS: tuple[tuple[str, int, int, ValueReader], ...] = (
    ("position", 0x00209113, 0x00200032, vector_reader(3)),
    ("orientation", 0x00209116, 0x00200037, vector_reader(6)),
    ("pixel_spacing", 0x00289110, 0x00280030, vector_reader(2)),
    ("slice_thickness", 0x00289110, 0x00180050, read_float),
    ("spacing_between_slices", 0x00289110, 0x00180088, read_float),
    ("stack_id", 0x00209111, 0x00209056, read_text),
    ("temporal_position", 0x00209111, 0x00209128, read_index),
    ("acquisition_number", 0x00209111, 0x00209156, read_index),
    ("rescale_slope", 0x00289145, 0x00281053, read_float),
    ("rescale_intercept", 0x00289145, 0x00281052, read_float),
    ("rescale_type", 0x00289145, 0x00281054, read_text),
    ("image_type", 0x00189329, 0x00089007, read_code),
    ("kernel", 0x00189314, 0x00181210, read_text),
    ("trigger_time", 0x00189118, 0x00209153, read_double),
    ("kvp", 0x00189325, 0x00180060, read_float),
    ("gantry_tilt", 0x00189304, 0x00181120, read_float),
    ("acquisition_number", 0x00209170, 0x00200012, read_integer),
    ("acquisition_number", 0x00209171, 0x00200012, read_integer),
    ("kernel", 0x00209170, 0x00181210, read_text),
    ("kernel", 0x00209171, 0x00181210, read_text),
    ("gantry_tilt", 0x00209170, 0x00181120, read_float),
    ("gantry_tilt", 0x00209171, 0x00181120, read_float),
    ("kvp", 0x00209170, 0x00180060, read_float),
)
"""Field, macro sequence, element in it (PS3.3 C.7.6.16.2 and C.8.15.3), and its parser. The last
ones are the converted attributes of Legacy Converted Enhanced CT (PS3.3 C.7.6.16.2.25)."""


def read_frames(dataset: str, root: str, path: str) -> list[Frame]:
    """Read the header of one file.

    Returns one ``Frame`` a frame for what may be a CT volume and one in all for any other
    file. Their role is ``not_dicom``, ``unreadable`` or ``not_image`` where that is certain, with
    the reason for the first two, and otherwise ``slice`` until ``roles.assign_role`` decides.
    Never raises for what is wrong with the file.
    """
    size = mtime_ns = 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            size, mtime_ns = status.st_size, status.st_mtime_ns
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            source: ByteSource = OpenFile(descriptor, size)
            with warnings.catch_warnings():
                # A warning of pydicom may hold a value of the header; errors are counted instead.
                warnings.simplefilter("ignore")
                header, source = read_header(source, WANTED)
                return _frames_of_dataset(dataset, root, path, mtime_ns, size, header, source)
        finally:
            os.close(descriptor)
    except FileError as error:
        role = Role.NOT_DICOM if error.code is Code.NOT_DICOM else Role.UNREADABLE
        code, reason = error.code, f"the file {error}"
    except OSError as error:
        role, code = Role.UNREADABLE, Code.UNREADABLE
        reason = f"{CANNOT_OPEN}: {error.strerror or 'input/output error'}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        role, code = Role.UNREADABLE, Code.DAMAGED
        reason = f"the file has a header that cannot be interpreted ({type(error).__name__})"
    return [Frame(dataset, root, path, size, mtime_ns, role, reason, code)]


def _frames_of_dataset(
    dataset: str,
    root: str,
    path: str,
    mtime_ns: int,
    size: int,
    header: RawHeader,
    source: ByteSource,
) -> list[Frame]:
    fields: dict[str, Any] = {}
    bad = header.bad_elements
    for tag, (vr, raw) in header.values.items():
        known = _FIELDS.get(tag)
        if known is None:
            continue
        try:
            value = known[1](vr, raw, header)
        except (ValueError, OverflowError, LookupError, struct.error):
            bad += 1
            continue
        if value is not None:
            fields[known[0]] = value
    frames, wrong = _frame_count(header)
    bad += wrong
    padding, wrong = _padding(header, fields.get("pixel_representation", 0))
    bad += wrong
    fields["sop_class_uid"] = fields.get("sop_class_uid") or header.media_sop_class
    fields["sop_instance_uid"] = fields.get("sop_instance_uid") or header.media_sop_instance
    missing = pixels_missing(header, source, frames, fields)
    role, reason = (Role.NOT_IMAGE, "") if missing is None else (Role.SLICE, "")
    code = Code.NO_PIXELS if missing is None else None
    if header.problem:
        role, code, reason = Role.UNREADABLE, Code.DAMAGED, f"the file {header.problem}"
    frame = Frame(
        dataset=dataset,
        root=root,
        path=path,
        bytes=size,
        mtime_ns=mtime_ns,
        role=role,
        reason=reason,
        code=code,
        frames=frames,
        transfer_syntax_uid=header.transfer_syntax,
        padding_value=padding,
        lossy=missing is not None and is_lossy(header, source),
        bad_elements=bad,
        pixels_missing=missing or 0,
        **fields,
    )
    if missing is None or missing > 0 or not _may_be_ct(frame):
        return [frame]
    if frames == 1 and not header.groups:
        return [frame]
    return list(_frames(frame, header))


def _may_be_ct(frame: Frame) -> bool:
    """Whether a setting could make planes of this object; then each frame needs its own row."""
    if frame.sop_class_uid:
        return frame.sop_class_uid in CT_CLASSES | SECONDARY_CLASSES
    return frame.modality == "CT"


def _frame_count(header: RawHeader) -> tuple[int, int]:
    vr, raw = header.values.get(_FRAMES, ("", b""))
    try:
        frames = read_integer(vr, raw, header)
    except (ValueError, OverflowError, struct.error):
        return 1, 1
    return (1, 0) if frames is None else (max(frames, 1), int(frames < 1))


def _padding(header: RawHeader, pixel_representation: int) -> tuple[int | None, int]:
    """PixelPaddingValue as a stored integer, and whether it could not be parsed.

    Its VR is to follow PixelRepresentation, but transcoders write US into signed images: 63536
    there is -2000. The bytes are right, so they are read as the pixels are (PS3.3 C.7.5.1.1.2).
    """
    vr, raw = header.values.get(_PADDING, ("", b""))
    if not raw:
        return None, 0
    try:
        if len(raw) == 2 and vr not in ("IS", "DS"):
            letter = "h" if pixel_representation == 1 else "H"
            return int(unpack_binary(letter, raw, header)[0]), 0
        return read_integer(vr, raw, header), 0
    except (ValueError, OverflowError, struct.error):
        return None, 1


def _frames(frame: Frame, header: RawHeader) -> Iterator[Frame]:
    """One ``Frame`` a frame, from the shared and the per-frame functional groups."""
    shared_items = header.groups.get(0x52009229, [])
    own_items = header.groups.get(0x52009230, [])
    shared, bad = _macro_values(shared_items[0], header) if shared_items else ({}, 0)
    if frame.frames > 1:
        # One position at the top level cannot be that of every frame.
        frame = replace(frame, position=None)
    frame = replace(frame, bad_elements=frame.bad_elements + bad, **shared)
    for number in range(1, frame.frames + 1):
        own: dict[str, Any] = {}
        bad = 0
        if number <= len(own_items):
            own, bad = _macro_values(own_items[number - 1], header)
        yield replace(frame, frame_number=number, bad_elements=frame.bad_elements + bad, **own)


def _macro_values(item: Dataset, header: RawHeader) -> tuple[dict[str, Any], int]:
    """Fields that one functional group item gives, and how many elements could not be parsed."""
    values: dict[str, Any] = {}
    bad = 0
    opened: dict[int, Dataset | None] = {}
    for field, macro, tag, parse in _GROUP_FIELDS:
        if macro not in opened:
            try:
                sequence = item[macro].value if macro in item else None
                opened[macro] = sequence[0] if sequence else None
            except Exception:  # noqa: BLE001 - pydicom raises many kinds; the element is counted
                opened[macro] = None
                bad += 1
        inner = opened[macro]
        if inner is None or tag not in inner:
            continue
        try:
            element: Any = inner.get_item(tag)
            value = parse(element.VR or "", element.value or b"", header)
        except Exception:  # noqa: BLE001 - pydicom raises many kinds; the element is counted
            bad += 1
            continue
        if value not in (None, ""):
            values[field] = value
    return values, bad
