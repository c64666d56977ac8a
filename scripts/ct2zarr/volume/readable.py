"""What patches and exports need to know about a volume; ``Volume`` is one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..geometry.stacks import StackGeometry


class Readable(Protocol):
    """Voxels (z, y, x) with their place in the patient, read when they are asked for."""

    path: Path

    @property
    def shape(self) -> tuple[int, ...]:
        """(planes, rows, columns)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the voxels."""

    @property
    def spacing(self) -> tuple[float, float, float]:
        """(dz, dy, dx), mm."""

    @property
    def series_hash(self) -> str:
        """32 hexadecimal digits that identify the volume."""

    @property
    def values(self) -> Mapping[str, Any]:
        """What the voxels mean, with their minimum where it is known."""

    @property
    def hu(self) -> "Readable":
        """The volume in Hounsfield units; raises ``FileError`` if these are not known."""

    def __getitem__(self, key: Any) -> Any:
        """Voxels by integers, slices and ``...``."""

    def numpy(self) -> npt.NDArray[Any]:
        """All voxels."""

    def stack_geometry(self) -> StackGeometry:
        """The planes: gaps, tilt, whether they are even. Raises ``FileError`` without positions."""

    def to_index(self, points_lps: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Indices (..., 3) in the order z, y, x of points in LPS mm."""
