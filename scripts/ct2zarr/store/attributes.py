"""Attributes of a store: geometry as JSON, OME-Zarr metadata, and the CF conventions for HU."""

from collections.abc import Mapping

import numpy as np

from ..dicom.metadata import Protect
from ..geometry.pyramid import METHOD, Level
from ..geometry.stacks import NOMINAL_STEP_MM, StackGeometry
from ..model import Json, RaisedFlag, Vector, VolumePlan
from ..plan.grouping import plan_geometry
from ..plan.orientation import common_orientation, spans_a_plane
from ..plan.stack import nominal_step
from ..vocabulary import Flag
from .zarr_documents import ArrayLayout, Scale, multiscales

RECORD_ONLY = frozenset({"tilt_degrees"})
"""Members of the geometry that series.json has and the store does not repeat."""


def geometry_attributes(plan: VolumePlan, protect: Protect | None) -> dict[str, Json]:
    """Geometry in JSON; members that a volume without geometry lacks are ``None``."""
    references = {plane.frame_of_reference_uid for plane in plan.planes}
    reference: Json = references.pop() if len(references) == 1 else None
    if protect is not None and reference is not None:
        reference = protect("FrameOfReferenceUID", reference)
    stack = plan_geometry(plan)
    if stack is None:
        orientation = common_orientation(plan.planes) if _oriented(plan) else None
        return {
            "spacing": list(_nominal_spacing(plan)),
            "orientation": [list(orientation[:3]), list(orientation[3:])] if orientation else None,
            "index_to_lps": None,
            "slice_origins_lps": None,
            "max_position_error_mm": None,
            "tilt_degrees": None,
            "frame_of_reference_uid": reference,
        }
    return {
        "spacing": list(stack.spacing),
        "orientation": [list(stack.orientation[:3]), list(stack.orientation[3:])],
        "index_to_lps": stack.index_to_lps.tolist(),
        "slice_origins_lps": stack.slice_origins_lps.tolist(),
        "max_position_error_mm": stack.max_position_error_mm,
        # A single plane has no stacking direction that could be tilted.
        "tilt_degrees": stack.tilt_degrees if len(plan.planes) > 1 else None,
        "frame_of_reference_uid": reference,
    }


def _oriented(plan: VolumePlan) -> bool:
    return all(spans_a_plane(plane.orientation) for plane in plan.planes)


def spacing_of_plan(plan: VolumePlan) -> Vector:
    """(dz, dy, dx), mm, of a volume with or without geometry."""
    stack = plan_geometry(plan)
    return _nominal_spacing(plan) if stack is None else stack.spacing


def _nominal_spacing(plan: VolumePlan) -> Vector:
    """Spacing (dz, dy, dx) of a volume without geometry, mm; nominal if the header has none."""
    dy, dx = plan.planes[0].pixel_spacing or (NOMINAL_STEP_MM, NOMINAL_STEP_MM)
    return nominal_step(plan.planes), dy, dx


def _translation(stack: StackGeometry) -> Vector:
    """Position of the first voxel along the axes z, y, x of the array, mm.

    For an axial volume these are its LPS coordinates. OME-Zarr 0.4 and 0.5 cannot express oblique
    axes; index_to_lps can.
    """
    origin = stack.slice_origins_lps[0]
    axes = (stack.normal, stack.orientation[3:], stack.orientation[:3])
    z, y, x = (float(origin @ np.asarray(axis)) for axis in axes)
    return z, y, x


def ome_attributes(
    plan: VolumePlan, layout: ArrayLayout, levels: tuple[Level, ...]
) -> dict[str, Json]:
    """The OME-Zarr attributes of the group."""
    stack = plan_geometry(plan)
    translation = (0.0, 0.0, 0.0) if stack is None else _translation(stack)
    spacing = spacing_of_plan(plan)
    scales = [
        Scale(level.path, level.scale(spacing), level.translation(spacing, translation))
        for level in levels
    ]
    return multiscales(layout.zarr_format, scales, METHOD if len(levels) > 1 else "")


def convention_attributes(
    values: Mapping[str, Json], flags: tuple[RaisedFlag, ...]
) -> dict[str, Json]:
    """Attributes of the array from which xarray and others compute HU (CF conventions, 8.1).

    Stored values get ``scale_factor`` and ``add_offset`` if these are the same for all planes.
    """
    if values["units"]:
        return {"units": values["units"]}
    unknown = {Flag.NOT_HU, Flag.NO_RESCALE}.intersection(raised.flag for raised in flags)
    slope, intercept = values["slope"], values["intercept"]
    if unknown or slope is None or intercept is None:
        return {}
    return {"units": "HU", "scale_factor": slope, "add_offset": intercept}
