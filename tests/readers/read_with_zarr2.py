"""Runs with zarr 2.18 alone: read a SQLite file with zarr's own store and print its content."""

import hashlib
import json
import sys

import numpy as np
import zarr

store = zarr.SQLiteStore(sys.argv[1])
group = zarr.open_group(store, mode="r")
array = group["volume"]
values = np.ascontiguousarray(array[:])
print(
    json.dumps(
        {
            "zarr": zarr.__version__,
            "shape": array.shape,
            "chunks": array.chunks,
            "dtype": array.dtype.str,
            "md5": hashlib.md5(values.tobytes()).hexdigest(),
            "patch": array[3:7, 5:9, 2].tolist(),
            "attributes": dict(group.attrs),
            "array_attributes": dict(array.attrs),
        }
    )
)
