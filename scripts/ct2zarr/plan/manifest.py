"""Scan the dataset roots and write the manifest: volumes, shards, and the account of every file.

The manifest depends on the files and the settings alone. If nothing has changed since the last
run, neither grouping nor writing is done again.
"""

import json
import logging
import tempfile
from pathlib import Path

import pyarrow.compute as pc

from ..codes import Code
from ..errors import SettingsError
from ..run.atomic_files import machine_errors, remove_abandoned
from ..run.output_places import check_outside
from ..run.paths import MANIFEST_SUMMARY, SCAN_CACHE_FOLDER, SHARDS_FOLDER
from ..run.settings import ManifestSettings
from ..scan.scanning import Scan, scan
from ..scan.shares import merge_shares
from ..scan.walking import check_roots
from .account import make_account
from .manifest_files import restore_index, write_index, write_shards
from .manifest_state import forget_state, is_current, keep_state, manifest_key
from .manifest_summary import log_summary, summarize

logger = logging.getLogger(__name__)

MANIFEST_SETTING = "manifest_dir (OUT_DIR)"
"""How sentences name the folder of the manifest: its option, and the variable of the script."""


def make_manifest(settings: ManifestSettings) -> None:
    """Write series_all.csv, shards/, files_excluded.parquet and manifest_summary.json.

    Raises
    ------
    SettingsError
        A root is missing, is a file, holds no file, or lies in another one, or ``manifest_dir``
        lies in a root.
    MachineError
        ``manifest_dir`` cannot be written.
    Ct2zarrError
        Two volumes have one hash, or the account does not add up.
    """
    folder = settings.manifest_dir
    check_outside(MANIFEST_SETTING, folder, check_roots(settings.datasets))
    _prepare(folder)
    found = _scan(settings)
    _refuse_empty_roots(found, settings)
    key = manifest_key(found, settings)
    if is_current(folder, key):
        restore_index(folder, settings.num_shards)
        logger.info("nothing has changed since the last manifest; its shards are kept")
        log_summary(json.loads((folder / MANIFEST_SUMMARY).read_text(encoding="utf-8")))
        return
    account = make_account(found.table, settings.selection)
    summary = summarize(found, account, settings)
    forget_state(folder)
    files = write_shards(folder, found.table, account, settings.num_shards)
    summary_path = write_index(folder, account, summary, files)
    keep_state(folder, key, (*files, summary_path))
    log_summary(summary)


def _prepare(folder: Path) -> None:
    """Make the folders of the manifest, and check before hours of reading that they are writable.

    Raises
    ------
    MachineError
        They are not.
    """
    folders = (folder, folder / SCAN_CACHE_FOLDER, folder / SHARDS_FOLDER)
    with machine_errors(folder):
        for path in folders:
            path.mkdir(parents=True, exist_ok=True)
        remove_abandoned(folders)
        for path in folders:
            with tempfile.TemporaryFile(dir=path):
                pass


def _scan(settings: ManifestSettings) -> Scan:
    if settings.scan_jobs > 1:
        return merge_shares(settings)
    return scan(
        settings.datasets,
        max_depth=settings.max_depth,
        workers=settings.workers,
        cache=settings.manifest_dir / SCAN_CACHE_FOLDER,
        log=logger.info,
    )


def _refuse_empty_roots(found: Scan, settings: ManifestSettings) -> None:
    present = set(pc.unique(found.table["dataset"]).to_pylist())
    for dataset, root in settings.datasets.items():
        if dataset not in present:
            raise SettingsError(
                Code.SETTING_WRONG,
                "dataset {dataset}: there is no file below {root}; check that the folder is the "
                "right one and that its disk is mounted",
                dataset=dataset,
                root=root,
            )
