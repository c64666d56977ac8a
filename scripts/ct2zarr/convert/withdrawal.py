"""Remove what an earlier run without ``deidentify`` left, before a run with it writes anything.

Records, summaries, audits, logs and the report of such a run name patients, folders and files, and
a store has the FrameOfReferenceUID of its source. Whatever is left would stay below ``out_root``
although the later run promises the opposite. A mark in ``zarr_{store}`` says that everything beside
it was written with ``deidentify``, so that the jobs of one run look only once.
"""

import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import MachineError, SeriesError, SettingsError
from ..run.atomic_files import (
    flush_folder,
    machine_errors,
    prepare_store_root,
    remove_path,
    write_atomically,
)
from ..run.paths import (
    ANY_SHARD_SUMMARY,
    DATA_FOLDER,
    DEIDENTIFIED_MARK,
    EXPORTED_PLOTS_FOLDER,
    EXPORTED_SUMMARY,
    EXPORTS_FOLDER,
    LOGS_FOLDER,
    META_FOLDER,
    REPORT,
    TEMPORARY_PREFIX,
    VOLUME_FILE,
    TablePaths,
    joined_summary,
    store_root,
    totals_beside,
    volume_paths,
)
from ..run.sealed import check_table
from ..store.records import read_record
from ..vocabulary import StoreType

logger = logging.getLogger(__name__)

MARK_TEXT = (
    "Everything in this folder was written with deidentify. ct2zarr removes this file before it "
    "writes anything without deidentify.\n"
)

_CLEAN_LINE = re.compile(
    rb"\d{4}-\d\d-\d\d [\d:,]+ (INFO [^/]*|WARNING [0-9a-f]{32} (failed|rejected): [\w;]*)\s*"
)
"""Line of a log that names neither a folder nor a file; sentences of errors and tracebacks may."""

_TABLE_FILE = re.compile(r"(audit_(all|shard_\d+)|summary_(all|shard_\d+.*))\.(csv|json)")

Identity = tuple[int, int]
"""Inode and time of a file: what another job has written since is another file."""


def require_outside(manifest: Path, out_root: Path) -> None:
    """Check that a manifest does not lie below ``out_root``: it names the folders of patients.

    Raises
    ------
    SettingsError
        It does.
    """
    if manifest.resolve().is_relative_to(out_root.resolve()):
        raise SettingsError(
            Code.SETTING_WRONG,
            "deidentify: the manifest {path} lies below out_root {folder}, where nothing may name "
            "a patient or a source folder; keep the manifest outside of out_root",
            path=manifest,
            folder=out_root,
        )


def withdraw_identified(out_root: Path, store_type: StoreType) -> int:
    """Remove every file of runs without ``deidentify`` from ``zarr_{store}``, and set the mark.

    Only files that bear a name that ct2zarr gives are removed. Volumes and summaries of runs with
    ``deidentify`` stay.

    Returns
    -------
    int
        Number of files and folders that were removed.

    Raises
    ------
    SettingsError
        Below ``out_root`` are results of another store type that were not written with
        ``deidentify``.
    MachineError
        A file cannot be removed, or the folder cannot be written.
    """
    root = store_root(out_root, store_type)
    _refuse_other_stores(out_root, root)
    mark = root / DEIDENTIFIED_MARK
    if mark.exists():
        return 0
    prepare_store_root(root)
    with machine_errors(root):
        listed = dict(_written_files(root))
        if mark.exists():
            return 0  # another job has removed all of them meanwhile
        unwanted = _identified(root, listed, store_type)
        for path in unwanted:
            _remove(path, listed[path])
        for folder in {path.parent for path in unwanted}:
            flush_folder(folder)
    write_atomically(mark, MARK_TEXT)
    if unwanted:
        logger.info(
            "deidentify: removed %d files and folders of earlier runs without it", len(unwanted)
        )
    return len(unwanted)


def unmark(root: Path) -> None:
    """Remove the mark before anything is written without ``deidentify``. Raises MachineError."""
    with machine_errors(root):
        mark = root / DEIDENTIFIED_MARK
        if mark.exists():
            mark.unlink(missing_ok=True)
            flush_folder(root)


def _refuse_other_stores(out_root: Path, own: Path) -> None:
    for store_type in StoreType:
        other = store_root(out_root, store_type)
        if other == own or not other.is_dir() or (other / DEIDENTIFIED_MARK).exists():
            continue
        if next(_written_files(other), None) is not None:
            raise SettingsError(
                Code.SETTING_WRONG,
                "deidentify: {folder} holds results that were not written with deidentify; remove "
                "that folder, or set out_root to another one",
                folder=other,
            )


def _written_files(root: Path) -> Iterator[tuple[Path, Identity]]:
    """The files and folder stores below ``zarr_{store}`` that bear a name of ct2zarr."""
    exports, logs = root / EXPORTS_FOLDER, root / LOGS_FOLDER
    for folder, is_ours in (
        (root, lambda name: bool(_TABLE_FILE.fullmatch(name)) or name == REPORT),
        (root / DATA_FOLDER, VOLUME_FILE.fullmatch),
        (root / META_FOLDER, VOLUME_FILE.fullmatch),
        (logs, lambda name: name.endswith(".log") and not _is_clean(logs / name)),
        (exports, (EXPORTED_SUMMARY, EXPORTED_PLOTS_FOLDER).__contains__),
    ):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path.name.startswith(TEMPORARY_PREFIX) or is_ours(path.name):
                status = path.lstat()
                yield path, (status.st_ino, status.st_mtime_ns)


def _is_clean(log: Path) -> bool:
    """Whether a log names no folder and no file; those of the jobs that run now do not."""
    with log.open("rb") as lines:
        return all(_CLEAN_LINE.fullmatch(line) for line in lines)


def _identified(root: Path, listed: Mapping[Path, Identity], store_type: StoreType) -> list[Path]:
    """Those of the listed files that a run without ``deidentify`` may have written.

    Files that do not say how they were written go with the first that does not say it was
    deidentified.
    """
    volumes: dict[str, list[Path]] = {}
    summaries: dict[Path, list[Path]] = {}
    others: list[Path] = []
    for path in listed:
        if path.name.startswith(TEMPORARY_PREFIX):
            others.append(path)
        elif named := VOLUME_FILE.fullmatch(path.name):
            volumes.setdefault(named[1], []).append(path)
        elif ANY_SHARD_SUMMARY.fullmatch(path.name):
            summaries.setdefault(path.with_name(f"{path.stem}.csv"), []).append(path)
        else:
            others.append(path)
    unwanted = [
        path
        for name, paths in volumes.items()
        if not _is_deidentified_volume(root, name, store_type)
        for path in paths
    ]
    unwanted += [
        path
        for table, paths in summaries.items()
        if not _is_deidentified_table(TablePaths(table, totals_beside(table)))
        for path in paths
    ]
    if unwanted or not _is_deidentified_table(joined_summary(root)):
        unwanted += others
    return unwanted


def _is_deidentified_volume(root: Path, series_hash: str, store_type: StoreType) -> bool:
    try:
        record = read_record(volume_paths(root, series_hash, store_type).record)
    except (FileNotFoundError, SeriesError):
        return False
    return record.settings.get("deidentify") is True


def _is_deidentified_table(files: TablePaths) -> bool:
    try:
        settings: Any = check_table(files, "")["settings"]
        return settings["metadata"]["deidentify"] is True
    except (SettingsError, KeyError, TypeError):
        return False


def _remove(path: Path, identity: Identity) -> None:
    """Remove a file or folder, unless another job has put another one there; empty a log."""
    if path.suffix == ".log":
        os.truncate(path, 0)  # a job that runs now adds its lines to it
        return
    try:
        status = path.lstat()
    except FileNotFoundError:
        return
    if (status.st_ino, status.st_mtime_ns) != identity:
        return
    remove_path(path)
    if path.exists() or path.is_symlink():
        raise MachineError(
            Code.MACHINE,
            "deidentify: {path} names patients and cannot be removed; remove it, then start again",
            path=path,
        )
