"""Volumes in TorchIO: a function that ``torchio.ScalarImage`` takes as its reader.

    image = torchio.ScalarImage("zarr_sqlite/data/0a1b....zarr.sqlite", reader=read_volume)

``pip install 'ct2zarr[torchio]'``. TorchIO has spacing, orientation and origin and no shear:
what else does not fit is an error here, or interpolated with ``read_resampled``.
"""

from pathlib import Path

import numpy as np
import torch

from ..geometry.placement import LPS_TO_RAS, FloatArray
from .exporting import even_volume
from .volume import open_volume


def read_volume(path: Path | str) -> tuple[torch.Tensor, FloatArray]:
    """(voxels (1, x, y, z), affine (4, 4) to RAS mm), in Hounsfield units where they are known.

    Raises:
        FileError: planes are unevenly spaced or sheared, or have no positions.
    """
    return _read(path, resample=False)


def read_resampled(path: Path | str) -> tuple[torch.Tensor, FloatArray]:
    """As ``read_volume``; what is uneven or sheared is interpolated linearly on a regular grid."""
    return _read(path, resample=True)


def _read(path: Path | str, *, resample: bool) -> tuple[torch.Tensor, FloatArray]:
    with open_volume(path, threads=1) as volume:
        even = even_volume(volume, resample_uneven=resample, allow_shear=False)
    voxels = torch.from_numpy(np.ascontiguousarray(even.voxels.transpose(2, 1, 0)[None]))
    return voxels, LPS_TO_RAS @ even.index_to_lps[:, [2, 1, 0, 3]]
