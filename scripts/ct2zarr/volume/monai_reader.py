"""Volumes in MONAI: an ``ImageReader`` for ``LoadImage`` and ``LoadImaged``.

    load = LoadImage(reader=ct2zarr.MonaiReader())
    image = load("zarr_sqlite/data/0a1b....zarr.sqlite")  # a MetaTensor with its affine

Needs ``pip install 'ct2zarr[monai]'``. As with MONAI's own readers, the axes are x, y, z and the
affine leads to RAS mm. It can express the shear of a tilted gantry, but no uneven planes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader
from monai.data.utils import affine_to_spacing, is_supported_format
from monai.utils import MetaKeys, SpaceKeys, ensure_tuple

from ..geometry.placement import LPS_TO_RAS
from ..run.cells import SEPARATOR
from ..vocabulary import StoreType
from .exporting import RESAMPLED, SERIES_HASH, even_volume
from .volume import Volume, open_volume


class MonaiReader(ImageReader):
    """Reads volumes from any of the three stores, in Hounsfield units where these are known."""

    def __init__(
        self,
        *,
        resample: bool = False,
        spacing: tuple[float, float, float] | None = None,
        fill: float | None = None,
        threads: int | None = 1,
    ) -> None:
        """Choose how volumes are read.

        Parameters
        ----------
        resample
            Interpolate unevenly spaced volumes linearly on a regular grid; without it they are an
            error.
        spacing, fill
            See ``Volume.to_nifti``.
        threads
            See ``open_volume``.
        """
        super().__init__()
        self.resample = resample
        self.spacing = spacing
        self.fill = fill
        self.threads = threads

    def verify_suffix(self, filename: Any) -> bool:
        """Whether all files have a suffix that ct2zarr gives to stores."""
        return bool(is_supported_format(filename, [kind.suffix[1:] for kind in StoreType]))

    def read(self, data: Any, **_: Any) -> Volume | list[Volume]:
        """Open one volume or several, without reading voxels."""
        opened = [open_volume(path, threads=self.threads) for path in ensure_tuple(data)]
        return opened if len(opened) > 1 else opened[0]

    def get_data(self, img: Any) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        """Read voxels (x, y, z) and metadata; several volumes are stacked along a first axis.

        Raises
        ------
        FileError
            A volume is uneven and ``resample`` is not set, or has no positions.
        ValueError
            Several volumes differ in shape or affine.
        """
        volumes: Sequence[Volume] = [img] if isinstance(img, Volume) else img
        loaded = [self._load(volume) for volume in volumes]
        first_voxels, metadata = loaded[0]
        if len(loaded) == 1:
            return first_voxels, metadata
        for voxels, other in loaded[1:]:
            same = np.allclose(other[MetaKeys.AFFINE], metadata[MetaKeys.AFFINE])
            if voxels.shape != first_voxels.shape or not same:
                raise ValueError("volumes that are stacked must have the same shape and affine")
        metadata[MetaKeys.ORIGINAL_CHANNEL_DIM] = 0
        return np.stack([voxels for voxels, _ in loaded]), metadata

    def _load(self, volume: Volume) -> tuple[np.ndarray[Any, Any], dict[str, Any]]:
        even = even_volume(
            volume, resample_uneven=self.resample, spacing=self.spacing, fill=self.fill
        )
        affine = LPS_TO_RAS @ even.index_to_lps[:, [2, 1, 0, 3]]
        voxels = even.voxels.transpose(2, 1, 0)
        return voxels, {
            MetaKeys.AFFINE: affine,
            MetaKeys.ORIGINAL_AFFINE: affine.copy(),
            MetaKeys.SPATIAL_SHAPE: np.array(voxels.shape),
            MetaKeys.SPACE: SpaceKeys.RAS,
            # float("nan") is MONAI's "no_channel" in all its versions.
            MetaKeys.ORIGINAL_CHANNEL_DIM: float("nan"),
            "spacing": np.asarray(affine_to_spacing(affine)),
            SERIES_HASH: volume.series_hash,
            "ct2zarr_flags": SEPARATOR.join(volume.flags),
            RESAMPLED: even.resampled,
        }
