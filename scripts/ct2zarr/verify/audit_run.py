"""Audit the volumes of a shard, and join the audits of all shards.

Only the tables of the audit are written. Each volume is read in a worker process, so that a damaged
file that crashes a decoder costs no more than its own row.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from ..codes import Code
from ..errors import DamageError, SeriesError, SettingsError, sentence
from ..model import Json
from ..run.checksums import file_md5
from ..run.job_log import progress
from ..run.paths import (
    DATA_FOLDER,
    META_FOLDER,
    TEMPORARY_PREFIX,
    TablePaths,
    VolumePaths,
    joined_audit,
    shard_audit,
    shard_summary,
    volume_paths,
)
from ..run.printed_lines import print_line
from ..run.sealed import check_table
from ..run.settings import AuditSettings
from ..run.summary_columns import SUMMARY_SCHEMA, SummaryRow, read_summary
from ..run.workers import Worker, WorkerServer, in_workers
from ..vocabulary import AuditStatus, Status
from .audit_table import AUDIT_SCHEMA, AuditRow, count_statuses, read_audit, write_audit
from .table_check import TableDamage, damaged_tables, table_errors

logger = logging.getLogger(__name__)

PRELOADED = ("ct2zarr.verify.audit",)

SHOWN_NAMES = 20
"""Number of file names that the JSON lists at most; it counts all of them."""


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The table of an audit, the number of volumes with each ``AuditStatus``, damaged tables."""

    csv_path: Path
    counts: Mapping[str, int]
    tables: tuple[TableDamage, ...] = ()

    def require_intact(self) -> None:
        """Raise DamageError, which says what was found, unless everything is intact."""
        damaged, missing = self.counts[AuditStatus.DAMAGED], self.counts[AuditStatus.MISSING]
        if self.tables:
            raise DamageError(
                Code.DAMAGE_FOUND,
                "the audit found {tables} changed tables, and {damaged} damaged and {missing} "
                "missing of {volumes} volumes; {path} says which volumes and why; the tables: "
                "{sentences}",
                path=self.csv_path,
                tables=len(self.tables),
                damaged=damaged,
                missing=missing,
                volumes=sum(self.counts.values()),
                sentences="; ".join(map(str, self.tables)),
            )
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
        text = ", ".join(f"{count} {status}" for status, count in self.counts.items())
        return f"{text}, {len(self.tables)} changed tables" if self.tables else text


def audit_shard(settings: AuditSettings, label: str) -> AuditResult:
    """Audit every volume that the summary of a shard names as finished; write the shard's table.

    A volume that failed is audited too where an older conversion of it exists.

    Raises
    ------
    SettingsError
        The shard has no summary.
    MachineError
        The folder cannot be written.

    Returns
    -------
    AuditResult
        Its tables are those of this shard. A summary that cannot be read names no volume.
    """
    root = settings.store_root
    summary = shard_summary(root, label)
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
    files = shard_audit(root, label)
    write_audit(files, rows)
    return AuditResult(files.table, count_statuses(rows), _damage_of(summary))


def _damage_of(summary: TablePaths) -> tuple[TableDamage, ...]:
    errors = table_errors(summary, SUMMARY_SCHEMA.advice)
    return tuple(TableDamage.of_error(error) for error in errors)


def _volumes_of_shard(settings: AuditSettings, label: str) -> list[tuple[SummaryRow, VolumePaths]]:
    """The volumes to audit: their rows in the summary, and their files."""
    root = settings.store_root
    summary = shard_summary(root, label).table
    if not summary.is_file():
        raise SettingsError(
            Code.INPUT_MISSING, "{path} does not exist; convert the shard first", path=summary
        )
    try:
        rows = read_summary(summary)
    except SettingsError as error:
        logger.warning("shard %s: its volumes are not audited: %s", label, sentence(error))
        return []
    volumes = [(row, volume_paths(root, row.series_hash, settings.store_type)) for row in rows]
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
    DamageError
        The audit of a shard was changed after it was written.
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
        with _damage_errors():
            rows += read_audit(shard_audit(root, label))
    rows.sort(key=lambda row: row.series_hash)
    paths = joined_audit(root)
    result = AuditResult(paths.table, count_statuses(rows), tuple(damaged_tables(settings)))
    more: dict[str, Json] = {
        "shards": len(labels),
        "tables": [table.as_json() for table in result.tables],
    }
    if _are_all_shards(root, labels):
        names = sorted(_unaccounted_names(root, settings, labels))
        shown: list[Json] = [*names[:SHOWN_NAMES]]
        more["unaccounted"] = {"files": len(names), "names": shown}
    write_audit(paths, rows, more)
    logger.info("%d shards audited: %s", len(labels), result)
    return result


def audit_all(settings: AuditSettings) -> AuditResult:
    """Audit every shard that has a summary, one after the other, and gather the audits."""
    labels = settings.labels()
    for label in labels:
        audit_shard(settings, label)
    return gather_audits(settings, labels)


def read_result(settings: AuditSettings) -> AuditResult:
    """What the last audit found in the volumes, from audit_all.json, and what is in the tables now.

    Raises
    ------
    SettingsError
        There is no audit.
    DamageError
        The audit was changed after it was written.
    """
    paths = joined_audit(settings.store_root)
    with _damage_errors():
        totals = check_table(paths, AUDIT_SCHEMA.advice)["totals"]
        for label in settings.labels():
            audit = shard_audit(settings.store_root, label)
            if audit.table.exists():
                check_table(audit, AUDIT_SCHEMA.advice)
    counts = {str(status): int(totals[status]) for status in AuditStatus}
    return AuditResult(paths.table, counts, tuple(damaged_tables(settings)))


@contextmanager
def _damage_errors() -> Iterator[None]:
    """Make a changed table of the audit itself what an audit ends with."""
    try:
        yield
    except SettingsError as error:
        if error.code is Code.INPUT_MISSING:
            raise
        raise DamageError(Code.DAMAGE_FOUND, "{cause}", cause=error, path=error.path) from error


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
    print_line(f"audit: {result}")  # the user asked for it, so it is not in the log only
    result.require_intact()


def _are_all_shards(root: Path, labels: list[str]) -> bool:
    """Whether these are all shards of a run, and their summaries are as they were written."""
    try:
        contents = [
            check_table(shard_summary(root, label), SUMMARY_SCHEMA.advice) for label in labels
        ]
    except SettingsError:
        return False  # a summary that was changed may name other volumes
    return bool(contents[0].get("num_shards") == len(labels))


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
