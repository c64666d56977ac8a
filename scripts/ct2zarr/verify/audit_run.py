"""Audit the volumes of a shard, and join the audits of all shards.

Only the tables of the audit are written. Each volume is read in a worker process, so that a damaged
file that crashes a decoder costs no more than its own row.
"""

import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import DamageError, SeriesError, SettingsError, sentence
from ..run.atomic_files import write_atomically
from ..run.cells import SEPARATOR
from ..run.checksums import file_md5
from ..run.job_log import progress
from ..run.paths import (
    DATA_FOLDER,
    META_FOLDER,
    TEMPORARY_PREFIX,
    VolumePaths,
    joined_audit,
    shard_audit,
    shard_summary,
    volume_paths,
)
from ..run.settings import AuditSettings
from ..run.summary_columns import SummaryRow, read_summary
from ..run.workers import Worker, WorkerServer, in_workers
from ..version import __version__
from ..vocabulary import AuditStatus, Status
from .audit_table import AuditRow, audit_to_csv, read_audit

logger = logging.getLogger(__name__)

PRELOADED = ("ct2zarr.verify.audit",)

SHOWN_NAMES = 20
"""Number of file names that the JSON lists at most; it counts all of them."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The table of an audit, and the number of volumes with each ``AuditStatus``."""

    csv_path: Path
    counts: Mapping[str, int]

    def require_intact(self) -> None:
        """Raise DamageError, with the counts in its sentence, unless every volume is intact."""
        damaged, missing = self.counts[AuditStatus.DAMAGED], self.counts[AuditStatus.MISSING]
        if damaged or missing:
            raise DamageError(
                Code.DAMAGE_FOUND,
                "the audit found {damaged} damaged and {missing} missing of {volumes} volumes; "
                "{path} says which and why; `snakemake --config retry_failed=true` converts them "
                "again",
                path=self.csv_path,
                damaged=damaged,
                missing=missing,
                volumes=sum(self.counts.values()),
            )

    def __str__(self) -> str:
        return ", ".join(f"{count} {status}" for status, count in self.counts.items())


def audit_shard(settings: AuditSettings, label: str) -> AuditResult:
    """Audit every volume that the summary of a shard names as finished; write the shard's table.

    A volume that failed is audited too where an older conversion of it exists.

    Raises
    ------
    SettingsError
        The shard has no summary.
    MachineError
        The folder cannot be written.
    """
    root = settings.store_root
    volumes = _volumes_of_shard(settings, label)
    rows: list[AuditRow] = []
    with (
        progress(f"audit of shard {label}", len(volumes)) as bar,
        WorkerServer(PRELOADED) as server,
    ):
        audit_one = partial(_audit_in_worker, settings=settings)
        for row in in_workers(audit_one, volumes, settings.num_workers, server=server):
            rows.append(row)
            bar.advance(row.bytes)
            if row.status == AuditStatus.INTACT:
                logger.info("%s intact: %d planes", row.series_hash, row.planes)
            else:
                logger.warning("%s %s: %s", row.series_hash, row.status, row.reason)
        logger.info("%s", bar.summary())
    rows = sorted((replace(row, shard=label) for row in rows), key=lambda row: row.series_hash)
    path = shard_audit(root, label)
    write_atomically(path, audit_to_csv(rows))
    return AuditResult(path, _counts(rows))


def _volumes_of_shard(settings: AuditSettings, label: str) -> list[tuple[SummaryRow, VolumePaths]]:
    """The volumes to audit: their rows in the summary, and their files."""
    root = settings.store_root
    summary = shard_summary(root, label).table
    if not summary.is_file():
        raise SettingsError(
            Code.INPUT_MISSING, "{path} does not exist; convert the shard first", path=summary
        )
    volumes = [
        (row, volume_paths(root, row.series_hash, settings.store_type))
        for row in read_summary(summary)
    ]
    return [
        (row, paths) for row, paths in volumes if row.status == Status.OK or paths.record.exists()
    ]


def _audit_in_worker(
    worker: Worker, volume: tuple[SummaryRow, VolumePaths], settings: AuditSettings
) -> AuditRow:
    row, paths = volume
    try:
        return worker.run(
            _audit, paths, row.series_hash, row, timeout=settings.series_timeout_seconds
        )
    except SeriesError as error:
        return AuditRow(
            series_hash=row.series_hash,
            dataset=row.dataset,
            status=AuditStatus.DAMAGED,
            reason=str(error.code),
            error=sentence(error),
            record_md5=_md5_or_empty(paths.record),
            code=str(error.code),
        )


def _audit(paths: VolumePaths, series_hash: str, row: SummaryRow) -> AuditRow:
    from .audit import audit_volume  # loads numpy and codecs, in the workers only

    return audit_volume(paths, series_hash, row)


def _md5_or_empty(path: Path) -> str:
    try:
        return file_md5(path)
    except OSError:
        return ""


def gather_audits(settings: AuditSettings, labels: list[str]) -> AuditResult:
    """Write audit_all.csv and audit_all.json from the audits of these shards.

    Where every shard has a summary, the files among the volumes that belong to none are listed too.

    Raises
    ------
    SettingsError
        There is no shard, or a shard was not audited.
    MachineError
        The folder cannot be written.
    """
    root = settings.store_root
    if not labels:
        raise SettingsError(
            Code.INPUT_MISSING,
            "there is no summary_shard_XX.csv in {path}; convert the shards first",
            path=root,
        )
    rows: list[AuditRow] = []
    for label in labels:
        path = shard_audit(root, label)
        if not path.is_file():
            raise SettingsError(
                Code.INPUT_MISSING, "{path} does not exist; audit that shard first", path=path
            )
        rows += read_audit(path)
    rows.sort(key=lambda row: row.series_hash)
    paths = joined_audit(root)
    result = AuditResult(paths.table, _counts(rows))
    content = {**_totals_content(rows, result.counts), "shards": len(labels)}
    if _are_all_shards(root, labels):
        names = sorted(_unaccounted_names(root, settings, labels))
        content["unaccounted"] = {"files": len(names), "names": names[:SHOWN_NAMES]}
    write_atomically(paths.totals, json.dumps(content, indent=1) + "\n")
    write_atomically(paths.table, audit_to_csv(rows))
    logger.info("%d shards audited: %s", len(labels), result)
    return result


def _totals_content(rows: Sequence[AuditRow], counts: Mapping[str, int]) -> dict[str, Any]:
    reasons = Counter(code for row in rows for code in row.reason.split(SEPARATOR) if code)
    return {
        "version": __version__,
        "totals": {
            "volumes": len(rows),
            **counts,
            "planes": sum(row.planes for row in rows),
            "bytes": sum(row.bytes for row in rows),
            "seconds": round(sum(row.seconds for row in rows), 3),
        },
        "reasons": dict(sorted(reasons.items())),
    }


def audit_all(settings: AuditSettings) -> AuditResult:
    """Audit every shard that has a summary, one after the other, and gather the audits."""
    labels = settings.labels()
    for label in labels:
        audit_shard(settings, label)
    return gather_audits(settings, labels)


def read_result(settings: AuditSettings) -> AuditResult:
    """The result of the last audit, from audit_all.json. Raises SettingsError without one."""
    paths = joined_audit(settings.store_root)
    try:
        totals = json.loads(paths.totals.read_text(encoding="utf-8"))["totals"]
        return AuditResult(paths.table, {status: int(totals[status]) for status in AuditStatus})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            Code.INPUT_DAMAGED, "{path} is not an audit; audit again", path=paths.totals
        ) from error


def print_result(settings: AuditSettings) -> None:
    """Print and log the result of the last audit.

    Raises
    ------
    DamageError
        A volume is not intact.
    SettingsError
        There is no audit.
    """
    result = read_result(settings)
    logger.info("audit: %s", result)
    print(f"audit: {result}")  # the user asked for it, so it is not in the log only
    result.require_intact()


def _counts(rows: Sequence[AuditRow]) -> dict[str, int]:
    found = Counter(row.status for row in rows)
    return {str(status): found[status] for status in AuditStatus}


def _are_all_shards(root: Path, labels: list[str]) -> bool:
    """Whether these are all shards of the run to which their summaries belong."""
    content = json.loads(shard_summary(root, labels[0]).totals.read_text(encoding="utf-8"))
    return bool(content.get("num_shards") == len(labels))


def _unaccounted_names(root: Path, settings: AuditSettings, labels: list[str]) -> Iterator[str]:
    """Names below data/ and meta/ that belong to no row of any summary."""
    known: set[str] = set()
    for label in labels:
        for row in read_summary(shard_summary(root, label).table):
            paths = volume_paths(root, row.series_hash, settings.store_type)
            known |= {path.name for path in (paths.store, paths.slices, paths.record)}
    for folder in (DATA_FOLDER, META_FOLDER):
        for entry in os.scandir(root / folder):
            if entry.name not in known and not entry.name.startswith(TEMPORARY_PREFIX):
                yield f"{folder}/{entry.name}"
