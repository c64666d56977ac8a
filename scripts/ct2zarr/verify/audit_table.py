"""The table of an audit, a row per volume, and what it says to convert again."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..codes import Code
from ..errors import SettingsError
from ..model import Json
from ..run.cells import SEPARATOR
from ..run.csv_tables import Schema, columns_of, read_records, records_to_csv
from ..run.paths import TablePaths, shard_audit, shard_summary
from ..run.sealed import check_table, write_table
from ..run.summary_columns import SUMMARY_SCHEMA
from ..version import __version__
from ..vocabulary import AuditStatus, Status


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What the audit of one volume found.

    Attributes
    ----------
    status
        See ``vocabulary.AuditStatus``.
    reason
        Codes of all differences, joined by ``;``.
    error
        A sentence for each.
    planes
        Planes that were read and compared with their MD5.
    bytes
        Size of the store.
    seconds
        Wall clock.
    record_md5
        Of series.json as it was read, empty where there is none. A volume that was converted after
        the audit has another one.
    shard
        Label of the shard that has the volume.
    code
        Of the first difference, see ``codes.Code``; empty when intact.
    """

    series_hash: str
    dataset: str
    status: str
    reason: str = ""
    error: str = ""
    planes: int = 0
    bytes: int = 0
    seconds: float = 0.0
    record_md5: str = ""
    shard: str = ""
    code: str = ""


AUDIT_SCHEMA = Schema(
    columns_of(
        AuditRow,
        optional=("code",),  # an audit of version 0.1 has none
        allowed={"status": tuple(map(str, AuditStatus))},
    ),
    "audit again (snakemake audit -R audit_shard)",
    one_line=True,
)
"""audit_shard_XX.csv and audit_all.csv: a row per volume, in the order of series_hash."""


def audit_to_csv(rows: Iterable[AuditRow]) -> str:
    """The text of an audit."""
    return records_to_csv(AUDIT_SCHEMA, rows)


def count_statuses(rows: Iterable[AuditRow]) -> dict[str, int]:
    """Number of volumes with each ``AuditStatus``."""
    found = Counter(row.status for row in rows)
    return {str(status): found[status] for status in AuditStatus}


def write_audit(
    files: TablePaths, rows: Sequence[AuditRow], more: Mapping[str, Json] | None = None
) -> None:
    """Write an audit, and the JSON with its totals.

    Parameters
    ----------
    more
        Further members of the JSON.

    Raises
    ------
    MachineError
        The folder cannot be written.
    """
    reasons = Counter(code for row in rows for code in row.reason.split(SEPARATOR) if code)
    content = {
        "version": __version__,
        "totals": {
            "volumes": len(rows),
            **count_statuses(rows),
            "planes": sum(row.planes for row in rows),
            "bytes": sum(row.bytes for row in rows),
            "seconds": round(sum(row.seconds for row in rows), 3),
        },
        "reasons": dict(sorted(reasons.items())),
    }
    write_table(files, audit_to_csv(rows), {**content, **(more or {})})


def read_audit(files: TablePaths) -> list[AuditRow]:
    """The rows of an audit.

    Raises
    ------
    SettingsError
        There is no such audit, or it was changed after it was written.
    """
    if not files.table.exists():
        raise SettingsError(
            Code.INPUT_MISSING, "{path} does not exist; audit that shard first", path=files.table
        )
    check_table(files, AUDIT_SCHEMA.advice)
    return read_records(files.table, AUDIT_SCHEMA, AuditRow)


def damage_found(root: Path, label: str) -> dict[str, str]:
    """series_hash → record_md5 of the volumes in which the audit of the shard found damage."""
    files = shard_audit(root, label)
    if not files.table.exists():
        return {}
    rows = read_audit(files)
    return {row.series_hash: row.record_md5 for row in rows if row.status != AuditStatus.INTACT}


def needs_retry(root: Path, label: str) -> bool:
    """Whether a finished shard has failed volumes, or volumes that the last audit found damaged.

    A shard without a summary is pending, not failed.
    """
    summary = shard_summary(root, label)
    try:
        done = summary.table.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    try:
        content = check_table(summary, SUMMARY_SCHEMA.advice)
    except SettingsError:
        return True  # a damaged summary has to be written again, whatever it counted
    if content["totals"][Status.FAILED]:
        return True
    try:
        audited = shard_audit(root, label).table.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return audited > done and bool(damage_found(root, label))
