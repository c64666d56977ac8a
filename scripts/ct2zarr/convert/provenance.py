"""By what a volume was made: settings, versions of libraries, and the manifest.

The settings that determine the output stand here once: the fingerprint that decides on resuming
is made of them, and every store, record and summary shows them.
"""

from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from ..model import Json
from ..run.settings import ConvertSettings

LIBRARIES = (
    "numpy",
    "zarr",
    "numcodecs",
    "pydicom",
    "imagecodecs",
    "python-gdcm",
    "pylibjpeg",
    "pylibjpeg-libjpeg",
    "pylibjpeg-openjpeg",
    "pylibjpeg-rle",
)
"""Packages whose versions may change what is read or written."""


def output_settings(settings: ConvertSettings) -> dict[str, Json]:
    """The settings that determine what is written for a volume, by the name of the option.

    Others change how a conversion runs, or which volumes are converted, but not a byte of them.
    ``on_bad_slice`` is not among them: it matters only to volumes with bad files, and their
    records say what was left out.
    """
    encoding = settings.encoding
    return {
        "store_type": str(encoding.store_type),
        "values": encoding.values,
        "zarr_format": encoding.format_number,
        "chunks": list(encoding.chunks),
        "compression_level": encoding.compression_level,
        "pyramid_levels": encoding.pyramid_levels,
        **{
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(settings.metadata).items()
        },
    }


@cache
def library_versions() -> dict[str, str]:
    """Package → version of the installed ones of ``LIBRARIES``."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
