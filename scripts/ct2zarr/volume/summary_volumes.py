"""The finished volumes that a ``summary_all.csv`` names, as a list of paths."""

from collections.abc import Iterable, Iterator
from pathlib import Path

from ..codes import Code
from ..errors import FileError, Private, SettingsError
from ..run.cells import SEPARATOR
from ..run.csv_tables import Column, Schema, read_table
from ..run.paths import DATA_FOLDER, TablePaths, totals_beside, volume_paths
from ..run.sealed import check_table_if_sealed
from ..vocabulary import Flag, Status, StoreType

ADVICE = "name a summary that ct2zarr wrote, or write it again"

SUMMARY_SCHEMA = Schema(
    tuple(Column(name) for name in ("series_hash", "status", "flags", "dataset")),
    ADVICE,
)
"""What the summary of a shard and that of all shards have in common."""


def volumes_in(
    summary: Path | str, *, exclude_flags: Iterable[str] = (), dataset: str | None = None
) -> list[Path]:
    """Paths of the volumes with status ``ok``, in the order of the table.

    Parameters
    ----------
    summary
        ``summary_all.csv`` (or that of a shard) in its place, beside ``data/``.
    exclude_flags
        Volumes with one of these flags are left out.
    dataset
        Only the volumes of this dataset.

    Raises
    ------
    FileError
        The table cannot be read or was changed after it was written, names a flag that there is
        not, or names a volume that is not there. A table without the JSON that is written beside
        it, such as a selection that a person made, is taken as it is.
    """
    summary = Path(summary)
    unwanted = set(exclude_flags)
    unknown = unwanted.difference(Flag)
    if unknown:
        raise FileError(
            Code.UNKNOWN_FLAG,
            "exclude_flags: there is no flag {flag}",
            flag=tuple(Private(flag) for flag in sorted(unknown)),
        )
    paths = []
    for row in _rows(summary):
        if row["status"] != Status.OK or unwanted.intersection(row["flags"].split(SEPARATOR)):
            continue
        if dataset is None or row["dataset"] == dataset:
            paths.append(_store_of(summary, row["series_hash"]))
    return paths


def _rows(summary: Path) -> Iterator[dict[str, str]]:
    try:
        check_table_if_sealed(TablePaths(summary, totals_beside(summary)), ADVICE)
        return read_table(summary, SUMMARY_SCHEMA).rows()
    except SettingsError as error:
        raise FileError(Code.NOT_A_SUMMARY, "{cause}", path=summary, cause=error) from error


def _store_of(summary: Path, series_hash: str) -> Path:
    for store_type in StoreType:
        path = volume_paths(summary.parent, series_hash, store_type).store
        if path.exists():
            return path
    raise FileError(
        Code.STORE_MISSING,
        "{path} names volume {series_hash}, whose store is not in {folder}; keep the table beside "
        "the volumes, or run the workflow again",
        path=summary,
        series_hash=series_hash,
        folder=summary.parent / DATA_FOLDER,
    )
