"""Random patches for training as a plain ``torch.utils.data.Dataset``.

    volumes = ct2zarr.volumes_in("zarr_sqlite/summary_all.csv")
    dataset = ct2zarr.PatchDataset(volumes, size=(96, 96, 96))
    loader = DataLoader(dataset, batch_size=4, num_workers=8, shuffle=True)

Needs ``pip install 'ct2zarr[torch]'``. Places are drawn from torch's own generator, which a
DataLoader seeds for each worker and epoch, so that no two workers draw the same places and
``torch.manual_seed`` makes a run repeatable.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..codes import Code
from ..errors import FileError
from ..run.cells import SEPARATOR
from .volume import Volume, open_volume

Triple = tuple[float, float, float]

OPEN_VOLUMES = 128
"""Most volumes that a process keeps open; most systems allow it 1024 open files."""


class PatchDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Patches at random places, ``patches_per_volume`` from each volume.

    An item is a dict with ``image``, a float32 tensor (1, z, y, x); ``series_hash``; ``flags``,
    joined by ``;``; and ``start``, the index (z, y, x) of the first voxel, int64, or with
    ``spacing`` instead ``center_lps``, (x, y, z) in mm, float64. A DataLoader collates all of them.

    The object may be forked or pickled to workers at any time: each process opens volumes itself.
    """

    def __init__(
        self,
        volumes: Iterable[Path | str],
        size: tuple[int, int, int] = (96, 96, 96),
        *,
        spacing: Triple | None = None,
        patches_per_volume: int = 1,
        fill: float = -1024.0,
        hu: bool = True,
        transform: Callable[[dict[str, Any]], Any] | None = None,
    ) -> None:
        """Store the arguments; no volume is opened yet.

        Parameters
        ----------
        volumes
            Paths of stores, such as ``ct2zarr.volumes_in`` returns.
        size
            Voxels of a patch along z, y, x.
        spacing
            (dz, dy, dx), mm, to which patches are interpolated, so that all volumes have the same;
            ``None``: voxels of the array.
        patches_per_volume
            How often each volume is drawn from in an epoch.
        fill
            Value outside a volume that is smaller than a patch.
        hu
            Stored values become Hounsfield units, and a volume with another unit is an error;
            ``False``: values of the array.
        transform
            Applied to each item.

        Raises
        ------
        FileError
            There are no volumes.
        """
        self.volumes = [Path(path) for path in volumes]
        if not self.volumes:
            raise FileError(Code.NO_VOLUMES, "a dataset of patches needs at least one volume")
        self.size = size
        self.spacing = spacing
        self.patches_per_volume = patches_per_volume
        self.fill = fill
        self.hu = hu
        self.transform = transform
        self._opened: OrderedDict[Path, Volume] = OrderedDict()

    def __len__(self) -> int:
        return len(self.volumes) * self.patches_per_volume

    def __getitem__(self, index: int) -> Any:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        volume = self._volume(self.volumes[index % len(self) // self.patches_per_volume])
        item: dict[str, Any] = {
            "series_hash": volume.series_hash,
            "flags": SEPARATOR.join(volume.flags),
        }
        if self.spacing is None:
            start = [_between(n, wanted) for n, wanted in zip(volume.shape, self.size, strict=True)]
            voxels = volume.patch(start, self.size, fill=self.fill)
            item["start"] = torch.tensor(start)
        else:
            center = self._random_center(volume, self.spacing)
            size_mm = np.multiply(self.size, self.spacing).tolist()
            voxels = volume.patch_mm(center, size_mm, spacing=self.spacing, fill=self.fill)
            item["center_lps"] = torch.from_numpy(center)
        item["image"] = torch.from_numpy(voxels.astype(np.float32)[None])
        return item if self.transform is None else self.transform(item)

    def _random_center(self, volume: Volume, spacing: Triple) -> np.ndarray[Any, Any]:
        """A point whose patch lies inside the volume, as far as it fits; LPS mm."""
        index = []
        for count, step, wanted, wanted_step in zip(
            volume.shape, volume.spacing, self.size, spacing, strict=True
        ):
            reach = (wanted - 1) * wanted_step / step / 2
            middle, room = (count - 1) / 2, max((count - 1) / 2 - reach, 0.0)
            index.append(middle + room * (2 * float(torch.rand(())) - 1))
        return volume.to_lps(index)

    def _volume(self, path: Path) -> Volume:
        """The volume, opened in this process or on the way to be opened there."""
        volume = self._opened.pop(path, None)
        if volume is None:
            # One thread: the workers of a DataLoader are what runs side by side.
            volume = open_volume(path, threads=1)
            volume = volume.hu if self.hu else volume
        self._opened[path] = volume
        while len(self._opened) > OPEN_VOLUMES:
            self._opened.popitem(last=False)[1].close()
        return volume

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": OrderedDict()}


def _between(size: int, wanted: int) -> int:
    """A random start that keeps a patch in the volume, or the volume in the patch."""
    low, high = sorted((0, size - wanted))
    return int(torch.randint(low, high + 1, ()))
