"""Turn CT series in DICOM files into verified Zarr volumes, and read those volumes."""

__version__ = "0.1.0"
FORMAT_VERSION = 1
"""Version of what ct2zarr writes; a change converts everything again."""
