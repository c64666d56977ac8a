"""The sidecars of a volume, ``series.json`` and ``slices.csv``: found, read, and its own.

A sidecar that names another volume, or another conversion of this one, is refused: two files that
were swapped would give one patient's tags to the voxels of another.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from ..codes import Code
from ..errors import FileError, Private, SeriesError
from ..model import SliceTable
from ..run.bounded_files import read_bounded
from ..run.cells import from_cell
from ..run.checksums import PLANE_MD5, bytes_md5
from ..run.paths import META_FOLDER, RECORD_ENDING, SLICES_ENDING
from ..store.bounds import DOCUMENT_BYTES, SLICES_BYTES
from ..store.json_documents import parse_json
from ..store.records import slices_from_csv

if TYPE_CHECKING:
    import pandas as pd

Made = TypeVar("Made")

_TEXT_COLUMNS = ("file_name", "SOPInstanceUID", PLANE_MD5)
"""Columns of slices.csv whose values may look like numbers."""


@dataclass(frozen=True)
class Sidecars:
    """The sidecars of one store, read when they are asked for.

    Attributes
    ----------
    store
        Path of the store, as the user gave it.
    series_hash, fingerprint
        What the store says it is; a fingerprint may be absent.
    planes
        Of the volume, where they are known.
    """

    store: Path
    series_hash: str
    fingerprint: str | None
    planes: int | None

    @cached_property
    def series(self) -> dict[str, Any]:
        """Content of ``series.json``. Raises ``FileError`` if it is not that of this store."""
        path = self._find(RECORD_ENDING)
        text = _read(path, DOCUMENT_BYTES)
        document = _parsed(path, lambda: parse_json(text))
        if not isinstance(document, dict):
            raise FileError(Code.DAMAGED_RECORD, "{path} does not hold a JSON object", path=path)
        same = document.get("series_hash") == self.series_hash
        if not same or (self.fingerprint and document.get("fingerprint") != self.fingerprint):
            raise self._foreign(path)
        return document

    @cached_property
    def slices(self) -> SliceTable:
        """``slices.csv``. Raises ``FileError`` if it is not that of this store."""
        return self._slices[1]

    def slice_table(self) -> "pd.DataFrame":
        """``slices.csv`` as a DataFrame."""
        import pandas as pd

        content, _ = self._slices
        table = pd.read_csv(io.BytesIO(content), dtype=dict.fromkeys(_TEXT_COLUMNS, str))
        for name in table.columns:
            if not pd.api.types.is_numeric_dtype(table[name]):
                table[name] = table[name].map(from_cell, na_action="ignore")
        return table

    @cached_property
    def _slices(self) -> tuple[bytes, SliceTable]:
        path = self._find(SLICES_ENDING)
        content = _read(path, SLICES_BYTES)
        # Nothing in slices.csv names the volume; series.json has its MD5.
        if bytes_md5(content) != self.series.get("slices_md5"):
            raise self._foreign(path)
        try:
            table = slices_from_csv(_parsed(path, lambda: content.decode("utf-8")), path)
        except SeriesError as error:
            raise FileError(Code.DAMAGED_RECORD, "{cause}", path=path, cause=error) from error
        if self.planes not in (None, len(table.rows)):
            raise self._foreign(path)
        return content, table

    def _find(self, ending: str) -> Path:
        """Where a sidecar is: of the path itself, or of what it links to."""
        name = f"{self.series_hash}{ending}"
        stores = dict.fromkeys((self.store, self.store.resolve()))
        for store in stores:
            for folder in (store.parent.parent / META_FOLDER, store.parent):
                if (folder / name).exists():
                    return folder / name
        raise FileError(
            Code.FILE_MISSING,
            "{path}: {name} is neither in {folder} nor beside the store; copy it along with the"
            " store",
            path=self.store,
            name=name,
            folder=self.store.parent.parent / META_FOLDER,
        )

    def _foreign(self, path: Path) -> FileError:
        return FileError(
            Code.OTHER_VOLUME,
            "{path} does not belong to the store {store}: it was swapped with another one or"
            " changed; copy series.json and slices.csv along with the store, or convert this"
            " volume again",
            path=path,
            store=self.store,
        )


def _read(path: Path, most: int) -> bytes:
    try:
        return read_bounded(path, most)
    except OSError as error:
        raise FileError(
            Code.DAMAGED_RECORD,
            "{path} cannot be read: {cause}",
            path=path,
            cause=error.strerror or Private(error),
        ) from error


def _parsed(path: Path, parse: Callable[[], Made]) -> Made:
    try:
        return parse()
    except ValueError as error:
        raise FileError(
            Code.DAMAGED_RECORD, "{path} is damaged: {cause}", path=path, cause=Private(error)
        ) from error
