"""Scan the dataset roots and write the manifest: volumes, shards, and the account of every file.

What is written depends on the files and the settings alone. A file of the manifest is rewritten
only when its content changes, so that a workflow sees which shards have new work; if nothing at
all has changed since the last run, grouping is skipped too.
"""

import hashlib
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import Ct2zarrError, SettingsError
from ..model import Frame, Json
from ..run.atomic_files import machine_errors, remove_abandoned
from ..run.cells import SEPARATOR
from ..run.checksums import INDEX_MD5
from ..run.csv_tables import read_table, rows_to_csv
from ..run.paths import (
    FILES_EXCLUDED,
    MANIFEST_SUMMARY,
    SCAN_CACHE_FOLDER,
    SERIES_ALL,
    SHARD_CSV,
    SHARD_FILES,
    SHARDS_FOLDER,
    files_shard,
    series_shard,
    shard_labels,
)
from ..run.settings import ManifestSettings
from ..run.tables import parquet_bytes, write_bytes_if_changed
from ..scan.cache import FACTS_VERSION
from ..scan.frame_tables import FILES_SCHEMA, SERIES_SCHEMA, table_to_frames
from ..scan.scanning import Scan, scan
from ..scan.shares import merge_parts
from ..scan.walking import check_roots
from ..version import __version__
from ..vocabulary import Flag, Role
from .grouping import plan_volumes
from .manifest_reading import read_plans
from .manifest_rows import row_order, series_row
from .pixel_digests import IsolatedPixels, isolated_pixels
from .roles import assign_role

__all__ = ["make_manifest", "read_plans"]

logger = logging.getLogger(__name__)

STATE = "state.json"

TAKEN_ROWS = 1 << 19
"""Rows of shards that are in memory at a time while they are written: some 400 MB."""

GROUPED_ROWS = 20_000
"""Frames that are grouped at a time, so that millions need not be Python objects at once."""


def make_manifest(settings: ManifestSettings) -> None:
    """Write series_all.csv, shards/, files_excluded.parquet and manifest_summary.json.

    Raises:
        SettingsError: a root is missing, is a file, holds no file, or lies in another one.
        MachineError: ``manifest_dir`` cannot be written.
        Ct2zarrError: two volumes have one hash, or the account does not add up.
    """
    folder = settings.manifest_dir
    check_roots(settings.datasets)
    with machine_errors(folder):
        for made in (folder, folder / SCAN_CACHE_FOLDER, folder / SHARDS_FOLDER):
            made.mkdir(parents=True, exist_ok=True)
        remove_abandoned((folder, folder / SCAN_CACHE_FOLDER, folder / SHARDS_FOLDER))
        # Before hours of reading, not after: may the folder be written at all?
        for made in (folder, folder / SHARDS_FOLDER):
            with tempfile.TemporaryFile(dir=made):
                pass
    if settings.scan_jobs > 1:
        found = merge_parts(settings)
    else:
        found = scan(
            settings.datasets,
            max_depth=settings.max_depth,
            workers=settings.workers,
            cache=folder / SCAN_CACHE_FOLDER,
            log=logger.info,
        )
    _warn(found, settings)
    _refuse_empty_roots(found, settings)
    key = _key(found, settings)
    if _is_whole(folder, key):
        rows = _rows_of_shards(folder, settings.num_shards)
        write_bytes_if_changed(folder / SERIES_ALL, rows_to_csv(SERIES_SCHEMA, rows).encode())
        logger.info("nothing has changed since the last manifest; its shards are kept")
        _tell(json.loads((folder / MANIFEST_SUMMARY).read_text(encoding="utf-8")))
        return
    account = _account(found, settings)
    _write(folder, found, account, settings, key)


def _refuse_empty_roots(found: Scan, settings: ManifestSettings) -> None:
    present = set(pc.unique(found.table["dataset"]).to_pylist())
    for dataset, root in settings.datasets.items():
        if dataset not in present:
            raise SettingsError(
                f"dataset {dataset}: there is no file below {root}; check that the folder is the "
                "right one and that its disk is mounted"
            )


def _warn(found: Scan, settings: ManifestSettings) -> None:
    """Say loudly what may be a mistake of the settings or of the machine."""
    if found.deeper:
        logger.warning(
            "%d FILES ARE NOT READ: they lie deeper than max_depth %d; max_depth %d would reach "
            "all of them",
            found.deeper, settings.max_depth, found.deepest,
        )  # fmt: skip
    if found.unreadable_folders:
        logger.warning(
            "%d FOLDERS CANNOT BE LISTED, what is in them is unknown; %s names them",
            len(found.unreadable_folders), MANIFEST_SUMMARY,
        )  # fmt: skip


# From files to volumes -----------------------------------------------------------------------


@dataclass(slots=True)
class _Account:
    """What became of each row of the scan, and the rows of the volumes.

    Attributes:
        roles, reasons, codes, hashes: by row. index: slice index by row, -1 for no slice.
        series: rows of series_all.csv. keys: number of series with a CT image.
    """

    roles: list[str]
    reasons: list[str]
    codes: list[str]
    hashes: list[str]
    index: np.ndarray
    series: list[dict[str, Any]] = field(default_factory=list)
    keys: int = 0


def _account(found: Scan, settings: ManifestSettings) -> _Account:
    """Give every frame its role and every volume its row.

    Raises Ct2zarrError if two volumes have one hash or a frame was lost on the way.
    """
    total = found.table.num_rows
    roles, reasons, codes, hashes_of_rows = ([""] * total for _ in range(4))
    account = _Account(roles, reasons, codes, hashes_of_rows, np.full(total, -1, np.int32))
    hashes: dict[str, str] = {}
    with isolated_pixels() as pixels:
        for rows, frames in _by_series(found.table, settings):
            _group(account, hashes, rows, frames, pixels)
    account.series.sort(key=row_order)
    return account


def _group(
    account: _Account,
    hashes: dict[str, str],
    rows: list[int],
    frames: list[Frame],
    pixels: IsolatedPixels,
) -> None:
    """Enter some whole series into the account; ``hashes`` are those of all volumes so far."""
    row_of = {(i.path, i.frame_number): row for i, row in zip(frames, rows, strict=True)}
    plans, unused = plan_volumes(frames, pixels.digest, pixels.preview)
    for plan in plans:
        if plan.series_hash in hashes:
            raise Ct2zarrError(
                f"Two volumes have the hash {plan.series_hash}: {hashes[plan.series_hash]} and "
                f"{plan.series_dir}; put one of them under another dataset name",
                reason="hash_collision",
            )
        hashes[plan.series_hash] = plan.series_dir
        account.series.append(series_row(plan))
        for place, plane in enumerate(plan.planes):
            row = row_of.pop((plane.path, plane.frame_number))
            account.roles[row], account.hashes[row] = Role.SLICE, plan.series_hash
            account.index[row] = place
        for left in plan.unused:
            row = row_of.pop((left.frame.path, left.frame.frame_number))
            account.roles[row], account.reasons[row] = left.role, left.reason
            account.codes[row] = "" if left.code is None else left.code
            account.hashes[row] = plan.series_hash
    for left in unused:
        row = row_of.pop((left.frame.path, left.frame.frame_number))
        account.roles[row], account.reasons[row] = left.role, left.reason
        account.codes[row] = "" if left.code is None else left.code
    account.keys += len({(plan.dataset, plan.series_hash) for plan in plans if plan.part == 1})
    if row_of:
        raise Ct2zarrError(
            f"{len(row_of)} frames were lost while grouping, the first of them in "
            f"{next(iter(row_of))[0]}; this is a fault of ct2zarr, please report it"
        )


def _by_series(
    table: pa.Table, settings: ManifestSettings
) -> Iterator[tuple[list[int], list[Frame]]]:
    """Whole series, some at a time: their rows in the table, and their frames with roles."""
    known: dict[str, int] = {}
    codes = np.empty(table.num_rows, np.int32)
    row = 0
    for batch in table.select(["dataset", "path", "series_uid"]).to_batches():
        folder = pc.replace_substring_regex(batch["path"], r"/[^/]*$", "")
        series = pc.if_else(pc.equal(batch["series_uid"], ""), folder, batch["series_uid"])
        named = pc.binary_join_element_wise(batch["dataset"], series, "\n").dictionary_encode()
        names = [known.setdefault(name, len(known)) for name in named.dictionary.to_pylist()]
        codes[row : row + len(named)] = np.array(names, np.int32)[named.indices.to_numpy()]
        row += len(named)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.diff(codes[order], prepend=-1))
    begin = 0
    for start in [*starts[1:].tolist(), len(order)]:
        if start - begin < GROUPED_ROWS and start < len(order):
            continue
        rows = order[begin:start]
        begin = start
        frames = table_to_frames(table.take(pa.array(rows)))
        yield rows.tolist(), [assign_role(frame, settings.selection) for frame in frames]


# From volumes to files -----------------------------------------------------------------------


def _write(
    folder: Path, found: Scan, account: _Account, settings: ManifestSettings, key: str
) -> None:
    """Write all files of the manifest, the index series_all.csv last."""
    labels = shard_labels(settings.num_shards)
    others, *rows_of = _rows_by_shard(account.hashes, len(labels))
    series_of: list[list[dict[str, Any]]] = [[] for _ in labels]
    for cells in account.series:
        series_of[int(cells["series_hash"], 16) % len(labels)].append(cells)
    index = rows_to_csv(SERIES_SCHEMA, account.series).encode()
    index_md5 = hashlib.md5(index, usedforsecurity=False).hexdigest()
    summary = {**_summary(found, account, settings), INDEX_MD5: index_md5}
    changed = 0
    names = []
    (folder / SCAN_CACHE_FOLDER / STATE).unlink(missing_ok=True)
    shards = _sorted_files(found.table, account, rows_of)
    for number, (label, (table, rows)) in enumerate(zip(labels, shards, strict=True)):
        name = str(files_shard(Path(), label))
        new = write_bytes_if_changed(folder / name, _files(table, account, rows))
        names.append(name)
        name = str(series_shard(Path(), label))
        new |= write_bytes_if_changed(
            folder / name, rows_to_csv(SERIES_SCHEMA, series_of[number]).encode()
        )
        names.append(name)
        changed += new
    ((table, rows),) = _sorted_files(found.table, account, [others])
    write_bytes_if_changed(folder / FILES_EXCLUDED, _files(table, account, rows))
    text = json.dumps(summary, indent=2) + "\n"
    write_bytes_if_changed(folder / MANIFEST_SUMMARY, text.encode())
    _remove_stale(folder / SHARDS_FOLDER, set(names))
    names += [FILES_EXCLUDED, MANIFEST_SUMMARY]
    write_bytes_if_changed(folder / SERIES_ALL, index)
    _keep_state(folder, key, names)
    logger.info("%d of %d shards have changed", changed, len(labels))
    _tell(summary)


def _rows_by_shard(hashes: Sequence[str], num_shards: int) -> list[np.ndarray]:
    """The rows without a hash, then those of each shard, all in their order."""
    numbers = {name: int(name, 16) % num_shards + 1 if name else 0 for name in set(hashes)}
    shards = np.fromiter((numbers[name] for name in hashes), np.int32, len(hashes))
    order = np.argsort(shards, kind="stable")
    stops = np.bincount(shards, minlength=num_shards + 1).cumsum()
    return np.split(order, stops[:-1])


def _sorted_files(
    table: pa.Table, account: _Account, rows_of: Sequence[np.ndarray]
) -> Iterator[tuple[pa.Table, list[int]]]:
    """The rows of each shard by volume and slice, what is no slice behind; and their numbers.

    Many shards are taken at once: their rows lie all over the table, and each time that rows are
    taken from it, all of it is gone through.
    """
    first = 0
    while first < len(rows_of):
        stop, count = first, 0
        while stop < len(rows_of) and (stop == first or count + len(rows_of[stop]) <= TAKEN_ROWS):
            count += len(rows_of[stop])
            stop += 1
        together = np.concatenate(rows_of[first:stop])
        taken = table.take(pa.array(together, pa.int64())).combine_chunks()
        begin = 0
        for rows in rows_of[first:stop]:
            mine = taken.slice(begin, len(rows))
            paths, numbers = mine["path"].to_pylist(), rows.tolist()
            keys = [
                (account.hashes[row], account.index[row] < 0, int(account.index[row]), path, row)
                for row, path in zip(numbers, paths, strict=True)
            ]
            order = sorted(range(len(keys)), key=keys.__getitem__)
            yield mine.take(pa.array(order, pa.int64())), [numbers[place] for place in order]
            begin += len(rows)
        first = stop


def _files(table: pa.Table, account: _Account, rows: list[int]) -> bytes:
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


def _remove_stale(folder: Path, names: set[str]) -> None:
    """Remove shards of a former run that had more of them."""
    for path in folder.iterdir():
        of_a_shard = SHARD_CSV.fullmatch(path.name) or SHARD_FILES.fullmatch(path.name)
        if of_a_shard and f"{SHARDS_FOLDER}/{path.name}" not in names:
            path.unlink()


def _summary(found: Scan, account: _Account, settings: ManifestSettings) -> dict[str, Json]:
    """Counts that add up, and the settings that led to them; no times, so that it is stable.

    Raises Ct2zarrError when the roles do not add up to the files found.
    """
    files = Counter(_file_roles(found.table, account))
    roles: Counter[str] = Counter()
    for (_, role), count in files.items():
        roles[role] += count
    if sum(roles.values()) != found.files_found or "" in roles:
        raise Ct2zarrError(
            f"the account does not add up: {found.files_found} files were found, "
            f"{sum(roles.values())} have a role; this is a fault of ct2zarr, please report it"
        )
    flags = Counter(flag for row in account.series for flag in row["flags"].split(SEPARATOR))
    by_dataset: dict[str, Json] = {}
    for dataset, root in sorted(settings.datasets.items()):
        own = Counter({role: count for (name, role), count in files.items() if name == dataset})
        series = [row for row in account.series if row["dataset"] == dataset]
        by_dataset[dataset] = {
            "root": _readable(str(root.absolute())),
            "files_found": sum(own.values()),
            "roles": {str(role): own[role] for role in Role},
            "series": sum(row["part"] == 1 for row in series),
            "volumes": len(series),
        }
    folders: list[Json] = [
        {"folder": _readable(path), "reason": reason} for path, reason in found.unreadable_folders
    ]
    return {
        "version": __version__,
        "files_found": found.files_found,
        "roles": {str(role): roles[role] for role in Role},
        "series": account.keys,
        "volumes": len(account.series),
        "slices": sum(row["slice_count"] for row in account.series),
        "bytes": sum(row["bytes"] for row in account.series),
        "flags": {str(flag): flags[flag] for flag in Flag if flags[flag]},
        "datasets": by_dataset,
        "deeper_than_max_depth": {
            "files": found.deeper,
            "max_depth": settings.max_depth,
            "max_depth_needed": found.deepest,
        },
        "unreadable_folders": folders,
        "not_regular_files": found.others,
        "num_shards": settings.num_shards,
        "settings": _settings(settings),
    }


def _readable(path: str) -> str:
    return path.encode("utf-8", "backslashreplace").decode()


def _settings(settings: ManifestSettings) -> dict[str, Json]:
    selection = asdict(settings.selection)
    selection["exclude_image_types"] = list(settings.selection.exclude_image_types)
    return {"max_depth": settings.max_depth, "num_shards": settings.num_shards, **selection}


def _file_roles(table: pa.Table, account: _Account) -> Iterator[tuple[str, str]]:
    """Dataset and role of each file; a file of several frames is a slice if any of them is."""
    starts = np.flatnonzero(table["frame"].to_numpy() == 1)
    stops = np.append(starts[1:], table.num_rows)
    datasets = table["dataset"].take(pa.array(starts)).to_pylist()
    for dataset, start, stop in zip(datasets, starts.tolist(), stops.tolist(), strict=True):
        roles = account.roles[start:stop]
        yield dataset, Role.SLICE if Role.SLICE in roles else roles[0]


def _tell(summary: dict[str, Json]) -> None:
    """The account in a few lines of the log."""
    roles = summary["roles"]
    assert isinstance(roles, dict)
    counts = ", ".join(f"{count} {role}" for role, count in roles.items() if count)
    logger.info("%s files found: %s", summary["files_found"], counts)
    logger.info("%s series with CT images, %s volumes", summary["series"], summary["volumes"])
    if not summary["volumes"]:
        logger.warning(
            "NO CT VOLUME WAS FOUND below the roots; %s and %s say what the files are",
            MANIFEST_SUMMARY, FILES_EXCLUDED,
        )  # fmt: skip


# What has changed ----------------------------------------------------------------------------


def _key(found: Scan, settings: ManifestSettings) -> str:
    """A hash of all that the manifest depends on."""
    digest = hashlib.blake2b(digest_size=16)
    own = {**_settings(settings), "version": __version__, "facts": FACTS_VERSION.decode()}
    own["roots"] = {name: _readable(str(root)) for name, root in settings.datasets.items()}
    own["folders"] = [_readable(path) for path, _ in found.unreadable_folders]
    own["others"] = found.others
    digest.update(json.dumps(own, sort_keys=True).encode())
    for name in ("dataset", "path", "reason"):
        # The same bytes, however the rows lie in chunks.
        for chunk in found.table[name].chunks:
            digest.update("".join(f"{text}\0" for text in chunk.to_pylist()).encode())
    for name in ("frame", "bytes", "mtime_ns"):
        for chunk in found.table[name].chunks:
            digest.update(chunk.to_numpy().tobytes())
    return digest.hexdigest()


def _is_whole(folder: Path, key: str) -> bool:
    """Whether the manifest of this key lies there with every file as it was written."""
    try:
        state = json.loads((folder / SCAN_CACHE_FOLDER / STATE).read_text(encoding="utf-8"))
        return bool(state["key"] == key) and all(
            _stamp(folder / name) == stamp for name, stamp in state["files"].items()
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _keep_state(folder: Path, key: str, names: Iterable[str]) -> None:
    state = {"key": key, "files": {name: _stamp(folder / name) for name in names}}
    write_bytes_if_changed(folder / SCAN_CACHE_FOLDER / STATE, json.dumps(state).encode())


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _rows_of_shards(folder: Path, num_shards: int) -> list[dict[str, Any]]:
    """The rows of series_all.csv from the shards' CSVs."""
    rows: list[dict[str, Any]] = []
    for label in shard_labels(num_shards):
        rows.extend(read_table(series_shard(folder, label), SERIES_SCHEMA).rows())
    return sorted(rows, key=row_order)
