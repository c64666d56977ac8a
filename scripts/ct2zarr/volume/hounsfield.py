"""Hounsfield units of a volume that was converted with ``values: stored``, as it is read."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import FileError
from ..vocabulary import Flag
from .volume import Volume


class HuVolume(Volume):
    """A volume of stored values that gives Hounsfield units wherever voxels are read.

    ``array`` still gives what is stored. The dtype is int16 where slope and intercept are whole
    numbers and all values fit, int32 where they do not fit, and else float32.
    """

    @cached_property
    def _rescale(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """(slopes, intercepts), each (planes, 1, 1)."""
        values = super().values
        if values.get("slope") is not None and values.get("intercept") is not None:
            slopes, intercepts = [values["slope"]], [values["intercept"]]
        elif self.level:
            raise FileError(
                f"{self.path}: slope and intercept differ between planes, so a reduced level of"
                " stored values has no Hounsfield units; use level 0",
                "not_hu",
            )
        else:
            slopes = [float(row.get("RescaleSlope") or 1) for row in self._rescale_rows()]
            intercepts = [float(row.get("RescaleIntercept") or 0) for row in self._rescale_rows()]
        planes = (self.shape[0], 1, 1)
        return (
            np.broadcast_to(np.array(slopes, np.float64)[:, None, None], planes),
            np.broadcast_to(np.array(intercepts, np.float64)[:, None, None], planes),
        )

    def _rescale_rows(self) -> list[dict[str, str]]:
        """Rows of slices.csv, with what all planes share from series.json."""
        shared = {
            name: str(self.series["tags"][name])
            for name in ("RescaleSlope", "RescaleIntercept")
            if self.series["tags"].get(name) is not None
        }
        return [shared | row for row in self.slices]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the Hounsfield units."""
        return self._hu_dtype

    @dtype.setter
    def dtype(self, stored: np.dtype[Any]) -> None:
        self._stored_dtype = stored

    @cached_property
    def _hu_dtype(self) -> np.dtype[Any]:
        slopes, intercepts = self._rescale
        whole = (slopes % 1 == 0).all() and (intercepts % 1 == 0).all()
        if not whole or self._stored_dtype.kind == "f":
            return np.dtype(np.float32)
        written = super().values
        ends = np.array([written["minimum"], written["maximum"]])
        reached = slopes * ends + intercepts
        limits = np.iinfo(np.int16)
        fits = limits.min <= reached.min() and reached.max() <= limits.max
        return np.dtype(np.int16 if fits else np.int32)

    @property
    def values(self) -> dict[str, Any]:
        """What the voxels mean as they are read: Hounsfield units."""
        slopes, intercepts = self._rescale
        found = super().values
        # Where planes differ a bound of the stored values is no bound of these.
        alike = (slopes == slopes[0]).all() and (intercepts == intercepts[0]).all()
        for name in ("minimum", "maximum", "padding_value"):
            value = found.get(name)
            if value is not None:
                hu = float(slopes.flat[0]) * float(value) + float(intercepts.flat[0])
                found[name] = hu if alike else None
        return found | {"kind": "hu", "units": "HU"}

    def __getitem__(self, key: Any) -> Any:
        """As of the stored volume, rescaled."""
        stored = super().__getitem__(key)
        slopes, intercepts = (np.broadcast_to(each, self.shape)[key] for each in self._rescale)
        hu = np.asarray(stored) * slopes + intercepts
        return hu.astype(self.dtype) if isinstance(stored, np.ndarray) else self.dtype.type(hu)


def hu_of(volume: Volume) -> Volume:
    """The volume in Hounsfield units: itself, or rescaled as it is read.

    Raises:
        FileError: it is not known how its values become Hounsfield units.
    """
    if volume.units == "HU":
        return volume
    unknown = [flag for flag in (Flag.NO_RESCALE, Flag.NOT_HU) if flag in volume.flags]
    if unknown or volume.values.get("kind") != "stored":
        why = unknown[0].sentence if unknown else "their unit is another one"
        raise FileError(
            f"{volume.path}: the values cannot become Hounsfield units: {why}", "not_hu"
        )
    return HuVolume(volume.path, volume.threads, volume.level)
