"""The table of an audit, a row per volume, and what it says to convert again."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..codes import Code
from ..errors import SettingsError
from ..run.csv_tables import Schema, columns_of, read_records, records_to_csv
from ..run.paths import shard_audit, shard_summary
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
    "delete it and audit again",
    one_line=True,
)
"""audit_shard_XX.csv and audit_all.csv: a row per volume, in the order of series_hash."""


def audit_to_csv(rows: Iterable[AuditRow]) -> str:
    """The text of an audit."""
    return records_to_csv(AUDIT_SCHEMA, rows)


def read_audit(path: Path) -> list[AuditRow]:
    """The rows of an audit. Raises SettingsError as ``read_table``."""
    return read_records(path, AUDIT_SCHEMA, AuditRow)


def damage_found(root: Path, label: str) -> dict[str, str]:
    """series_hash → record_md5 of the volumes in which the audit of the shard found damage."""
    try:
        rows = read_audit(shard_audit(root, label))
    except SettingsError as error:
        if error.code is not Code.INPUT_MISSING:
            raise
        return {}
    return {row.series_hash: row.record_md5 for row in rows if row.status != AuditStatus.INTACT}


def needs_retry(root: Path, label: str, suffix: str = "") -> bool:
    """Whether a finished shard has failed volumes, or volumes that the last audit found damaged.

    A shard without a summary is pending, not failed.
    """
    summary = shard_summary(root, label, suffix)
    try:
        totals = json.loads(summary.totals.read_text(encoding="utf-8"))["totals"]
        failed = int(totals[Status.FAILED])
        done = summary.table.stat().st_mtime_ns
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        return True  # a damaged summary has to be written again, whatever it counted
    if failed:
        return True
    try:
        audited = shard_audit(root, label).stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return audited > done and bool(damage_found(root, label))
