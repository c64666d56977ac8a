"""A multi-frame file to its frames: from functional groups, or in steps along the normal."""

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pydicom.dataset import Dataset

from ..geometry.stacks import cross
from ..model import Frame
from .element_values import (
    ValueReader,
    read_as_meant,
    read_code,
    read_double,
    read_float,
    read_index,
    read_integer,
    read_pixel_spacing,
    read_text,
    vector_reader,
)
from .header import RawHeader
from .tags import (
    CARDIAC_SYNCHRONIZATION,
    CT_ACQUISITION_DETAILS,
    CT_IMAGE_FRAME_TYPE,
    CT_RECONSTRUCTION,
    CT_X_RAY_DETAILS,
    FRAME_ACQUISITION_NUMBER,
    FRAME_CONTENT,
    FRAME_TYPE,
    PER_FRAME_GROUPS,
    PIXEL_MEASURES,
    PIXEL_SPACING,
    PIXEL_VALUE_TRANSFORMATION,
    PLANE_ORIENTATION,
    PLANE_POSITION,
    SHARED_GROUPS,
    UNASSIGNED_PER_FRAME_ATTRIBUTES,
    UNASSIGNED_SHARED_ATTRIBUTES,
)

_GROUP_FIELDS: tuple[tuple[str, int, int, ValueReader], ...] = (
    ("position", PLANE_POSITION, 0x00200032, vector_reader(3)),
    ("orientation", PLANE_ORIENTATION, 0x00200037, vector_reader(6)),
    ("pixel_spacing", PIXEL_MEASURES, PIXEL_SPACING, read_pixel_spacing),
    ("slice_thickness", PIXEL_MEASURES, 0x00180050, read_float),
    ("spacing_between_slices", PIXEL_MEASURES, 0x00180088, read_float),
    ("stack_id", FRAME_CONTENT, 0x00209056, read_text),
    ("temporal_index", FRAME_CONTENT, 0x00209128, read_index),
    ("acquisition_number", FRAME_CONTENT, FRAME_ACQUISITION_NUMBER, read_index),
    ("rescale_slope", PIXEL_VALUE_TRANSFORMATION, 0x00281053, read_float),
    ("rescale_intercept", PIXEL_VALUE_TRANSFORMATION, 0x00281052, read_float),
    ("rescale_type", PIXEL_VALUE_TRANSFORMATION, 0x00281054, read_text),
    ("image_type", CT_IMAGE_FRAME_TYPE, FRAME_TYPE, read_code),
    ("kernel", CT_RECONSTRUCTION, 0x00181210, read_text),
    ("cardiac_delay", CARDIAC_SYNCHRONIZATION, 0x00209153, read_double),
    ("cardiac_phase", CARDIAC_SYNCHRONIZATION, 0x00209241, read_double),
    ("kvp", CT_X_RAY_DETAILS, 0x00180060, read_float),
    ("gantry_tilt", CT_ACQUISITION_DETAILS, 0x00181120, read_float),
    ("acquisition_number", UNASSIGNED_SHARED_ATTRIBUTES, 0x00200012, read_integer),
    ("acquisition_number", UNASSIGNED_PER_FRAME_ATTRIBUTES, 0x00200012, read_integer),
    ("kernel", UNASSIGNED_SHARED_ATTRIBUTES, 0x00181210, read_text),
    ("kernel", UNASSIGNED_PER_FRAME_ATTRIBUTES, 0x00181210, read_text),
    ("gantry_tilt", UNASSIGNED_SHARED_ATTRIBUTES, 0x00181120, read_float),
    ("gantry_tilt", UNASSIGNED_PER_FRAME_ATTRIBUTES, 0x00181120, read_float),
    ("kvp", UNASSIGNED_SHARED_ATTRIBUTES, 0x00180060, read_float),
)
"""Field, macro sequence, element in it (PS3.3 C.7.6.16.2 and C.8.15.3), and its reader. Of two
that give the same field the later one counts."""


def frames_of_file(frame: Frame, header: RawHeader) -> Iterator[Frame]:
    """Each frame, completed from the shared and the per-frame functional groups."""
    if frame.frames > 1 and not header.groups:
        yield from _nominal_frames(frame)
        return
    shared_items = header.groups.get(SHARED_GROUPS, [])
    own_items = header.groups.get(PER_FRAME_GROUPS, [])
    shared, bad = _macro_values(shared_items[0], header) if shared_items else ({}, 0)
    if frame.frames > 1:
        # One place at the top level cannot be that of every frame.
        frame = replace(frame, position=None, slice_location=None)
    frame = replace(frame, bad_elements=frame.bad_elements + bad, **shared)
    for number in range(1, frame.frames + 1):
        own: dict[str, Any] = {}
        bad = 0
        if number <= len(own_items):
            own, bad = _macro_values(own_items[number - 1], header)
        yield replace(frame, frame_number=number, bad_elements=frame.bad_elements + bad, **own)


def _nominal_frames(frame: Frame) -> Iterator[Frame]:
    """The frames of a multi-frame file without functional groups, as dental scanners write.

    The position at the top level is that of the first frame; the others follow along the normal,
    SpacingBetweenSlices apart. Without either the places of the frames are unknown.
    """
    first, step = frame.position, _step_between_frames(frame)
    known = first is not None and step is not None
    frame = replace(frame, position=None, slice_location=None, nominal_position=known)
    for number in range(frame.frames):
        if first is not None and step is not None:
            x, y, z = (origin + number * along for origin, along in zip(first, step, strict=True))
            frame = replace(frame, position=(x, y, z))
        yield replace(frame, frame_number=number + 1)


def _step_between_frames(frame: Frame) -> list[float] | None:
    """SpacingBetweenSlices along the normal, mm; a negative one runs against it (PS3.3 C.8.4.8)."""
    between = frame.spacing_between_slices
    if not between or not math.isfinite(between) or frame.orientation is None:
        return None
    normal = cross(frame.orientation)
    length = math.hypot(*normal)
    if not 0 < length < math.inf:
        return None
    return [between * component / length for component in normal]


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
            value, regular = read_as_meant(
                tag, parse, element.VR or "", element.value or b"", header
            )
        except Exception:  # noqa: BLE001 - pydicom raises many kinds; the element is counted
            bad += 1
            continue
        bad += not regular
        if value not in (None, ""):
            values[field] = value
    return values, bad
