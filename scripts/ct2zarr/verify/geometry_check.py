"""Check the geometry that a store declares against slices.csv and the headers of its planes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..errors import VerificationError
from ..geometry.stacks import unit_orientation
from ..geometry.tolerances import (
    COPIED_COSINE_TOLERANCE,
    COSINE_ROUNDING,
    COSINE_SPREAD,
    copied_position_tolerance,
)
from ..model import Frame, SliceTable, VolumePlan


def check_geometry(plan: VolumePlan, table: SliceTable, attributes: Mapping[str, Any]) -> None:
    """Positions in slices.csv, slice_origins_lps and index_to_lps agree, and planes ascend."""
    if attributes.get("slice_origins_lps") is None:
        if attributes.get("index_to_lps") is not None:
            raise VerificationError(
                Code.VERIFICATION_FAILED,
                "verification failed: the store has index_to_lps without slice_origins_lps",
            )
        return  # a volume without geometry
    origins = _numbers(attributes, "slice_origins_lps", (len(plan.planes), 3))
    index_to_lps = _numbers(attributes, "index_to_lps", (4, 4))
    tolerance = copied_position_tolerance(plan.planes[0].pixel_spacing or (1.0,))
    allowed = float(attributes.get("max_position_error_mm") or 0.0) + tolerance
    steps = np.arange(len(origins))[:, None]
    placed = steps * index_to_lps[:3, 0] + index_to_lps[:3, 3]
    _check_near(placed, origins, allowed, "index_to_lps", "slice_origins_lps")
    row, column = _numbers(attributes, "orientation", (2, 3))
    _check_in_plane(plan.planes, index_to_lps, np.concatenate((row, column)), tolerance)
    ascending = np.diff(origins @ np.cross(row, column))
    if len(ascending) and ascending.min() <= 0:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: plane {plane} does not lie above the one before it",
            plane=int(ascending.argmin()) + 1,
        )
    written = [triple(text) for text in table.column("ImagePositionPatient")]
    known = [index for index, position in enumerate(written) if position is not None]
    positions = np.array([written[index] for index in known], dtype=np.float64).reshape(-1, 3)
    positions += _beyond_written([plan.planes[index] for index in known], np.cross(row, column))
    _check_near(positions, origins[known], tolerance, "slices.csv", "the store")


def _beyond_written(planes: Sequence[Frame], normal: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 3) mm from the position that a file states to that of a frame with a nominal one."""
    steps = [
        (plane.frame_number - 1) * (plane.spacing_between_slices or 0.0)
        if plane.nominal_position
        else 0.0
        for plane in planes
    ]
    unit = normal / np.linalg.norm(normal)
    return np.array(steps, dtype=np.float64).reshape(-1, 1) * unit


def _check_in_plane(
    planes: Sequence[Frame],
    index_to_lps: NDArray[np.float64],
    orientation: NDArray[np.float64],
    tolerance: float,
) -> None:
    """Rows and columns run as the headers say, up to the far corner of the plane.

    Where cosines jitter from plane to plane, the store may have any value among theirs.
    """
    first = planes[0]
    written = [unit_orientation(plane.orientation) for plane in planes if plane.orientation]
    if first.pixel_spacing is None or len(written) < len(planes):
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the store has a geometry, and the header of its first plane has "
            "none",
        )
    jitter = float(np.ptp(np.array(written), axis=0).max())
    if jitter <= 2 * COSINE_ROUNDING:
        jitter = 0.0
    between_rows, between_columns = first.pixel_spacing
    cosines = np.array(written[0]).reshape(2, 3)
    for along, extent, found, due, between in zip(
        ("columns", "rows"),
        (first.rows, first.columns),
        index_to_lps[:3, 1:3].T,
        (cosines[1] * between_rows, cosines[0] * between_columns),
        (between_rows, between_columns),
        strict=True,
    ):
        off = float(np.linalg.norm(found - due)) - jitter * between * np.sqrt(3)
        if not off * extent <= tolerance:
            raise VerificationError(
                Code.VERIFICATION_FAILED,
                "verification failed: index_to_lps has another direction or spacing along the "
                "{along} than the header",
                along=along,
            )
    allowed = COPIED_COSINE_TOLERANCE + jitter
    if jitter > COSINE_SPREAD or not np.allclose(
        orientation.reshape(2, 3), cosines, rtol=0, atol=allowed
    ):
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the orientation of the store is not that of the header",
        )


def _numbers(
    attributes: Mapping[str, Any], name: str, shape: tuple[int, ...]
) -> NDArray[np.float64]:
    try:
        values = np.asarray(attributes[name], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the store has no {name} that is made of numbers",
            name=name,
        ) from error
    if values.size != np.prod(shape) or not np.isfinite(values).all():
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: {name} of the store does not have the shape ({due})",
            name=name,
            due=shape,
        )
    return values.reshape(shape)


def _check_near(
    found: NDArray[np.float64],
    expected: NDArray[np.float64],
    tolerance_mm: float,
    found_in: str,
    expected_in: str,
) -> None:
    """Check that positions (n, 3), mm, of planes are those of another source of them."""
    if not len(found):
        return
    distance = np.linalg.norm(found - expected, axis=1)
    worst = int(distance.argmax())
    if not distance[worst] <= tolerance_mm:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: {found_in} puts plane {plane} {distance:.3f} mm away from where "
            "{expected_in} has it",
            found_in=found_in,
            plane=worst,
            distance=float(distance[worst]),
            expected_in=expected_in,
        )


def triple(text: str) -> tuple[float, ...] | None:
    """The numbers of ``x\\y\\z`` as in slices.csv; None when the cell is empty."""
    parts = text.strip("[]() ").replace(",", "\\").split("\\")
    try:
        numbers = tuple(float(part) for part in parts)
    except ValueError:
        return None
    return numbers if len(numbers) == 3 else None
