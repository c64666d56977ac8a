"""Checksums of files and planes, and the one that identifies a manifest."""

import hashlib
import json
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .paths import MANIFEST_SUMMARY, SERIES_ALL, SHARD_CSV

if TYPE_CHECKING:
    from numpy.typing import NDArray

INDEX_MD5 = "series_all_md5"
"""Key of the manifest's summary: a shard job need not read an index of a million lines for it."""

PLANE_MD5 = "md5"
"""Column of slices.csv with the ``plane_md5`` of each plane."""


_LITTLE = 1 << 16
"""Bytes up to which zlib is as good, and imagecodecs need not be loaded."""


def crc32(content: bytes | memoryview, start: int = 0) -> int:
    """The CRC-32 of some bytes, continued from ``start``, as ``zlib.crc32`` gives it.

    libdeflate computes it ten times as fast as zlib: 40 GB/s, measured on 200 KB. The store of a
    volume is summed twice, so zlib would add 5 % to a conversion.
    """
    view = memoryview(content).cast("B")
    if view.nbytes < _LITTLE:
        return zlib.crc32(view, start)
    return _fastest_crc32()(view, start)


@cache
def _fastest_crc32() -> Callable[[memoryview, int], int]:
    """That of libdeflate, which some builds of imagecodecs lack."""
    import imagecodecs

    if not imagecodecs.DEFLATE.available:
        return zlib.crc32
    fast: Any = imagecodecs.deflate_crc32  # takes any buffer, whatever its annotation says
    return cast(Callable[[memoryview, int], int], fast)


def plane_md5(plane: "NDArray[Any]") -> str:
    """MD5 (hex) of the values of a plane (rows, columns): C order, little-endian."""
    little = plane.astype(plane.dtype.newbyteorder("<"), order="C", copy=False)
    return hashlib.md5(little.data, usedforsecurity=False).hexdigest()


def bytes_md5(content: bytes) -> str:
    """MD5 (hex) of some bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def file_md5(path: Path) -> str:
    """MD5 (hex) of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def manifest_md5(input_csv: Path) -> str:
    """MD5 of the index of the manifest that a CSV of series belongs to; ``""`` if it is missing.

    For a CSV that is no shard of a manifest, the MD5 of the CSV itself.
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
