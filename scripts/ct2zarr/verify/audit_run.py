"""Audit the volumes of a shard, and gather the audits of all shards.

Nothing but the tables of the audit is written. Each volume is read in a worker process, as it is
converted: a damaged file that brings a decoder down costs its own row.
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
from ..errors import DamageError, SeriesError, SettingsError
from ..run.atomic_files import BUILDING_PREFIX, write_atomically
from ..run.cells import SEPARATOR
from ..run.job_log import progress
from ..run.paths import (
    DATA_FOLDER,
    META_FOLDER,
    VolumePaths,
    joined_audit,
    shard_audit,
    shard_summary,
    volume_paths,
)
from ..run.settings import AuditSettings
from ..run.summary_columns import SummaryRow, read_summary
from ..run.workers import Worker, in_workers
from ..version import __version__
from ..vocabulary import AuditStatus, Status
from .audit_table import AuditRow, audit_to_csv, read_audit

logger = logging.getLogger(__name__)

PRELOADED = ("ct2zarr.verify.audit", "pebble")

SHOWN = 20
"""Names of files that a list in the JSON holds at most; their number is beside it."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """Where the table lies, and how many volumes have which status."""

    csv_path: Path
    counts: Mapping[str, int]

    def require_intact(self) -> None:
        """Raises DamageError, with the counts in its sentence, unless every volume is intact."""
        bad = {status: n for status, n in self.counts.items() if status != AuditStatus.INTACT and n}
        if bad:
            listed = " and ".join(f"{count} {status}" for status, count in bad.items())
            raise DamageError(
                f"the audit found {listed} of {sum(self.counts.values())} volumes; "
                f"{self.csv_path} says which and why. `snakemake --config retry_failed=true` "
                "converts them again.",
                "damage",
            )


def audit_shard(settings: AuditSettings, label: str) -> AuditResult:
    """Audit every volume that the summary of a shard names as finished; write the shard's table.

    A volume of a failed row is audited where an older conversion of it is there.

    Raises:
        SettingsError: the shard has no summary. MachineError: the folder cannot be written.
    """
    root = settings.store_root
    summary = shard_summary(root, label).table
    if not summary.is_file():
        raise SettingsError(f"{summary} does not exist; convert the shard first.")
    wanted = [
        (row, volume_paths(root, row.series_hash, settings.store_type))
        for row in read_summary(summary)
    ]
    wanted = [
        (row, paths) for row, paths in wanted if row.status == Status.OK or paths.record.exists()
    ]
    rows: list[AuditRow] = []
    with progress(f"audit of shard {label}", len(wanted)) as bar:
        audit_one = partial(_audit_in_worker, settings=settings)
        for row in in_workers(audit_one, wanted, settings.num_workers, preloaded=PRELOADED):
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
            reason=error.reason,
            error=str(error),
            record_md5=_md5_or_nothing(paths.record),
        )


def _audit(paths: VolumePaths, series_hash: str, row: SummaryRow) -> AuditRow:
    from .audit import audit_volume  # numpy and codecs: only workers pay for them

    return audit_volume(paths, series_hash, row)


def _md5_or_nothing(path: Path) -> str:
    from ..run.checksums import file_md5

    try:
        return file_md5(path)
    except OSError:
        return ""


def gather_audits(settings: AuditSettings, labels: list[str]) -> AuditResult:
    """Write audit_all.csv and audit_all.json from the audits of these shards.

    Where every shard has a summary, what lies among the volumes and belongs to none is listed too.

    Raises:
        SettingsError: there is no shard, or a shard was not audited.
    """
    root = settings.store_root
    if not labels:
        raise SettingsError(f"there is no summary_shard_XX.csv in {root}; convert the shards first")
    rows: list[AuditRow] = []
    for label in labels:
        path = shard_audit(root, label)
        if not path.is_file():
            raise SettingsError(
                Code.INPUT_MISSING, "{path} does not exist; audit that shard first.", path=path
            )
        rows += read_audit(path)
    rows.sort(key=lambda row: row.series_hash)
    counts = _counts(rows)
    reasons = Counter(code for row in rows for code in row.reason.split(SEPARATOR) if code)
    content: dict[str, Any] = {
        "version": __version__,
        "totals": {
            "volumes": len(rows),
            **counts,
            "planes": sum(row.planes for row in rows),
            "bytes": sum(row.bytes for row in rows),
            "seconds": round(sum(row.seconds for row in rows), 3),
        },
        "reasons": dict(sorted(reasons.items())),
        "shards": len(labels),
    }
    if _all_are_there(root, labels):
        strangers = sorted(_unlisted_names(root, settings, labels))
        content["unaccounted"] = {"files": len(strangers), "names": strangers[:SHOWN]}
    paths = joined_audit(root)
    write_atomically(paths.totals, json.dumps(content, indent=1) + "\n")
    write_atomically(paths.table, audit_to_csv(rows))
    logger.info("%d shards audited: %s", len(labels), _told(counts))
    return AuditResult(paths.table, counts)


def audit_all(settings: AuditSettings) -> AuditResult:
    """Audit every shard that has a summary, one after the other, and gather the audits."""
    labels = settings.labels()
    for label in labels:
        audit_shard(settings, label)
    return gather_audits(settings, labels)


def read_result(settings: AuditSettings) -> AuditResult:
    """What audit_all.json says. Raises SettingsError when there is none."""
    paths = joined_audit(settings.store_root)
    try:
        totals = json.loads(paths.totals.read_text(encoding="utf-8"))["totals"]
        return AuditResult(paths.table, {status: int(totals[status]) for status in AuditStatus})
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            Code.INPUT_DAMAGED, "{path} is no audit; audit again.", path=paths.totals
        ) from error


def tell_result(settings: AuditSettings) -> None:
    """Say how the last audit ended. Raises DamageError unless every volume is intact."""
    result = read_result(settings)
    logger.info("audit: %s", _told(result.counts))
    print(f"audit: {_told(result.counts)}")  # the answer that was asked for, log or not
    result.require_intact()


def _told(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {status}" for status, count in counts.items())


def _counts(rows: Sequence[AuditRow]) -> dict[str, int]:
    found = Counter(row.status for row in rows)
    return {str(status): found[status] for status in AuditStatus}


def _all_are_there(root: Path, labels: list[str]) -> bool:
    """Whether these are all shards of the run that their summaries belong to."""
    content = json.loads(shard_summary(root, labels[0]).totals.read_text(encoding="utf-8"))
    return bool(content.get("num_shards") == len(labels))


def _unlisted_names(root: Path, settings: AuditSettings, labels: list[str]) -> Iterator[str]:
    """Names below data/ and meta/ that no row of any summary accounts for."""
    known: set[str] = set()
    for label in labels:
        for row in read_summary(shard_summary(root, label).table):
            paths = volume_paths(root, row.series_hash, settings.store_type)
            known |= {path.name for path in (paths.store, paths.slices, paths.record)}
    for folder in (DATA_FOLDER, META_FOLDER):
        for entry in os.scandir(root / folder):
            if entry.name not in known and not entry.name.startswith(BUILDING_PREFIX):
                yield f"{folder}/{entry.name}"
