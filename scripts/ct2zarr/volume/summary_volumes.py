"""The finished volumes that a ``summary_all.csv`` names, as a list of paths."""

import csv
from collections.abc import Iterable
from pathlib import Path

from ..errors import FileError
from ..vocabulary import Flag, Status, StoreType


def volumes_in(
    summary: Path | str, *, exclude_flags: Iterable[str] = (), dataset: str | None = None
) -> list[Path]:
    """Paths of the volumes with status ``ok``, in the order of the table.

    Args:
        summary: ``summary_all.csv`` (or that of a shard) in its place, beside ``data/``.
        exclude_flags: volumes with one of these flags are left out.
        dataset: only the volumes of this dataset.

    Raises:
        FileError: the table cannot be read, names a flag that there is not, or names a volume
            that is not there.
    """
    summary = Path(summary)
    unwanted = set(exclude_flags)
    unknown = unwanted.difference(Flag)
    if unknown:
        raise FileError(f"exclude_flags: there is no flag {', '.join(sorted(unknown))}", "flag")
    paths = []
    for row in _rows(summary):
        if row["status"] != Status.OK or unwanted.intersection(row["flags"].split(";")):
            continue
        if dataset is None or row["dataset"] == dataset:
            paths.append(_store_of(summary, row["series_hash"]))
    return paths


def _rows(summary: Path) -> list[dict[str, str]]:
    try:
        with summary.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines)
            missing = {"series_hash", "status", "flags", "dataset"}.difference(
                reader.fieldnames or ()
            )
            if missing:
                raise FileError(
                    f"{summary} is no summary of ct2zarr: it has no column"
                    f" {', '.join(sorted(missing))}",
                    "not_a_summary",
                )
            return list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{summary} cannot be read: {error}", "not_a_summary") from error


def _store_of(summary: Path, series_hash: str) -> Path:
    for store_type in StoreType:
        path = summary.parent / "data" / f"{series_hash}{store_type.suffix}"
        if path.exists():
            return path
    raise FileError(
        f"{summary} names volume {series_hash}, which is not in {summary.parent / 'data'}; keep"
        " the table beside the volumes, or run the workflow again",
        "store_missing",
    )
