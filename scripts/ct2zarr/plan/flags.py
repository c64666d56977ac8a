"""Flags with their evidence: what is unusual in the headers of a volume's planes."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass

import numpy as np

from ..dicom.rescale import Rescale
from ..dicom.sop_classes import (
    ENHANCED_CT,
    LEGACY_CONVERTED_ENHANCED_CT,
    SECONDARY_CLASSES,
)
from ..geometry.stacks import StackGeometry
from ..geometry.tolerances import in_plane_tolerance, varying_numbers
from ..model import Frame, Json, RaisedFlag, UnusedFrame
from ..vocabulary import Flag, Role
from .ordering import order_of, position_does_not_vary
from .orientation import inexact_orientation
from .stack import missing_geometry, nominal_step

UNSPECIFIED = "US"
"""RescaleType of an unspecified unit; GDCM and ITK write it where their source has none."""

HU_NAMES = frozenset({"", "HU", UNSPECIFIED, "HOUNSFIELD", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS"})
"""RescaleType of Hounsfield units (PS3.3 C.11.1.1.2), and how some vendors spell it;
an unspecified one says no more than its absence."""

HU_CONTRASTS = frozenset(
    {"", "NONE", "ADDITION", "FILTERED", "MAXIMUM", "MEAN", "MEDIAN", "MINIMUM", "RESAMPLED"}
)
"""Values of ImageType's fourth value (PS3.3 C.8.16.1.4) whose pixels still are Hounsfield units."""

MAP_CONTRASTS = frozenset(
    {"EFF_ATOMIC_NUM", "ELECTRON_DENSITY", "MAT_FRACTIONAL", "MAT_SPECIFIC", "MAT_VALUE_BASED"}
)
"""Values of ImageType's fourth value (PS3.3 C.8.2.1.1.1) that name a map of a multi-energy CT, in
classic and Enhanced objects. The others there (VMI, MAT_REMOVED, MAT_MODIFIED) are attenuation."""

LISTED_VALUES = 20
"""Values that the evidence of ``varying_acquisition`` lists at most: the commonest."""

_FLAG_ORDER = {flag: number for number, flag in enumerate(Flag)}


def in_order(flags: Iterable[RaisedFlag]) -> tuple[RaisedFlag, ...]:
    """Raised flags in the order of ``Flag``."""
    return tuple(sorted(flags, key=lambda raised: _FLAG_ORDER[raised.flag]))


def geometry_flags(planes: Sequence[Frame], geometry: StackGeometry | None) -> list[RaisedFlag]:
    """Flags of order and place: missing, uneven, tilt, shift, no geometry, single."""
    flags = []
    if len(planes) == 1:
        nominal = geometry.spacing[0] if geometry else nominal_step(planes)
        flags.append(RaisedFlag(Flag.SINGLE_SLICE, {"nominal_spacing_mm": nominal}))
    if geometry is None:
        missing: list[Json] = []
        missing.extend(sorted({name for plane in planes for name in missing_geometry(plane)}))
        evidence: dict[str, Json] = {"planes": len(planes), "missing": missing}
        if position_does_not_vary(planes):
            evidence["unusable"] = "the position does not vary"
        evidence["order_by"] = str(order_of(planes)[0])
        flags.append(RaisedFlag(Flag.NO_GEOMETRY, evidence))
        return flags
    if geometry.missing is not None:
        holes = geometry.missing
        evidence = {
            "count": holes.count,
            "after": list(holes.after),
            "offsets_mm": list(holes.offsets_mm),
            "spacing_mm": holes.spacing_mm,
        }
        flags.append(RaisedFlag(Flag.MISSING_SLICES, evidence))
    elif not geometry.uniform:
        gaps = geometry.gaps_mm
        evidence = {
            "min_mm": float(gaps.min()),
            "max_mm": float(gaps.max()),
            "median_mm": float(np.median(gaps)),
        }
        flags.append(RaisedFlag(Flag.UNEVEN_SPACING, evidence))
    flags.extend(_written_geometry_flags(planes))
    tolerance = in_plane_tolerance(geometry.spacing[1:])
    if geometry.in_plane_shift_mm > tolerance:
        shift = geometry.in_plane_shift_mm
        flags.append(RaisedFlag(Flag.IN_PLANE_SHIFT, {"max_mm": shift}))
    elif geometry.drift_mm > tolerance:
        declared = {plane.gantry_tilt for plane in planes}
        header = declared.pop() if len(declared) == 1 else None
        evidence = {"degrees": geometry.tilt_degrees, "header_degrees": header}
        flags.append(RaisedFlag(Flag.GANTRY_TILT, evidence))
    return flags


def _written_geometry_flags(planes: Sequence[Frame]) -> list[RaisedFlag]:
    """Flags of cosines and positions that are not what the header should say."""
    flags = []
    inexact = inexact_orientation(planes)
    if inexact is not None:
        flags.append(RaisedFlag(Flag.INEXACT_ORIENTATION, inexact))
    nominal = [plane for plane in planes if plane.nominal_position]
    if nominal:
        spacings: list[Json] = []
        spacings.extend(sorted({plane.spacing_between_slices or 0.0 for plane in nominal}))
        evidence: dict[str, Json] = {"planes": len(nominal), "spacing_between_slices": spacings}
        flags.append(RaisedFlag(Flag.NOMINAL_POSITIONS, evidence))
    return flags


def unused_frame_flags(unused: Sequence[UnusedFrame]) -> list[RaisedFlag]:
    """Flags that count the unused frames of a volume by their role."""
    flags = []
    for flag, role in (
        (Flag.DUPLICATE_SLICES, Role.DUPLICATE),
        (Flag.UNREADABLE_FILES, Role.UNREADABLE),
        (Flag.LOCALIZERS_REMOVED, Role.LOCALIZER),
    ):
        count = sum(entry.role is role for entry in unused)
        if count:
            flags.append(RaisedFlag(flag, {"count": count}))
    return flags


def pixel_flags(planes: Sequence[Frame]) -> list[RaisedFlag]:
    """Flags of values and encoding; planes with equal headers are looked at once."""
    counts = Counter(
        (
            plane.rescale_slope,
            plane.rescale_intercept,
            plane.rescale_type,
            plane.modality_lut,
            plane.image_type,
            plane.padding_value,
            plane.bits_allocated,
            plane.bits_stored,
            plane.high_bit,
            plane.pixel_representation,
            plane.lossy,
            plane.burned_in,
            plane.sop_class_uid,
            plane.bad_elements,
        )
        for plane in planes
    )
    kinds = [_Kind(*values, planes=count) for values, count in counts.items()]
    found = [*_rescale_flags(kinds), *_format_flags(kinds), *_source_flags(kinds)]
    found += _acquisition_flags(planes)
    bad = {plane.path: plane.bad_elements for plane in planes if plane.bad_elements}
    if bad:
        evidence: dict[str, Json] = {"count": sum(bad.values()), "files": len(bad)}
        found.append(RaisedFlag(Flag.UNPARSED_ELEMENTS, evidence))
    return found


def _acquisition_flags(planes: Sequence[Frame]) -> list[RaisedFlag]:
    """Tube voltage and thickness, with the number of planes per value, where they differ."""
    evidence: dict[str, Json] = {}
    for keyword, values in (
        ("KVP", [plane.kvp for plane in planes]),
        ("SliceThickness", [plane.slice_thickness for plane in planes]),
    ):
        counts = Counter(value for value in values if value is not None and value > 0)
        if varying_numbers(counts):
            most = counts.most_common(LISTED_VALUES)
            evidence[keyword] = {f"{value:g}": count for value, count in sorted(most)}
    return [RaisedFlag(Flag.VARYING_ACQUISITION, evidence)] if evidence else []


@dataclass(frozen=True, slots=True)
class _Kind:
    """What the pixels of some planes have in common; fields as in ``Frame``."""

    rescale_slope: float | None
    rescale_intercept: float | None
    rescale_type: str
    modality_lut: bool
    image_type: str
    padding_value: int | None
    bits_allocated: int
    bits_stored: int
    high_bit: int
    pixel_representation: int
    lossy: bool
    burned_in: bool
    sop_class_uid: str
    bad_elements: int
    planes: int

    @property
    def incomplete(self) -> bool:
        """Slope or intercept is absent, or cannot be read."""
        return self.rescale_slope is None or self.rescale_intercept is None


def _rescale_flags(kinds: Sequence[_Kind]) -> list[RaisedFlag]:
    flags = []
    pairs = {
        astuple(Rescale.declared(kind.rescale_slope, kind.rescale_intercept)) for kind in kinds
    }
    if len(pairs) > 1:
        values: list[Json] = [[slope, intercept] for slope, intercept in sorted(pairs)]
        flags.append(RaisedFlag(Flag.MIXED_RESCALE, {"values": values}))
    units = {kind.rescale_type.upper() for kind in kinds} - HU_NAMES
    maps = [kind for kind in kinds if is_derived_map(kind)]
    if units or maps:
        named: list[Json] = []
        named.extend(sorted(units))
        types: list[Json] = []
        types.extend(sorted({kind.image_type for kind in maps}))
        flags.append(RaisedFlag(Flag.NOT_HU, {"rescale_type": named, "image_type": types}))
    bare = [kind for kind in kinds if kind.incomplete and not is_derived_map(kind)]
    if bare:
        flags.append(RaisedFlag(Flag.NO_RESCALE, _why_no_rescale(bare)))
    return flags


def _why_no_rescale(bare: Sequence[_Kind]) -> dict[str, Json]:
    """How many planes lack what; half a rescale and a table are named beside the count of all."""
    only = {
        "without_intercept": sum(k.planes for k in bare if k.rescale_slope is not None),
        "without_slope": sum(k.planes for k in bare if k.rescale_intercept is not None),
        "modality_lut": sum(kind.planes for kind in bare if kind.modality_lut),
    }
    counts: dict[str, Json] = {"planes": sum(kind.planes for kind in bare)}
    return counts | {name: count for name, count in only.items() if count}


def _format_flags(kinds: Sequence[_Kind]) -> list[RaisedFlag]:
    flags = []
    formats = {
        (kind.bits_allocated, kind.bits_stored, kind.high_bit, kind.pixel_representation)
        for kind in kinds
    }
    if len(formats) > 1:
        values: list[Json] = [
            {
                "bits_allocated": allocated,
                "bits_stored": stored,
                "high_bit": high,
                "pixel_representation": signed,
            }
            for allocated, stored, high, signed in sorted(formats)
        ]
        flags.append(RaisedFlag(Flag.MIXED_PIXEL_FORMAT, {"formats": values}))
    paddings = sorted({kind.padding_value for kind in kinds if kind.padding_value is not None})
    if paddings:
        every: list[Json] = []
        every.extend(paddings)
        count = sum(kind.planes for kind in kinds if kind.padding_value is not None)
        evidence: dict[str, Json] = {"value": paddings[0], "planes": count}
        if len(paddings) > 1:
            evidence["values"] = every
        flags.append(RaisedFlag(Flag.PADDING, evidence))
    return flags


def _source_flags(kinds: Sequence[_Kind]) -> list[RaisedFlag]:
    counts = {
        Flag.LOSSY_COMPRESSION: sum(kind.planes for kind in kinds if kind.lossy),
        Flag.SECONDARY_CAPTURE: sum(
            kind.planes for kind in kinds if kind.sop_class_uid in SECONDARY_CLASSES
        ),
        Flag.BURNED_IN_ANNOTATION: sum(kind.planes for kind in kinds if kind.burned_in),
    }
    return [RaisedFlag(flag, {"planes": planes}) for flag, planes in counts.items() if planes]


def is_derived_map(plane: "Frame | _Kind") -> bool:
    """Whether a frame holds something other than attenuation, as ImageType's fourth value says.

    Spectral maps bear a name of their own, whatever their rescale. Perfusion and other parameter
    maps of Enhanced CT are named freely, and have no rescale to Hounsfield units: none at all, or
    one to values of an unspecified unit.
    """
    values = plane.image_type.split("\\")
    contrast = values[3].strip() if len(values) > 3 else ""
    if contrast in MAP_CONTRASTS:
        return True
    if plane.sop_class_uid not in (ENHANCED_CT, LEGACY_CONVERTED_ENHANCED_CT):
        return False
    bare = plane.rescale_slope is None and plane.rescale_intercept is None
    unspecified = plane.rescale_type.upper() == UNSPECIFIED
    return (bare or unspecified) and contrast not in HU_CONTRASTS
