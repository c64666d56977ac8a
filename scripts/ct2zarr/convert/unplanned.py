"""What lies among the results although no manifest names it: found for a list, or removed.

A series that is gone from the datasets leaves its volume, a smaller number of shards leaves
summaries, and a killed job leaves temporary files. Only files that bear a name of ct2zarr count,
and a folder only if there is nothing in it but what a Zarr store has.
"""

import logging
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from ..codes import Code
from ..errors import MachineError, SettingsError
from ..plan.manifest_checks import ADVICE, check_files
from ..run.atomic_files import abandoned_paths, flush_folder, machine_errors, remove_path
from ..run.csv_tables import Column, Schema, read_table
from ..run.paths import (
    DATA_FOLDER,
    META_FOLDER,
    RECORD_ENDING,
    SERIES_ALL,
    VOLUME_FILE,
    shard_labels,
)
from ..run.settings import TidySettings

logger = logging.getLogger(__name__)

_NAMED_VOLUMES = Schema((Column("series_hash"),), ADVICE)
_SHARD_TABLE = re.compile(r"(?:summary|audit)_shard_(\d+)\.(?:csv|json)")
_IN_A_STORE = re.compile(r"zarr\.json|\.z(?:array|group|attrs|metadata)|\d+(?:\.\d+)*")
"""Names of the files of a Zarr store in format 2 or 3."""


@dataclass(frozen=True, slots=True)
class Unplanned:
    """What no manifest names.

    Attributes
    ----------
    volumes
        series_hash of the volumes.
    paths
        Files and folder stores, records before the other parts of their volumes.
    foreign
        Folders with the name of a store that hold something else; they are kept.
    """

    volumes: tuple[str, ...]
    paths: tuple[Path, ...]
    foreign: tuple[Path, ...]

    def __str__(self) -> str:
        return f"{len(self.volumes)} volumes, {len(self.paths)} files and folders"


def unplanned_volumes(root: Path, planned: Collection[str]) -> dict[str, list[Path]]:
    """series_hash → files of the volumes below ``zarr_{store}`` that are not planned."""
    found: dict[str, list[Path]] = {}
    for folder in (META_FOLDER, DATA_FOLDER):
        if not (root / folder).is_dir():
            continue
        for path in sorted((root / folder).iterdir()):
            named = VOLUME_FILE.fullmatch(path.name)
            if named and named[1] not in planned and not path.is_symlink():
                found.setdefault(named[1], []).append(path)
    return dict(sorted(found.items()))


def find_unplanned(settings: TidySettings) -> Unplanned:
    """What ``tidy`` removes.

    Raises
    ------
    SettingsError
        The manifest is missing, damaged or empty: everything would seem unplanned.
    """
    root = settings.store_root
    volumes = unplanned_volumes(root, _planned(settings.manifest_dir))
    parts = [path for paths in volumes.values() for path in paths]
    foreign = [path for path in parts if path.is_dir() and not _is_store(path)]
    labels = set(shard_labels(settings.num_shards))
    tables = [
        path
        for path in (sorted(root.iterdir()) if root.is_dir() else ())
        if (named := _SHARD_TABLE.fullmatch(path.name)) and named[1] not in labels
    ]
    parts.sort(key=lambda path: not path.name.endswith(RECORD_ENDING))
    left = abandoned_paths((root, root / DATA_FOLDER, root / META_FOLDER))
    paths = [path for path in (*parts, *tables, *left) if path not in foreign]
    return Unplanned(tuple(volumes), tuple(paths), tuple(foreign))


def tidy(settings: TidySettings) -> Unplanned:
    """Remove what no manifest names, and log each path.

    Raises
    ------
    SettingsError
        See ``find_unplanned``.
    MachineError
        A file cannot be removed.
    """
    found = find_unplanned(settings)
    for path in found.foreign:
        logger.warning("kept: %s holds something that is not part of a store", path)
    for path in found.paths:
        with machine_errors(path.parent):
            remove_path(path)
        if path.exists():
            raise MachineError(Code.MACHINE, "{path} cannot be removed", path=path)
        logger.info("removed %s", path)
    for folder in {path.parent for path in found.paths}:
        flush_folder(folder)
    logger.info("tidy: removed %s", found)
    return found


def _planned(manifest_dir: Path) -> set[str]:
    index = manifest_dir / SERIES_ALL
    check_files([index])
    planned = set(read_table(index, _NAMED_VOLUMES).columns["series_hash"])
    if not planned:
        raise SettingsError(
            Code.INPUT_DAMAGED,
            "{path} names no volume, so all results would be removed; check that the datasets are "
            "mounted, and make the manifest again; to start over, remove out_root yourself",
            path=index,
        )
    return planned


def _is_store(folder: Path) -> bool:
    return all(
        path.is_dir() or bool(_IN_A_STORE.fullmatch(path.name)) for path in folder.rglob("*")
    )
