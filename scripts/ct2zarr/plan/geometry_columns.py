"""The geometry index of the Imaging Data Commons (IDC), for one volume.

Each column follows the table ``volume_geometry_index`` of the IDC (repository
ImagingDataCommons/idc-index-data, ``scripts/sql/volume_geometry_index.sql``), so that a dataset
can be triaged by the same questions as the public collections. They are asked of every distinct
frame of the volume: its planes, and the frames that were left out because they repeat a position.
A volume with a conflicting slice is therefore not a ``regularly_spaced_3d_volume``.
"""

import math
from dataclasses import dataclass

import numpy as np

from ..codes import Code
from ..geometry.stacks import cross
from ..geometry.tolerances import IN_PLANE_TOLERANCE_MM, NORMAL_TOLERANCE, ORTHOGONAL_TOLERANCE
from ..model import Frame, VolumePlan
from .stack import missing_geometry


@dataclass(frozen=True, slots=True)
class GeometryColumns:
    """Columns of the manifest, named and defined as in the IDC index; None where undefined.

    Attributes
    ----------
    single_orientation
        All frames have the same ImageOrientationPatient.
    orthogonal_orientation
        The length of row x column is 1 within 0.01.
    unique_slice_positions
        No two frames have one position along the normal.
    consistent_in_plane_row, consistent_in_plane_col
        Origins along the rows (the columns) differ by less than 0.1 mm.
    consistent_pixel_spacing, consistent_image_dimensions
        One value for all frames.
    uniform_slice_spacing
        Each gap is within 1 % of span/(N-1); None for one frame.
    regularly_spaced_3d_volume
        All of the above.
    obliquity_degrees
        Angle between the normal and the nearest patient axis, two decimals.
    """

    single_orientation: bool | None
    orthogonal_orientation: bool | None
    unique_slice_positions: bool | None
    consistent_in_plane_row: bool | None
    consistent_in_plane_col: bool | None
    consistent_pixel_spacing: bool | None
    consistent_image_dimensions: bool | None
    uniform_slice_spacing: bool | None
    regularly_spaced_3d_volume: bool
    obliquity_degrees: float | None


def geometry_columns(plan: VolumePlan) -> GeometryColumns:
    """Answer the questions of the IDC index for one volume, from headers alone."""
    if not plan.planes:
        return GeometryColumns(None, None, None, None, None, None, None, None, False, None)
    frames = _distinct_frames(plan)
    spacings = {frame.pixel_spacing for frame in frames}
    one_spacing = len(spacings) == 1 and None not in spacings
    one_matrix = len({(frame.rows, frame.columns) for frame in frames}) == 1
    if any(set(missing_geometry(frame)) - {"PixelSpacing"} for frame in frames):
        return GeometryColumns(
            None, None, None, None, None, one_spacing, one_matrix, None, False, None
        )
    orientations = [frame.orientation for frame in frames if frame.orientation is not None]
    normals = np.array([cross(orientation) for orientation in orientations])
    lengths = np.sqrt((normals**2).sum(axis=1))
    positions = np.array([frame.position for frame in frames], dtype=np.float64)
    cosines = np.array(orientations)
    along = np.sort((positions * normals).sum(axis=1))
    along_row = (positions * cosines[:, :3]).sum(axis=1)
    along_column = (positions * cosines[:, 3:]).sum(axis=1)
    uniform: bool | None = None
    if len(frames) > 1:
        expected = (along[-1] - along[0]) / (len(frames) - 1)
        off = np.abs(np.diff(along) - expected).max()
        uniform = bool(off < NORMAL_TOLERANCE * abs(expected))
    answers = {
        "single_orientation": len(set(orientations)) == 1,
        "orthogonal_orientation": bool((np.abs(lengths - 1) <= ORTHOGONAL_TOLERANCE).all()),
        "unique_slice_positions": len(np.unique(along)) == len(frames),
        "consistent_in_plane_row": bool(np.ptp(along_row) < IN_PLANE_TOLERANCE_MM),
        "consistent_in_plane_col": bool(np.ptp(along_column) < IN_PLANE_TOLERANCE_MM),
        "consistent_pixel_spacing": one_spacing,
        "consistent_image_dimensions": one_matrix,
    }
    nearest = float(np.abs(normals[0]).max() / lengths[0])
    return GeometryColumns(
        **answers,
        uniform_slice_spacing=uniform,
        regularly_spaced_3d_volume=all(answers.values()) and bool(uniform),
        obliquity_degrees=round(math.degrees(math.acos(min(nearest, 1.0))), 2),
    )


def _distinct_frames(plan: VolumePlan) -> list[Frame]:
    """Planes and the frames left out at their positions; copies of one SOP instance count once."""
    frames = list(plan.planes)
    seen = {
        (frame.sop_instance_uid, frame.frame_number) for frame in frames if frame.sop_instance_uid
    }
    for unused in plan.unused:
        frame = unused.frame
        identity = (frame.sop_instance_uid, frame.frame_number)
        if unused.code in (Code.DUPLICATE, Code.CONFLICTING_SLICES) and identity not in seen:
            frames.append(frame)
            seen.add(identity)
    return frames
