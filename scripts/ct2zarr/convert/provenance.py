"""By what a volume was made: settings, versions of libraries, and the manifest.

The settings that determine the output stand here once: the fingerprint that decides on resuming
is made of them, and every store, record and summary shows them.
"""

import hashlib
import json
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..model import Json
from ..run.paths import SHARD_CSV
from ..run.settings import ConvertSettings

SERIES_ALL = "series_all.csv"
"""The index of the manifest; its MD5 is the name of the manifest wherever one is named."""

MANIFEST_SUMMARY = "manifest_summary.json"
INDEX_MD5 = "series_all_md5"
"""Key of the manifest's summary: a shard job need not read an index of a million lines for it."""

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


def file_md5(path: Path) -> str:
    """MD5 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def manifest_md5(input_csv: Path) -> str:
    """MD5 of the index of the manifest that a CSV of series belongs to; ``""`` if that is away.

    A CSV that is no shard of a manifest is itself what names the volumes: its own MD5.
    """
    if not SHARD_CSV.fullmatch(input_csv.name):
        return file_md5(input_csv)
    folder = input_csv.parent.parent
    try:
        content = json.loads((folder / MANIFEST_SUMMARY).read_text(encoding="utf-8"))
        return str(content[INDEX_MD5])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # a shard that was copied without its manifest, or a manifest of an older version
    try:
        return file_md5(folder / SERIES_ALL)
    except OSError:
        return ""
