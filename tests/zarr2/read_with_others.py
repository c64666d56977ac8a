"""Runs without ct2zarr: read a store with the reader named and print the MD5 of its voxels.

Usage: read_with_others.py tensorstore|xarray|zarr PATH FORMAT
"""

import hashlib
import json
import sys

import numpy as np

reader, path, zarr_format = sys.argv[1:]
found = {}
if reader == "tensorstore":
    import tensorstore

    is_folder = path.endswith(".zarr")
    files = f"file://{path}/volume/" if is_folder else f"file://{path}|zip:volume/"
    driver = {"2": "zarr2", "3": "zarr3"}[zarr_format]
    array = tensorstore.open(f"{files}|{driver}:", open=True, read=True).result()
    values = array.read().result()
    found["dimensions"] = list(array.domain.labels)
elif reader == "xarray":
    import xarray

    opened = xarray.open_zarr(path, consolidated=False, mask_and_scale=False)
    values = opened["volume"].values
    found["dimensions"] = list(opened["volume"].dims)
    found["spacing"] = opened.attrs["ct2zarr"]["spacing"]
else:
    import zarr

    group = zarr.open_group(path, mode="r")
    values = group["volume"][:]
    found["spacing"] = group.attrs["ct2zarr"]["spacing"]
found["md5"] = hashlib.md5(np.ascontiguousarray(values).tobytes()).hexdigest()
print(json.dumps(found))
