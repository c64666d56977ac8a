"""Hounsfield units of stored values: from the rescale of each plane, as voxels are read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ..dicom.rescale import DEFAULT_INTERCEPT, DEFAULT_SLOPE

Factors = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class HuRescale:
    """How the stored values of a volume become Hounsfield units.

    Attributes
    ----------
    slopes, intercepts
        One value per voxel (planes, rows, columns), as views of one value per plane, so that they
        can be indexed like the volume.
    dtype
        Of the Hounsfield units: int16 where slopes and intercepts are whole numbers and all values
        fit, int32 where they do not fit, and otherwise float32.
    """

    slopes: Factors
    intercepts: Factors
    dtype: np.dtype[Any]

    def apply(self, stored: Any, key: Any) -> Any:
        """Hounsfield units of the voxels ``stored``, which are those at index ``key``."""
        hu = np.asarray(stored) * self.slopes[key] + self.intercepts[key]
        return hu.astype(self.dtype) if isinstance(stored, np.ndarray) else self.dtype.type(hu)

    def values(self, written: Mapping[str, Any]) -> dict[str, Any]:
        """The attribute ``values`` of the Hounsfield units, from that of the stored values."""
        found = dict(written)
        slope, intercept = float(self.slopes.flat[0]), float(self.intercepts.flat[0])
        # Where planes differ, a bound of the stored values is no bound of the Hounsfield units.
        alike = (self.slopes == slope).all() and (self.intercepts == intercept).all()
        for name in ("minimum", "maximum", "padding_value"):
            value = found.get(name)
            if value is not None:
                found[name] = slope * float(value) + intercept if alike else None
        if alike and slope < 0:
            found["minimum"], found["maximum"] = found.get("maximum"), found.get("minimum")
        return found | {"kind": "hu", "units": "HU"}


def rescale_of_planes(rows: Sequence[Mapping[str, str]]) -> tuple[list[float], list[float]]:
    """Slope and intercept of each plane, from the tags of each."""
    return (
        [float(row.get("RescaleSlope") or DEFAULT_SLOPE) for row in rows],
        [float(row.get("RescaleIntercept") or DEFAULT_INTERCEPT) for row in rows],
    )


def hu_rescale(
    slopes: Sequence[float],
    intercepts: Sequence[float],
    shape: tuple[int, ...],
    stored: np.dtype[Any],
    ends: tuple[float, float],
) -> HuRescale:
    """The rescale of a volume.

    Parameters
    ----------
    slopes, intercepts
        One per plane, or a single one for all planes.
    shape
        (planes, rows, columns) of the volume.
    stored
        Data type of the stored values.
    ends
        The smallest and the largest stored value.
    """
    slope, intercept = (np.array(each, np.float64)[:, None, None] for each in (slopes, intercepts))
    return HuRescale(
        np.broadcast_to(slope, shape),
        np.broadcast_to(intercept, shape),
        _hu_type(slope, intercept, stored, ends),
    )


def _hu_type(
    slopes: Factors, intercepts: Factors, stored: np.dtype[Any], ends: tuple[float, float]
) -> np.dtype[Any]:
    whole = (slopes % 1 == 0).all() and (intercepts % 1 == 0).all()
    if not whole or stored.kind == "f":
        return np.dtype(np.float32)
    reached = slopes * np.array(ends) + intercepts
    limits = np.iinfo(np.int16)
    fits = limits.min <= reached.min() and reached.max() <= limits.max
    return np.dtype(np.int16 if fits else np.int32)
