"""The version of ct2zarr, and that of what it writes."""

__version__ = "0.1.0"

FORMAT_VERSION = 1
"""Version of what ct2zarr writes; a change converts everything again."""
