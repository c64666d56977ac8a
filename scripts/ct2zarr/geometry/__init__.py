"""Pure functions on arrays: where planes lie, where voxels lie, regular grids, pyramids."""
