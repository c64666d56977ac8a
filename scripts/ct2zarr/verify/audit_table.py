"""The rows of an audit, a volume each, and which shards and volumes they say to convert again."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from ..errors import SettingsError
from ..run.summary_columns import table_to_csv
from ..vocabulary import AuditStatus, Status


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What the audit of one volume found.

    Attributes:
        status: a code of ``vocabulary.AuditStatus``. reason: codes of what is wrong, joined by
            ``;``. error: a sentence for each.
        planes: planes that were read and compared with their MD5. bytes: size of the store.
        seconds: wall clock. record_md5: of series.json as it was read; a volume that was
            converted since has another one. Empty where there is none.
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


COLUMNS = tuple(field.name for field in fields(AuditRow))


def audit_csv(root: Path, label: str) -> Path:
    """Where the audit of a shard lies."""
    return root / f"audit_shard_{label}.csv"


def audit_to_csv(rows: Iterable[AuditRow]) -> str:
    """The text of an audit."""
    return table_to_csv(COLUMNS, rows)


def read_audit(path: Path) -> list[AuditRow]:
    """The rows of an audit. Raises SettingsError when it is no audit, FileNotFoundError if away."""
    rows = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for line in csv.DictReader(file):
                values = {name: line[name] for name in COLUMNS}
                rows.append(
                    AuditRow(
                        **{
                            **values,
                            "planes": int(values["planes"]),
                            "bytes": int(values["bytes"]),
                            "seconds": float(values["seconds"]),
                        }  # type: ignore[arg-type]
                    )
                )
    except (UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{path} is not an audit ({type(error).__name__}); delete it and audit again."
        ) from error
    return rows


def damage_found(root: Path, label: str) -> dict[str, str]:
    """Volume → record_md5, of those in which the audit of the shard found damage."""
    try:
        rows = read_audit(audit_csv(root, label))
    except FileNotFoundError:
        return {}
    return {row.series_hash: row.record_md5 for row in rows if row.status != AuditStatus.INTACT}


def needs_retry(root: Path, label: str, suffix: str = "") -> bool:
    """Whether the finished shard has failed volumes, or such in which the audit found damage.

    A shard without a summary is pending, not failed.
    """
    summary = root / f"summary_shard_{label}{suffix}.json"
    try:
        totals = json.loads(summary.read_text(encoding="utf-8"))["totals"]
        failed = int(totals[Status.FAILED])
        done = summary.with_suffix(".csv").stat().st_mtime_ns
    except FileNotFoundError:
        return False
    except (ValueError, KeyError, TypeError):
        return True  # damaged: whatever it said, it is to be made again
    if failed:
        return True
    try:
        audited = audit_csv(root, label).stat().st_mtime_ns
    except FileNotFoundError:
        return False
    return audited > done and bool(damage_found(root, label))
