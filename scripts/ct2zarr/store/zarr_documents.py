"""The metadata documents of a store, as zarr-python writes them, and its chunk keys.

They are written here so that a conversion need not import zarr, which costs a quarter of the start
of a job (docs/design.md). A test compares them with what zarr itself writes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Literal

import numpy as np

from ..model import Json, Vector
from ..run.paths import ARRAY_NAME

GROUP_ATTRIBUTE = "ct2zarr"
"""Name of the group attribute that describes the volume."""

AXES = ("z", "y", "x")
FILL_VALUE = 0
"""Fills chunks beyond the edge of the array. Every chunk is written, so a missing chunk means a
damaged store, never an empty region. In format 2 the metadata therefore have no fill value: xarray
would treat it as missing data, and 0 HU is water."""
COMPRESSOR = "zstd"
BITSHUFFLE = 2  # numcodecs.Blosc.BITSHUFFLE

OME_4, OME_5 = "0.4", "0.5"


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """What a reader needs to know to decode an array.

    Attributes
    ----------
    shape, chunks
        (z, y, x).
    dtype
        int16, int32 or float32.
    compression_level
        Of zstd in Blosc, with one Blosc block per chunk.
    path
        Of the array in the store.
    """

    zarr_format: Literal[2, 3]
    shape: tuple[int, int, int]
    chunks: tuple[int, int, int]
    dtype: str
    compression_level: int
    path: str = ARRAY_NAME

    @property
    def item_bytes(self) -> int:
        """Bytes of a value."""
        return np.dtype(self.dtype).itemsize

    @property
    def chunk_bytes(self) -> int:
        """Bytes of a chunk before compression, which is also the Blosc block size."""
        return prod(self.chunks) * self.item_bytes

    def chunk_key(self) -> Callable[[int, int, int], str]:
        """A function from chunk indices (z, y, x) to the key in the store."""
        prefix = self.path if self.zarr_format == 2 else f"{self.path}/c"
        return lambda z, y, x: f"{prefix}/{z}/{y}/{x}"


def documents(
    layouts: Sequence[ArrayLayout],
    attributes: Mapping[str, Json],
    array_attributes: Mapping[str, Json] | None = None,
) -> dict[str, bytes]:
    """Key → document for a group with ``attributes`` and its arrays, all of one format."""
    of_array = dict(array_attributes or {})
    found: dict[str, Json] = {}
    if layouts[0].zarr_format == 2:
        found[".zgroup"] = {"zarr_format": 2}
        found[".zattrs"] = dict(attributes)
        for layout in layouts:
            found[f"{layout.path}/.zarray"] = _array_of_format_2(layout)
            found[f"{layout.path}/.zattrs"] = {"_ARRAY_DIMENSIONS": list(AXES), **of_array}
    else:
        group: Json = {"attributes": dict(attributes), "zarr_format": 3, "node_type": "group"}
        found["zarr.json"] = group
        for layout in layouts:
            found[f"{layout.path}/zarr.json"] = _array_of_format_3(layout, of_array)
    return {
        key: json.dumps(content, indent=2, allow_nan=False).encode()
        for key, content in found.items()
    }


@dataclass(frozen=True, slots=True)
class Scale:
    """Where the voxels of one array lie, for OME-Zarr.

    Attributes
    ----------
    path
        Of the array.
    spacing
        (dz, dy, dx), mm.
    translation
        Position of the first voxel along z, y, x, mm.
    """

    path: str
    spacing: Vector
    translation: Vector


def multiscales(
    zarr_format: Literal[2, 3], scales: Sequence[Scale], method: str = ""
) -> dict[str, Json]:
    """The OME-Zarr attributes of the group: version 0.4 in format 2, 0.5 in format 3.

    Parameters
    ----------
    scales
        Of each array, the finest first.
    method
        How the coarser arrays were made.
    """
    image: dict[str, Json] = {
        "name": ARRAY_NAME,
        "axes": [{"name": axis, "type": "space", "unit": "millimeter"} for axis in AXES],
        "datasets": [
            {
                "path": scale.path,
                "coordinateTransformations": [
                    {"type": "scale", "scale": list(scale.spacing)},
                    {"type": "translation", "translation": list(scale.translation)},
                ],
            }
            for scale in scales
        ],
    }
    if method:
        image["type"] = method
    if zarr_format == 2:
        return {"multiscales": [{"version": OME_4, **image}]}
    return {"ome": {"version": OME_5, "multiscales": [image]}}


def _array_of_format_2(layout: ArrayLayout) -> Json:
    return {
        "shape": list(layout.shape),
        "chunks": list(layout.chunks),
        "dtype": np.dtype(layout.dtype).newbyteorder("<").str,
        "fill_value": None,
        "order": "C",
        "filters": None,
        "dimension_separator": "/",
        "compressor": {
            "id": "blosc",
            "cname": COMPRESSOR,
            "clevel": layout.compression_level,
            "shuffle": BITSHUFFLE,
            "blocksize": layout.chunk_bytes,
        },
        "zarr_format": 2,
    }


def _array_of_format_3(layout: ArrayLayout, attributes: dict[str, Json]) -> Json:
    blosc: dict[str, Json] = {
        "typesize": layout.item_bytes,
        "cname": COMPRESSOR,
        "clevel": layout.compression_level,
        "shuffle": "bitshuffle",
        "blocksize": layout.chunk_bytes,
    }
    return {
        "shape": list(layout.shape),
        "data_type": layout.dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(layout.chunks)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": _fill_value(layout),
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "blosc", "configuration": blosc},
        ],
        "attributes": attributes,
        "dimension_names": list(AXES),
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _fill_value(layout: ArrayLayout) -> Json:
    return float(FILL_VALUE) if layout.dtype.startswith("float") else FILL_VALUE
