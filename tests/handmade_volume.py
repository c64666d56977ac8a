"""Small volumes that are put through a StoreWriter directly, with metadata written by hand.

They replace converted volumes in tests of stores and readers: nothing of the conversion is
involved, so an error there cannot hide one here.
"""

import hashlib
import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numcodecs
import numpy as np

from ct2zarr.store.containers import open_container, open_writer
from ct2zarr.vocabulary import StoreType

FILL = 0
SERIES_HASH = "0123456789abcdef" * 2
FINGERPRINT = "f" * 32
INDEX_TO_LPS = [
    [0.0, 0.0, 0.7, -100.0],
    [0.4, 0.8, 0.0, -50.0],
    [2.5, 0.0, 0.0, 30.0],
    [0.0, 0.0, 0.0, 1.0],
]
"""(z, y, x, 1) to LPS mm: planes 2.5 mm apart, sheared by 0.4 mm per plane along the columns."""


def ct2zarr_attribute(planes: int, **changes: Any) -> dict[str, Any]:
    """The group attribute ``ct2zarr`` of a regular, tilted volume."""
    matrix = np.array(INDEX_TO_LPS)
    origins = matrix[:3, 3] + np.arange(planes)[:, None] * matrix[:3, 0]
    return {
        "version": "0.1.0",
        "values": {"kind": "hu", "slope": 1.0, "intercept": -1024.0, "units": "HU"},
        "flags": ["gantry_tilt"],
        "index_to_lps": INDEX_TO_LPS,
        "slice_origins_lps": origins.tolist(),
        "max_position_error_mm": 0.0,
        "spacing": [2.5, 0.8, 0.7],
        "orientation": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "frame_of_reference_uid": "1.2.3",
        "series_hash": SERIES_HASH,
        "source_fingerprint": FINGERPRINT,
        **changes,
    }


def voxels(shape: tuple[int, int, int] = (10, 17, 19), dtype: str = "int16") -> np.ndarray:
    """Noise, so that a misplaced voxel is noticed."""
    return np.random.default_rng(7).integers(-1000, 3000, shape).astype(dtype)


def write_volume(
    path: Path,
    data: np.ndarray,
    *,
    store_type: StoreType = StoreType.SQLITE,
    zarr_format: int | None = None,
    chunks: tuple[int, int, int] = (4, 8, 8),
    attribute: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``data`` as array ``volume`` of a store at ``path`` and return ``path``."""
    zarr_format = zarr_format or (2 if store_type is StoreType.SQLITE else 3)
    attributes = {"ct2zarr": dict(attribute or ct2zarr_attribute(data.shape[0]))}
    codec = numcodecs.Blosc("zstd", clevel=1, shuffle=numcodecs.Blosc.BITSHUFFLE)
    writer = open_writer(store_type, path)
    grid = [range(-(-size // chunk)) for size, chunk in zip(data.shape, chunks, strict=True)]
    prefix = "volume" if zarr_format == 2 else "volume/c"
    for index in itertools.product(*grid):
        chunk = np.full(chunks, FILL, data.dtype)
        part = data[tuple(slice(i * c, (i + 1) * c) for i, c in zip(index, chunks, strict=True))]
        chunk[tuple(slice(0, n) for n in part.shape)] = part
        writer.put(f"{prefix}/{'/'.join(map(str, index))}", codec.encode(chunk))
    documents = _format_2 if zarr_format == 2 else _format_3
    for key, document in documents(data, chunks, attributes).items():
        writer.put(key, json.dumps(document).encode())
    writer.finish()
    return path


SLICES = "slice_index,file_name,SOPInstanceUID,md5\n" + "".join(
    f"{plane},a/{plane}.dcm,1.2{plane},{plane}e1\n" for plane in range(10)
)
"""A slices.csv of ten planes."""


def write_sidecars(
    folder: Path, slices: str = SLICES, name: str = SERIES_HASH, **record: Any
) -> None:
    """Write series.json and slices.csv of ``ct2zarr_attribute`` under ``name`` into a folder."""
    folder.mkdir(exist_ok=True)
    content = {
        "series_hash": SERIES_HASH,
        "fingerprint": FINGERPRINT,
        "slices_md5": hashlib.md5(slices.encode()).hexdigest(),
        "tags": {},
    }
    (folder / f"{name}.slices.csv").write_text(slices, newline="")
    (folder / f"{name}.series.json").write_text(json.dumps(content | record))


def rewritten(
    path: Path, store_type: StoreType = StoreType.DIR, zarr_format: int = 3, **changes: Any
) -> Path:
    """A handmade volume whose values under some keys are others; ``__`` stands for ``/``."""
    whole = open_container(
        write_volume(
            path.with_name("whole"), voxels(), store_type=StoreType.ZIP, zarr_format=zarr_format
        )
    )
    writer = open_writer(store_type, path)
    for key in whole.keys():  # noqa: SIM118
        value = bytes(whole.get(key) or b"")
        change = changes.get(key.replace("/", "__"))
        if change is not None:
            value = change(value) if callable(change) else change
        writer.put(key, value)
    writer.finish()
    return path


def edited(**members: Any) -> Callable[[bytes], bytes]:
    """Replaces members of a JSON document."""
    return lambda text: json.dumps(json.loads(text) | members).encode()


def attribute(**members: Any) -> Callable[[bytes], bytes]:
    """Replaces members of the group attribute ``ct2zarr`` of format 3."""

    def change(text: bytes) -> bytes:
        document = json.loads(text)
        document["attributes"]["ct2zarr"] |= members
        return json.dumps(document).encode()

    return change


def _ome(version: str) -> dict[str, Any]:
    axes = [{"name": name, "type": "space", "unit": "millimeter"} for name in "zyx"]
    scale = {"type": "scale", "scale": [2.5, 0.8, 0.7]}
    dataset = {"path": "volume", "coordinateTransformations": [scale]}
    image = {"name": "volume", "axes": axes, "datasets": [dataset]}
    if version == "0.4":
        return {"multiscales": [{"version": "0.4", **image}]}
    return {"ome": {"version": version, "multiscales": [image]}}


def _format_2(
    data: np.ndarray, chunks: tuple[int, int, int], attributes: dict[str, Any]
) -> dict[str, Any]:
    return {
        ".zgroup": {"zarr_format": 2},
        ".zattrs": {**_ome("0.4"), **attributes},
        "volume/.zarray": {
            "zarr_format": 2,
            "shape": list(data.shape),
            "chunks": list(chunks),
            "dtype": data.dtype.str,
            "fill_value": FILL,
            "order": "C",
            "filters": None,
            "dimension_separator": "/",
            "compressor": {
                "id": "blosc",
                "cname": "zstd",
                "clevel": 1,
                "shuffle": 2,
                "blocksize": 0,
            },
        },
        "volume/.zattrs": {"_ARRAY_DIMENSIONS": ["z", "y", "x"]},
    }


def _format_3(
    data: np.ndarray, chunks: tuple[int, int, int], attributes: dict[str, Any]
) -> dict[str, Any]:
    blosc = {
        "cname": "zstd",
        "clevel": 1,
        "shuffle": "bitshuffle",
        "typesize": data.dtype.itemsize,
        "blocksize": 0,
    }
    return {
        "zarr.json": {
            "zarr_format": 3,
            "node_type": "group",
            "attributes": {**_ome("0.5"), **attributes},
        },
        "volume/zarr.json": {
            "zarr_format": 3,
            "node_type": "array",
            "shape": list(data.shape),
            "data_type": data.dtype.name,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunks)}},
            "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
            "fill_value": FILL,
            "codecs": [
                {"name": "bytes", "configuration": {"endian": "little"}},
                {"name": "blosc", "configuration": blosc},
            ],
            "attributes": {},
            "dimension_names": ["z", "y", "x"],
            "storage_transformers": [],
        },
    }
