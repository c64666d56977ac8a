"""How values stand in the cells of the tables that ct2zarr writes."""

SEPARATOR = ";"
"""Joins several values in one cell."""
