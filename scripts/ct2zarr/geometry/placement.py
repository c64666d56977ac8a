"""Where the voxels of a volume lie in the patient: matrices, positions of planes, and back.

Millimetres, in DICOM's LPS (towards Left, Posterior, Superior) unless a name says RAS.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..codes import Code
from ..errors import FileError

if TYPE_CHECKING:
    from .stacks import StackGeometry

FloatArray = npt.NDArray[np.float64]

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts mm towards Left, Posterior, Superior; NIfTI towards Right, Anterior, Superior."""


def attributes_at(
    attrs: Mapping[str, Any], levels: Sequence[Mapping[str, Any]], level: int
) -> dict[str, Any]:
    """The attribute ``ct2zarr`` with the geometry of a reduced level.

    A voxel lies in the middle of those that it was made from, and so does a plane. A single plane
    left at the end stays in its place, so the last distance may be shorter than the others.

    Parameters
    ----------
    attrs
        Of level 0.
    levels
        Its member ``levels``.
    """
    found = dict(attrs)
    factors = np.array(levels[level]["factors"], dtype=np.float64)
    found["spacing"] = (factors * found["spacing"]).tolist()
    if found.get("index_to_lps") is None or found.get("slice_origins_lps") is None:
        return found
    matrix = np.array(found["index_to_lps"], dtype=np.float64)
    within = matrix[:3, 1:3] @ ((factors[1:] - 1) / 2)
    block = np.diag([*factors, 1.0])
    block[:3, 3] = (factors - 1) / 2
    origins = np.array(found["slice_origins_lps"], dtype=np.float64)
    for before, after in pairwise(levels[: level + 1]):
        if after["factors"][0] > before["factors"][0]:
            paired = len(origins) // 2 * 2
            means = (origins[0:paired:2] + origins[1:paired:2]) / 2
            origins = np.concatenate([means, origins[paired:]])
    origins = origins + within
    matrix = matrix @ block
    placed = matrix[:3, 3] + np.arange(len(origins))[:, None] * matrix[:3, 0]
    found["index_to_lps"] = matrix.tolist()
    found["slice_origins_lps"] = origins.tolist()
    found["max_position_error_mm"] = float(np.linalg.norm(placed - origins, axis=1).max())
    return found


class Placement:
    """What the group attribute ``ct2zarr`` says about geometry.

    Attributes
    ----------
    path
        Of the store.
    attrs
        The attribute.
    """

    path: Path
    attrs: dict[str, Any]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Distance of neighbouring voxels along z, y and x, mm."""
        dz, dy, dx = self.attrs["spacing"]
        return float(dz), float(dy), float(dx)

    @property
    def orientation(self) -> FloatArray | None:
        """(2, 3): unit vectors in LPS along a row (growing x), then along a column (growing y)."""
        value = self._attribute_array("orientation")
        return None if value is None else value.reshape(2, 3)

    @property
    def index_to_lps(self) -> FloatArray | None:
        """(4, 4) for indices (z, y, x, 1) to LPS mm; ``None`` without geometry."""
        return self._attribute_array("index_to_lps")

    @property
    def index_to_ras(self) -> FloatArray | None:
        """(4, 4) for indices (z, y, x, 1) to RAS mm; ``None`` without geometry."""
        return _times(LPS_TO_RAS, self.index_to_lps)

    @property
    def affine_lps_xyz(self) -> FloatArray | None:
        """(4, 4) for indices (x, y, z, 1) to LPS mm, the order and the space of ITK."""
        matrix = self.index_to_lps
        return None if matrix is None else matrix[:, [2, 1, 0, 3]]

    @property
    def affine_ras_xyz(self) -> FloatArray | None:
        """(4, 4) for indices (x, y, z, 1) to RAS mm, as nibabel wants it with ``array.T``."""
        return _times(LPS_TO_RAS, self.affine_lps_xyz)

    @property
    def slice_origins_lps(self) -> FloatArray | None:
        """(planes, 3): centre of the first voxel of each plane, as its header says; LPS mm."""
        return self._attribute_array("slice_origins_lps")

    def to_lps(self, index: npt.ArrayLike) -> FloatArray:
        """LPS mm of indices (..., 3) in the order z, y, x; fractions lie between voxels.

        Planes are where their headers put them, so this is also exact for uneven spacing.
        """
        matrix, origins = self._geometry()
        index = np.asarray(index, dtype=np.float64)
        planes = np.arange(-1, len(origins) - 1)
        origin = np.stack(
            [np.interp(index[..., 0], planes, origins[:, axis]) for axis in range(3)], axis=-1
        )
        # Beyond the first and the last plane the stack goes on at its mean spacing.
        outside = index[..., 0] - np.clip(index[..., 0], planes[0], planes[-1])
        origin = origin + outside[..., None] * matrix[:3, 0]
        return np.asarray(origin + index[..., 1:] @ matrix[:3, 1:3].T)

    def to_index(self, points_lps: npt.ArrayLike) -> FloatArray:
        """Indices (..., 3) in the order z, y, x of points in LPS mm; the inverse of ``to_lps``."""
        matrix, origins = self._geometry()
        points = np.asarray(points_lps, dtype=np.float64)
        in_plane = matrix[:3, 1:3]
        # Planes are parallel, so the distance along their normal gives z for any tilt.
        normal = np.cross(in_plane[:, 1], in_plane[:, 0])
        normal /= np.linalg.norm(normal)
        planes = np.arange(-1, len(origins) - 1)
        offsets = origins @ normal
        offset = points @ normal
        z = np.interp(offset, offsets, planes)
        z = z + (offset - np.clip(offset, offsets[0], offsets[-1])) / (matrix[:3, 0] @ normal)
        at_plane = self.to_lps(np.stack([z, np.zeros_like(z), np.zeros_like(z)], axis=-1))
        rows_columns = (points - at_plane) @ np.linalg.pinv(in_plane).T
        return np.concatenate([z[..., None], rows_columns], axis=-1)

    def stack_geometry(self) -> "StackGeometry":
        """The planes as ``geometry.stacks`` describes them: gaps, tilt, whether they are even.

        Raises
        ------
        FileError
            Positions are not known (flag no_geometry).
        """
        from .stacks import stack_geometry

        _, origins = self._geometry()
        orientation = self.orientation
        if orientation is None:
            raise FileError(
                Code.NO_GEOMETRY,
                "{path}: the orientation of this volume is not known",
                path=self.path,
            )
        dz, dy, dx = self.spacing
        return stack_geometry(origins[1:-1], orientation.ravel().tolist(), (dy, dx), (dz,))

    def _geometry(self) -> tuple[FloatArray, FloatArray]:
        """``index_to_lps``, and the origins of planes -1 to N: one beyond either end."""
        matrix, origins = self.index_to_lps, self.slice_origins_lps
        if matrix is None or origins is None:
            raise FileError(
                Code.NO_GEOMETRY,
                "{path}: the positions of this volume are not known (flag no_geometry)",
                path=self.path,
            )
        step = matrix[:3, 0]
        return matrix, np.concatenate([[origins[0] - step], origins, [origins[-1] + step]])

    def _attribute_array(self, name: str) -> FloatArray | None:
        value = self.attrs.get(name)
        return None if value is None else np.array(value, dtype=np.float64)


def _times(left: FloatArray, right: FloatArray | None) -> FloatArray | None:
    return None if right is None else left @ right
