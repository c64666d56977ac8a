"""Turn CT series in DICOM files into verified Zarr volumes, and read those volumes."""

from typing import TYPE_CHECKING

from .version import FORMAT_VERSION, __version__

if TYPE_CHECKING:
    from .store.zarr_stores import SQLiteStore, open_store
    from .volume.summary_volumes import volumes_in
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

_HOME = {
    "Volume": "volume.volume",
    "open_volume": "volume.volume",
    "SQLiteStore": "store.zarr_stores",
    "open_store": "store.zarr_stores",
    "volumes_in": "volume.summary_volumes",
}


def __getattr__(name: str) -> object:
    """Import what users ask for when they ask: a shard job must not pay for zarr."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f".{_HOME[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
