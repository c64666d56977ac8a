"""Check the geometry that a store declares against slices.csv and the headers of its planes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..codes import Code
from ..errors import VerificationError
from ..geometry.tolerances import COPIED_COSINE_TOLERANCE, COPIED_POSITION_TOLERANCE_MM
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
    allowed = float(attributes.get("max_position_error_mm") or 0.0) + COPIED_POSITION_TOLERANCE_MM
    steps = np.arange(len(origins))[:, None]
    placed = steps * index_to_lps[:3, 0] + index_to_lps[:3, 3]
    _check_near(placed, origins, allowed, "index_to_lps", "slice_origins_lps")
    row, column = _numbers(attributes, "orientation", (2, 3))
    _check_in_plane(plan.planes[0], index_to_lps, np.concatenate((row, column)))
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
    _check_near(positions, origins[known], COPIED_POSITION_TOLERANCE_MM, "slices.csv", "the store")


def _check_in_plane(
    first: Frame, index_to_lps: NDArray[np.float64], orientation: NDArray[np.float64]
) -> None:
    """Rows and columns run as the header says, up to the far corner of the plane."""
    if first.orientation is None or first.pixel_spacing is None:
        raise VerificationError(
            Code.VERIFICATION_FAILED,
            "verification failed: the store has a geometry, and the header of its first plane has "
            "none",
        )
    between_rows, between_columns = first.pixel_spacing
    cosines = np.array(first.orientation).reshape(2, 3)
    steps = np.stack((cosines[1] * between_rows, cosines[0] * between_columns))
    for along, extent, found, due in zip(
        ("columns", "rows"),
        (first.rows, first.columns),
        index_to_lps[:3, 1:3].T,
        steps,
        strict=True,
    ):
        if not float(np.linalg.norm(found - due)) * extent <= COPIED_POSITION_TOLERANCE_MM:
            raise VerificationError(
                Code.VERIFICATION_FAILED,
                "verification failed: index_to_lps has another direction or spacing along the "
                "{along} than the header",
                along=along,
            )
    if not np.allclose(orientation.reshape(2, 3), cosines, rtol=0, atol=COPIED_COSINE_TOLERANCE):
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
