"""Runs without the tests of ct2zarr: read stores with a named tool, and print what was found.

Usage: read_with_others.py TOOL STORE_TYPE:FORMAT:PATH ...

Prints a JSON list: for each store the MD5 of its voxels (int16, C order) and what the tool says of
axes, spacing and units, or the error. ``scripts/`` is on the path for the SQLite store alone.
"""
# ruff: noqa: ARG001 - all readers are called alike

import hashlib
import json
import sys
import warnings

import numpy as np

warnings.simplefilter("ignore")


def as_store(store_type, path):
    """The argument for a tool that reads through zarr-python 3."""
    import zarr

    if store_type == "sqlite":
        from ct2zarr import SQLiteStore

        return SQLiteStore(path, read_only=True)
    return zarr.storage.ZipStore(path, mode="r") if store_type == "zip" else path


def with_zarr(store_type, zarr_format, path):
    import zarr

    group = zarr.open_group(as_store(store_type, path), mode="r")
    return group["volume"][:], {"spacing": group.attrs["ct2zarr"]["spacing"]}


def with_zarr2(store_type, zarr_format, path):
    import zarr

    store = {"sqlite": zarr.SQLiteStore, "zip": zarr.ZipStore, "dir": zarr.DirectoryStore}
    group = zarr.open_group(store[store_type](path), mode="r")
    found = {
        "spacing": group.attrs["ct2zarr"]["spacing"],
        "axes": group["volume"].attrs["_ARRAY_DIMENSIONS"],
    }
    return group["volume"][:], found


def with_tensorstore(store_type, zarr_format, path):
    import tensorstore

    files = f"file://{path}/volume/" if store_type == "dir" else f"file://{path}|zip:volume/"
    array = tensorstore.open(f"{files}|zarr{zarr_format}:", open=True, read=True).result()
    found = {"axes": list(array.domain.labels)} if zarr_format == "3" else {}
    return array.read().result(), found


def with_xarray(store_type, zarr_format, path):
    import xarray

    opened = xarray.open_zarr(as_store(store_type, path), consolidated=False)
    array = opened["volume"]
    found = {
        "axes": list(array.dims),
        "units": array.attrs["units"],
        "spacing": opened.attrs["ct2zarr"]["spacing"],
    }
    return array.values, found


def with_ome_zarr_py(store_type, zarr_format, path):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    (node,) = Reader(parse_url(path))()
    scale, _ = node.metadata["coordinateTransformations"][0]
    found = {
        "axes": [axis["name"] for axis in node.metadata["axes"]],
        "units": node.metadata["axes"][0]["unit"],
        "spacing": scale["scale"],
        "levels": [level.shape for level in node.data],
    }
    return np.asarray(node.data[0]), found


def with_ome_zarr_models(store_type, zarr_format, path):
    """The validator of the OME-Zarr community: raises if the metadata violate the specification."""
    import zarr
    from ome_zarr_models import open_ome_zarr

    group = zarr.open_group(as_store(store_type, path), mode="r")
    image = open_ome_zarr(group)
    attributes = image.attributes if zarr_format == "2" else image.ome_attributes
    (scales,) = attributes.multiscales
    found = {
        "axes": [axis.name for axis in scales.axes],
        "units": scales.axes[0].unit,
        "spacing": scales.datasets[0].coordinateTransformations[0].scale,
        "levels": [group[dataset.path].shape for dataset in scales.datasets],
    }
    return group[scales.datasets[0].path][:], found


def with_ngff_zarr(store_type, zarr_format, path):
    import ngff_zarr

    images = ngff_zarr.from_ngff_zarr(path).images
    image = images[0]
    found = {
        "axes": list(image.dims),
        "units": image.axes_units["z"],
        "spacing": [image.scale[axis] for axis in image.dims],
        "levels": [each.data.shape for each in images],
    }
    return np.asarray(image.data), found


def with_napari(store_type, zarr_format, path):
    from napari.layers import Image
    from napari_ome_zarr import napari_get_reader

    ((data, options, kind),) = napari_get_reader(path)(path)
    assert kind == "image"
    layer = Image(data, **options)
    step = np.subtract(layer.data_to_world((1, 1, 1)), layer.data_to_world((0, 0, 0)))
    levels = layer.data if layer.multiscale else [layer.data]
    found = {
        "axes": list(layer.axis_labels),
        "units": str(layer.units[0]),
        "spacing": step.tolist(),
        "levels": [level.shape for level in levels],
    }
    return np.asarray(levels[0]), found


read = globals()[f"with_{sys.argv[1]}"]
results = []
for argument in sys.argv[2:]:
    store_type, zarr_format, path = argument.split(":", 2)
    try:
        values, found = read(store_type, zarr_format, path)
    except Exception as error:  # noqa: BLE001 - every failure is an answer here
        results.append({"error": f"{type(error).__name__}: {error}"})
        continue
    whole = np.ascontiguousarray(values, dtype="<i2")
    assert (whole == values).all()
    digest = hashlib.md5(whole.tobytes(), usedforsecurity=False).hexdigest()
    results.append({"md5": digest, "dtype": str(values.dtype), **found})
print("\n" + json.dumps(results))
