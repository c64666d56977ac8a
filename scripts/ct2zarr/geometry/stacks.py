"""Where the planes of a stack lie: normal, spacing, tilt, shift and the affine; arrays only.

Coordinates are DICOM patient coordinates (LPS, mm; PS3.3 C.7.6.2.1.1). ``orientation`` holds the
direction cosines of the rows, then of the columns; the slice normal is row x column, and planes
are in ascending order along it. Nothing here knows of DICOM objects.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .spacing import Floats, Integers, MissingPlanes, is_uniform, spacing_of, written_unit
from .tolerances import COSINE_ROUNDING, NORMAL_LENGTH_TOLERANCE

NOMINAL_STEP_MM = 1.0
"""Spacing where neither positions nor header give one, as of a single plane."""

_ALONG_COLUMNS = 1e-3
"""Share of the drift from which on a move along the columns gives the tilt its sign."""


@dataclass(frozen=True, slots=True)
class StackGeometry:
    """Geometry of a stack of N planes.

    Attributes
    ----------
    spacing
        (dz, dy, dx), mm; dz is the span along the normal over N-1.
    orientation
        Row cosines, column cosines.
    normal
        Unit vector row x column.
    index_to_lps
        (4, 4), maps (z, y, x, 1) to LPS mm, shear included.
    slice_origins_lps
        (N, 3), centre of the first pixel of each plane, mm.
    offsets_mm
        (N,), positions along the normal.
    max_position_error_mm
        Largest distance of a plane's origin from ``index_to_lps``.
    tilt_degrees
        Angle between stacking direction and normal; positive if origins move along the column
        direction (of the rows, where there is no move along the columns).
    drift_mm
        In-plane distance between the first and the last origin.
    in_plane_shift_mm
        Largest in-plane distance of an origin from the line of the stack.
    uniform
        The planes lie on the grid that span/(N-1) makes.
    missing
        The holes, where the planes lie on a grid with holes.
    gaps_mm
        (N-1,), distances between neighbours along the normal.
    """

    spacing: tuple[float, float, float]
    orientation: tuple[float, ...]
    normal: tuple[float, float, float]
    index_to_lps: Floats
    slice_origins_lps: Floats
    offsets_mm: Floats
    max_position_error_mm: float
    tilt_degrees: float
    drift_mm: float
    in_plane_shift_mm: float
    uniform: bool
    missing: MissingPlanes | None
    gaps_mm: Floats


def cross(orientation: Sequence[float]) -> tuple[float, float, float]:
    """Row x column as it comes from the header, not normalised."""
    a, b, c, d, e, f = orientation
    return b * f - c * e, c * d - a * f, a * e - b * d


def unit_orientation(orientation: Sequence[float]) -> tuple[float, ...]:
    """Direction cosines with vectors of length 1.

    Vectors that are so but for the decimals of the header stay as they are. A length other than 1
    is a fault of the writer that says nothing of the size of pixels, which PixelSpacing gives.
    """
    lengths = vector_lengths(orientation)
    if max(abs(length - 1) for length in lengths) <= COSINE_ROUNDING:
        return tuple(orientation)
    row, column = lengths
    return (*(a / row for a in orientation[:3]), *(b / column for b in orientation[3:]))


def vector_lengths(orientation: Sequence[float]) -> tuple[float, float]:
    """Lengths of the row and of the column vector."""
    return math.hypot(*orientation[:3]), math.hypot(*orientation[3:])


def slice_normal(orientation: Sequence[float]) -> tuple[float, float, float]:
    """Unit normal of the planes.

    Raises
    ------
    ValueError
        The direction cosines are not two crossed unit vectors.
    """
    x, y, z = cross(orientation)
    length = math.sqrt(x * x + y * y + z * z)
    if not abs(length - 1) <= NORMAL_LENGTH_TOLERANCE:  # also true for nan
        raise ValueError(f"orientation {tuple(orientation)} does not span a plane")
    return x / length, y / length, z / length


def project(positions: Floats, direction: Sequence[float] | Floats) -> Floats:
    """(N, 3) positions along a direction, mm; written out so that no BLAS path changes a bit."""
    x, y, z = direction
    projected: Floats = positions[:, 0] * x + positions[:, 1] * y + positions[:, 2] * z
    return projected


def stack_geometry(
    positions: Floats | Sequence[Sequence[float]],
    orientation: Sequence[float],
    pixel_spacing: Sequence[float],
    hints: Sequence[float] = (),
    numbers: Integers | None = None,
    *,
    steps_count: bool = True,
) -> StackGeometry:
    """Geometry of planes that are already in ascending order along the normal.

    Parameters
    ----------
    positions
        (N, 3) ImagePositionPatient, mm.
    orientation
        (6,) direction cosines, unit vectors.
    pixel_spacing
        (between rows, between columns), mm.
    hints
        Spacings that the headers declare; the first is the nominal dz of a single plane.
    numbers
        (N,) InstanceNumber, where all planes have one.
    steps_count
        As in ``spacing_of``.

    Raises
    ------
    ValueError
        No planes, or an orientation that does not span a plane.
    """
    origins = np.asarray(positions, dtype=np.float64).reshape(-1, 3)
    n = len(origins)
    if n == 0:
        raise ValueError("a stack has at least one plane")
    normal = slice_normal(orientation)
    offsets = project(origins, normal)
    span = float(offsets[-1] - offsets[0])
    dz = span / (n - 1) if n > 1 and span > 0 else hints[0] if hints else NOMINAL_STEP_MM
    step = (origins[-1] - origins[0]) / (n - 1) if n > 1 else np.array(normal) * dz
    error = np.sqrt((((origins[0] + np.arange(n)[:, None] * step) - origins) ** 2).sum(axis=1))
    drift, tilt, shift = _shear(origins, orientation, offsets)
    unit = 0.0 if is_uniform(offsets) else written_unit(origins, normal)
    found = spacing_of(offsets, hints, unit, numbers, steps_count=steps_count)
    return StackGeometry(
        spacing=(dz, float(pixel_spacing[0]), float(pixel_spacing[1])),
        orientation=tuple(float(cosine) for cosine in orientation),
        normal=normal,
        index_to_lps=_affine(origins[0], step, orientation, pixel_spacing),
        slice_origins_lps=origins,
        offsets_mm=offsets,
        max_position_error_mm=float(error.max()),
        tilt_degrees=tilt,
        drift_mm=drift,
        in_plane_shift_mm=shift,
        uniform=found.kind == "uniform",
        missing=found.missing,
        gaps_mm=np.diff(offsets),
    )


def _affine(
    origin: Floats, step: Floats, orientation: Sequence[float], pixel_spacing: Sequence[float]
) -> Floats:
    """(4, 4) for (z, y, x, 1) to LPS mm: y goes down a column, x along a row (C.7.6.2.1.1)."""
    affine = np.eye(4)
    affine[:3, 0] = step
    affine[:3, 1] = np.array(orientation[3:]) * pixel_spacing[0]
    affine[:3, 2] = np.array(orientation[:3]) * pixel_spacing[1]
    affine[:3, 3] = origin
    return affine


def _shear(
    origins: Floats, orientation: Sequence[float], offsets: Floats
) -> tuple[float, float, float]:
    """Total in-plane drift (mm), signed tilt (degrees), largest distance from the line (mm)."""
    along_row = project(origins - origins[0], orientation[:3])
    along_column = project(origins - origins[0], orientation[3:])
    span = float(offsets[-1] - offsets[0])
    share = (offsets - offsets[0]) / span if span > 0 else np.zeros(len(offsets))
    du, dv = float(along_row[-1]), float(along_column[-1])
    off_line = np.hypot(along_row - share * du, along_column - share * dv)
    drift = math.hypot(du, dv)
    if drift == 0:
        return 0.0, 0.0, float(off_line.max())
    leading = dv if abs(dv) >= _ALONG_COLUMNS * drift else du
    tilt = math.copysign(math.degrees(math.atan2(drift, span)), leading)
    return drift, tilt, float(off_line.max())
