"""Runs with zarr 2.18 alone: write a SQLite file with zarr's own store."""

import sys

import numpy as np
import zarr

store = zarr.SQLiteStore(sys.argv[1])
group = zarr.group(store)
group.attrs["written by"] = zarr.__version__
group.array("volume", np.load(sys.argv[2]), chunks=(4, 8, 8), dimension_separator="/")
store.close()
