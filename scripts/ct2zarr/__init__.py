"""Turn CT series in DICOM files into verified Zarr volumes, and read those volumes."""

from typing import TYPE_CHECKING

from .version import FORMAT_VERSION, __version__

if TYPE_CHECKING:
    from .store.zarr_stores import SQLiteStore, open_store
    from .volume.monai_reader import MonaiReader as MonaiReader
    from .volume.patch_dataset import PatchDataset as PatchDataset
    from .volume.summary_volumes import volumes_in
    from .volume.torchio_reader import torchio_reader as torchio_reader
    from .volume.torchio_reader import torchio_resampling_reader as torchio_resampling_reader
    from .volume.volume import Volume, open_volume

__all__ = [
    "FORMAT_VERSION",
    "SQLiteStore",
    "Volume",
    "__version__",
    "open_store",
    "open_volume",
    "volumes_in",
]
"""What ``import *`` takes: the names that need none of the optional packages."""

_HOME = {
    "MonaiReader": "volume.monai_reader",
    "PatchDataset": "volume.patch_dataset",
    "SQLiteStore": "store.zarr_stores",
    "Volume": "volume.volume",
    "open_store": "store.zarr_stores",
    "open_volume": "volume.volume",
    "torchio_reader": "volume.torchio_reader",
    "torchio_resampling_reader": "volume.torchio_reader",
    "volumes_in": "volume.summary_volumes",
}
"""Module of each public name. It is imported on first use: a shard job must not pay for zarr, and
PyTorch, MONAI and TorchIO are optional."""

_EXTRAS = {
    "MonaiReader": "monai",
    "PatchDataset": "torch",
    "torchio_reader": "torchio",
    "torchio_resampling_reader": "torchio",
}
"""Public name → the extra that it needs."""


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    if name not in _EXTRAS:
        return getattr(import_module(f".{_HOME[name]}", __name__), name)
    from .volume.extras import named_extra

    with named_extra(_EXTRAS[name]):
        return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted({*__all__, *_HOME})
