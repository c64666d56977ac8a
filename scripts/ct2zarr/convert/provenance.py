"""The settings and versions of libraries with which a volume was made.

The settings that determine the output are chosen here once: the fingerprint, which decides whether
a finished volume is reused, covers them, and every store, record and summary shows them.
"""

from enum import StrEnum
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ..model import Json
from ..run.option_values import values_of
from ..run.options import Output, options_that_change
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

    The others change how a conversion runs or which volumes are converted, but no byte of a volume.
    ``on_bad_slice`` is not included: it matters only to volumes with bad files, and their records
    say which planes were left out.
    """
    values = {**values_of(settings), "zarr_format": settings.encoding.format_number}
    return {name: _json(values[name]) for name in options_that_change(Output.VOLUME)}


def _json(value: Any) -> Json:
    if isinstance(value, tuple):
        return [_json(one) for one in value]
    return str(value) if isinstance(value, StrEnum) else value


@cache
def library_versions() -> dict[str, str]:
    """Package → version, of those of ``LIBRARIES`` that are installed."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
