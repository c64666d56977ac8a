"""Volumes in TorchIO: functions that ``torchio.ScalarImage`` takes as its reader.

    path = "zarr_sqlite/data/0a1b....zarr.sqlite"
    image = torchio.ScalarImage(path, reader=ct2zarr.torchio_reader)

Needs ``pip install 'ct2zarr[torchio]'``. TorchIO has spacing, orientation and origin, but no shear.
"""

from pathlib import Path

import numpy as np
import torch

from ..geometry.placement import LPS_TO_RAS, FloatArray
from .exporting import even_volume
from .volume import open_volume


def torchio_reader(path: Path | str) -> tuple[torch.Tensor, FloatArray]:
    """Read voxels (1, x, y, z) and affine (4, 4) to RAS mm, in Hounsfield units where known.

    Raises
    ------
    FileError
        Planes are unevenly spaced or sheared, or have no positions.
    """
    return _read(path, resample=False)


def torchio_resampling_reader(path: Path | str) -> tuple[torch.Tensor, FloatArray]:
    """The same; uneven or sheared volumes are interpolated linearly on a regular grid."""
    return _read(path, resample=True)


def _read(path: Path | str, *, resample: bool) -> tuple[torch.Tensor, FloatArray]:
    with open_volume(path, threads=1) as volume:
        even = even_volume(volume, resample_uneven=resample, allow_shear=False)
    voxels = torch.from_numpy(np.ascontiguousarray(even.voxels.transpose(2, 1, 0)[None]))
    return voxels, LPS_TO_RAS @ even.index_to_lps[:, [2, 1, 0, 3]]
