"""Convert the volumes of one shard and write its summary.

Finished volumes are taken from their records; the others go to worker processes, the largest
source first. Each volume becomes one row of the summary, which is written last. Only a fault of
the machine (a full disk, a lost output folder) ends the job without a summary, so that it is run
again.
"""

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..model import VolumePlan
from ..run.atomic_files import machine_errors, prepare_store_root, remove_abandoned
from ..run.checksums import manifest_md5
from ..run.counts import Counts, totals_of
from ..run.job_log import Progress, log_outcome, progress
from ..run.output_places import check_outside
from ..run.paths import DATA_FOLDER, META_FOLDER, shard_summary
from ..run.settings import ConvertSettings
from ..run.summary_columns import SummaryRow
from ..run.units import BYTES_PER_MB
from ..verify.audit_table import needs_retry
from ..vocabulary import Status
from .finished import damaged_volumes, finished_rows, lacks_records
from .series_jobs import converted_rows
from .shard_plans import label_of, plans_of_shard
from .shard_summary import ShardSummary, write_summary
from .summary_rows import without_names
from .superseded import remove_superseded
from .withdrawal import require_outside, unmark, withdraw_identified

if TYPE_CHECKING:
    from ..run.workers import WorkerServer

logger = logging.getLogger(__name__)


def retry_shard(settings: ConvertSettings) -> None:
    """Convert the shard again if a volume failed or was found damaged; otherwise do nothing."""
    label = label_of(settings)
    if not needs_retry(settings.store_root, label):
        logger.info("shard %s: no volume failed, nothing to convert", label)
        return
    run_shard(settings)


def run_shard(settings: ConvertSettings) -> ShardSummary:
    """Convert the volumes of ``settings.input_csv`` and write summary_shard_XX.csv and .json.

    Raises
    ------
    SettingsError
        The CSV is missing or is not a manifest, or ``deidentify`` has no key or cannot keep its
        promise.
    MachineError
        The output folder cannot be written; finished volumes stay, no summary.
    """
    started = time.monotonic()
    if settings.metadata.deidentify:
        # Imported here: it loads pydicom, which other runs do not need in this process.
        from ..dicom.deidentification import key_from_environment

        key_from_environment()
        require_outside(settings.input_csv, settings.out_root)
    if not lacks_records(settings):
        return _run_shard(settings, started)
    from ..run.workers import WorkerServer  # a finished shard starts no worker

    with WorkerServer() as server:
        server.start()  # it loads its packages while the job reads the manifest
        return _run_shard(settings, started, server)


def _run_shard(
    settings: ConvertSettings, started: float, server: "WorkerServer | None" = None
) -> ShardSummary:
    plans = plans_of_shard(settings)
    check_outside("OUT_ROOT", settings.out_root, _sources(plans))
    manifest = manifest_md5(settings.input_csv)
    label = label_of(settings)
    files = shard_summary(settings.store_root, label)
    _prepare_folders(settings, label)
    with machine_errors(settings.store_root):
        for old in (files.table, files.totals):
            old.unlink(missing_ok=True)
    remove_superseded(settings, label)

    damaged = damaged_volumes(settings, label)
    rows = {row.series_hash: row for row in finished_rows(plans, settings, damaged)}
    todo = [plan for plan in plans if plan.series_hash not in rows]
    logger.info("shard %s: %d volumes, %d finished before", label, len(plans), len(rows))
    with progress(f"shard {label}", len(todo)) as bar:
        for row in converted_rows(todo, settings, damaged, manifest, server):
            rows[row.series_hash] = row
            _log_row(row, bar)
        logger.info("%s", bar.summary())

    if settings.metadata.deidentify:
        rows = {name: without_names(row) for name, row in rows.items()}
    in_order = tuple(rows[name] for name in sorted(rows))
    summary = ShardSummary(label, in_order, files.table, files.totals)
    write_summary(summary, settings, manifest)
    logger.info("shard %s: done in %.1f s", label, time.monotonic() - started)
    log_outcome(f"shard {label}", Counts.of_totals(totals_of(summary.rows)))
    return summary


def _sources(plans: Sequence[VolumePlan]) -> dict[str, str]:
    """Dataset → the folder that is read; for a CSV written by hand the folder of a series."""
    frames = {
        plan.dataset: (plan, frame)
        for plan in plans
        for frame in (*plan.planes[:1], *(one.frame for one in plan.unused[:1]))
    }
    return {
        dataset: plan.series_dir if frame.root == "/" else frame.root
        for dataset, (plan, frame) in frames.items()
    }


def _prepare_folders(settings: ConvertSettings, label: str) -> None:
    """Make the output folders, and remove what must not stay in them.

    Raises
    ------
    SettingsError
        ``deidentify`` cannot keep its promise.
    MachineError
        The folders cannot be written.
    """
    root = settings.store_root
    prepare_store_root(root)
    if settings.metadata.deidentify:
        withdraw_identified(settings.out_root, settings.encoding.store_type)
    else:
        unmark(root)
    removed = remove_abandoned((root, root / DATA_FOLDER, root / META_FOLDER))
    if removed:
        logger.info("shard %s: removed %d unfinished files of earlier jobs", label, removed)


def _log_row(row: SummaryRow, bar: Progress) -> None:
    """Log the outcome of one volume, without the sentence of an error, which may name files."""
    bar.advance(row.input_bytes)
    size = row.input_bytes / BYTES_PER_MB
    if row.status != Status.OK:
        logger.warning("%s %s: %s", row.series_hash, row.status, row.reason)
        return
    seconds = row.total_seconds or 0.0
    logger.info(
        "%s ok: %d slices, %.1f MB in %.2f s, %.1f MB/s, %d verified%s",
        row.series_hash, row.slice_count, size, seconds, size / max(seconds, 1e-3),
        row.verified_slices, f", {row.flags}" if row.flags else "",
    )  # fmt: skip
