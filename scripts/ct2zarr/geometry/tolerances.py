"""How exact geometry has to be: every tolerance, with its reason and its source.

DICOM writes positions and cosines as decimal text of at most 16 characters (PS3.5 section 6.2),
often with far fewer digits, so numbers that mean the same differ by what was rounded.

Lengths in mm hold for voxels of a patient's size. Below, the functions at the end make them a share
of the voxel, so that a micro-CT is judged as the same object in millimetres would be.
"""

from collections.abc import Iterable, Sequence

NORMAL_TOLERANCE = 0.01
"""Share of the spacing that a plane may lie off its grid along the normal, and that two distances
may differ by and still be one (as highdicom and the geometry index of the Imaging Data Commons)."""

IN_PLANE_TOLERANCE_MM = 0.1
"""How far a plane's origin may lie from where it should be, within the plane (as in the IDC)."""

IN_PLANE_SHARE = 0.2
"""The same as a share of the pixel: 0.1 mm is that much of a pixel of 0.5 mm, a fine one in CT."""

ORTHOGONAL_TOLERANCE = 0.01
"""How far the length of row x column may be from 1 for orthogonal rows and columns (as the IDC
index, orientationTolerance)."""

NORMAL_LENGTH_TOLERANCE = 0.1
"""How far the length of row x column may be from 1 before the orientation means nothing."""

COSINE_ROUNDING = 1e-4
"""Difference of direction cosines that is rounding in the header: 0.05 mm at the far edge of a
field of 500 mm."""

COSINE_JITTER = 1e-3
"""Difference of direction cosines, 0.06 degrees, that may be noise of an exporter where the planes
together make one stack: no scanner turns by less on purpose."""

COSINE_SPREAD = 2 * COSINE_JITTER
"""Largest difference of direction cosines among all planes of a stack. Planes that turn steadily
differ by more, however small their steps."""

VECTOR_LENGTHS = (0.01, 100.0)
"""A row or column vector of ImageOrientationPatient outside these lengths has no direction that
means anything; within, writers have scaled it, by the pixel spacing for instance."""

COPIED_COSINE_TOLERANCE = 1e-6
"""Difference of direction cosines that were copied from a header: they went through decimal text
and float64 only."""

COPIED_POSITION_TOLERANCE_MM = 1e-3
"""Difference of positions that were copied from a header: a micrometre is far above any rounding of
decimal text, and far below what matters."""

SMALLEST_STEP_MM = 1e-3
"""Positions nearer than this are one position: CT headers write micrometres at best."""

SMALLEST_STEP_SHARE = 0.01
"""The same as a share of the pixel."""

LARGEST_REPEAT_MM = 0.1
"""Planes farther apart than this along the normal are never one position."""

FLOAT_NOISE_MM = 1e-7
"""Differences of positions that float64 arithmetic on decimal text makes by itself."""

FLOAT_NOISE_SHARE = 1e-5
"""The same as a share of the spacing."""

INDEX_ROUNDING = 1e-6
"""Difference of coordinates (voxels, mm) that is rounding where a grid is laid over a volume."""

SAME_NUMBER_TOLERANCE = 0.01
"""Share by which two thicknesses or tube voltages may differ and still be one: vendors write the
nominal value of some planes and the rounded one of others."""


def varying_numbers(values: Iterable[float]) -> bool:
    """Whether positive numbers differ by more than ``SAME_NUMBER_TOLERANCE``; others are absent."""
    positive = [value for value in values if value > 0]
    if not positive:
        return False
    largest = max(positive)
    return largest - min(positive) > SAME_NUMBER_TOLERANCE * largest


def in_plane_tolerance(pixel_spacing: Sequence[float]) -> float:
    """How far a plane's origin may lie from where it is due within the plane, mm."""
    return min(IN_PLANE_TOLERANCE_MM, IN_PLANE_SHARE * min(pixel_spacing))


def smallest_step(pixel_spacing: Sequence[float]) -> float:
    """Positions nearer than this, mm, are one position."""
    return min(SMALLEST_STEP_MM, SMALLEST_STEP_SHARE * min(pixel_spacing))


def copied_position_tolerance(pixel_spacing: Sequence[float]) -> float:
    """Difference, mm, of positions that were copied from a header."""
    return min(COPIED_POSITION_TOLERANCE_MM, SMALLEST_STEP_SHARE * min(pixel_spacing))


def float_noise(spacing: float) -> float:
    """Difference, mm, that arithmetic makes between positions that are ``spacing`` mm apart."""
    return min(FLOAT_NOISE_MM, FLOAT_NOISE_SHARE * spacing)
