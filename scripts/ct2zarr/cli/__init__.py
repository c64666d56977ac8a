"""The command ct2zarr."""
