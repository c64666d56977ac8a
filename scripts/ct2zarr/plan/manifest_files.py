"""The files of the manifest: shards, excluded files, summary and index.

A file is rewritten only when its content changes, so that a workflow sees which shards have new
work.
"""

import logging
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from ..model import Json
from ..run import paths
from ..run.checksums import INDEX_MD5, bytes_md5
from ..run.csv_tables import Cell, read_table, rows_to_csv
from ..run.sealed import sealed_json
from ..run.tables import parquet_bytes, write_bytes_if_changed
from ..scan.frame_tables import FILES_SCHEMA
from .account import Account
from .manifest_checks import FILES_MD5
from .manifest_rows import SERIES_SCHEMA, row_order

logger = logging.getLogger(__name__)

ROWS_IN_MEMORY = 1 << 19
"""Rows of shards that are in memory at a time while they are written: some 400 MB."""


def write_shards(
    folder: Path, frames: pa.Table, account: Account, num_shards: int
) -> dict[Path, str]:
    """Write the files of all shards and the excluded files, and remove shards of earlier runs.

    Parameters
    ----------
    frames
        The rows of the scan that ``account`` is about.

    Returns
    -------
    dict[Path, str]
        Each file, whether it has changed or not, with the MD5 of its content.
    """
    labels = paths.shard_labels(num_shards)
    excluded, *rows_of = _rows_by_shard(account.hashes, num_shards)
    series_of: list[list[dict[str, Cell]]] = [[] for _ in labels]
    for row in account.series:
        series_of[paths.shard_of(str(row["series_hash"]), num_shards)].append(row)
    changed = 0
    written: dict[Path, str] = {}

    def write(path: Path, content: bytes) -> bool:
        written[path] = bytes_md5(content)
        return write_bytes_if_changed(path, content)

    shards = _sorted_rows(frames, account, rows_of)
    for label, series, (table, rows) in zip(labels, series_of, shards, strict=True):
        files, index = paths.files_shard(folder, label), paths.series_shard(folder, label)
        new = write(files, _files_table(table, account, rows))
        new |= write(index, rows_to_csv(SERIES_SCHEMA, series).encode())
        changed += new
    ((table, rows),) = _sorted_rows(frames, account, [excluded])
    write(folder / paths.FILES_EXCLUDED, _files_table(table, account, rows))
    _remove_other_shards(folder / paths.SHARDS_FOLDER, written)
    logger.info("%d of %d shards have changed", changed, num_shards)
    return written


def write_index(
    folder: Path, account: Account, summary: Mapping[str, Json], files: Mapping[Path, str]
) -> Path:
    """Write manifest_summary.json and, last of all, series_all.csv; the path of the summary.

    Parameters
    ----------
    files
        What ``write_shards`` returned: the summary states the MD5 of every file of the manifest.
    """
    index = rows_to_csv(SERIES_SCHEMA, account.series).encode()
    index_md5 = bytes_md5(index)
    checksums = {path.relative_to(folder).as_posix(): md5 for path, md5 in files.items()}
    checksums[paths.SERIES_ALL] = index_md5
    text = sealed_json({**summary, INDEX_MD5: index_md5, FILES_MD5: checksums})
    path = folder / paths.MANIFEST_SUMMARY
    write_bytes_if_changed(path, text.encode())
    write_bytes_if_changed(folder / paths.SERIES_ALL, index)
    return path


def restore_index(folder: Path, num_shards: int) -> None:
    """Write series_all.csv again from the CSVs of the shards."""
    rows: list[dict[str, Cell]] = []
    for label in paths.shard_labels(num_shards):
        rows.extend(read_table(paths.series_shard(folder, label), SERIES_SCHEMA).rows())
    index = rows_to_csv(SERIES_SCHEMA, sorted(rows, key=row_order))
    write_bytes_if_changed(folder / paths.SERIES_ALL, index.encode())


def _rows_by_shard(hashes: Sequence[str], num_shards: int) -> list[np.ndarray]:
    """The rows without a hash, then those of each shard, all in their order."""
    numbers = {h: paths.shard_of(h, num_shards) + 1 if h else 0 for h in set(hashes)}
    shards = np.fromiter((numbers[name] for name in hashes), np.int32, len(hashes))
    order = np.argsort(shards, kind="stable")
    stops = np.bincount(shards, minlength=num_shards + 1).cumsum()
    return np.split(order, stops[:-1])


def _sorted_rows(
    table: pa.Table, account: Account, rows_of: Sequence[np.ndarray]
) -> Iterator[tuple[pa.Table, list[int]]]:
    """The rows of each shard and their numbers: by volume and slice, then what is no slice.

    Many shards are taken at once: their rows lie all over the table, and to take rows from it
    means to go through all of it.
    """
    first = 0
    while first < len(rows_of):
        stop, count = first, 0
        while stop < len(rows_of) and (
            stop == first or count + len(rows_of[stop]) <= ROWS_IN_MEMORY
        ):
            count += len(rows_of[stop])
            stop += 1
        together = np.concatenate(rows_of[first:stop])
        taken = table.take(pa.array(together, pa.int64())).combine_chunks()
        begin = 0
        for rows in rows_of[first:stop]:
            own = taken.slice(begin, len(rows))
            order = _order_in_shard(account, rows.tolist(), own["path"].to_pylist())
            yield own.take(pa.array(order, pa.int64())), rows[order].tolist()
            begin += len(rows)
        first = stop


def _order_in_shard(account: Account, rows: Sequence[int], file_paths: Sequence[str]) -> list[int]:
    keys = [
        (account.hashes[row], account.index[row] < 0, int(account.index[row]), path, row)
        for row, path in zip(rows, file_paths, strict=True)
    ]
    return sorted(range(len(keys)), key=keys.__getitem__)


def _files_table(table: pa.Table, account: Account, rows: list[int]) -> bytes:
    """The account of some files as parquet; ``rows`` are their numbers in the account."""
    index = account.index[rows] if rows else np.empty(0, np.int32)
    columns = {
        "role": pa.array([account.roles[row] for row in rows], pa.string()),
        "reason": pa.array([account.reasons[row] for row in rows], pa.string()),
        "code": pa.array([account.codes[row] for row in rows], pa.string()),
        "series_hash": pa.array([account.hashes[row] for row in rows], pa.string()),
        "slice_index": pa.array(index, pa.int32(), mask=index < 0),
    }
    arrays = [columns[n] if n in columns else table[n] for n in FILES_SCHEMA.names]
    return parquet_bytes(pa.Table.from_arrays(arrays, schema=FILES_SCHEMA), {})


def _remove_other_shards(folder: Path, kept: Collection[Path]) -> None:
    """Remove the shards of an earlier run with more of them."""
    names = {path.name for path in kept}
    for path in folder.iterdir():
        of_shard = paths.SHARD_CSV.fullmatch(path.name) or paths.SHARD_FILES.fullmatch(path.name)
        if of_shard and path.name not in names:
            path.unlink()
