"""The numbers of a run, from the summaries that its jobs wrote."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..plan.manifest_checks import ADVICE as MANIFEST_ADVICE
from ..run.counts import Counts, totals_of
from ..run.paths import MANIFEST_SUMMARY, TablePaths
from ..run.sealed import check_table, read_sealed
from ..run.summary_columns import SUMMARY_SCHEMA, SummaryRow, read_summary
from ..verify.audit_table import AUDIT_SCHEMA, needs_retry
from ..verify.table_check import JOINED_ADVICE, table_errors
from .run_files import RunFiles


def counts_in_all(files: RunFiles) -> tuple[Counts, int]:
    """Counts of all volumes that there are, and how many shards have a summary."""
    found, there = _current(files)
    return sum((Counts.of_totals(_member(one, "totals")) for one in found), Counts()), there


def reasons_in_all(files: RunFiles) -> Counter[str]:
    """Reason → number of volumes that failed or were rejected for it."""
    reasons: Counter[str] = Counter()
    for one in _current(files)[0]:
        # The joined summary and that of a shard name the same thing differently.
        reasons.update(_member(one, "reason") or _member(one, "reasons"))
    return reasons


def _current(files: RunFiles) -> tuple[list[Mapping[str, Any]], int]:
    """What the joined summary says, or what those of the shards say where one is newer.

    The joined summary includes decisions.
    """
    shards = [files.summary(label).totals for label in files.labels]
    there = [path for path in shards if path.is_file()]
    joined = files.joined_summary.totals
    newest = max((path.stat().st_mtime_ns for path in there), default=0)
    whole = len(there) == len(shards) and joined.is_file()
    if whole and joined.stat().st_mtime_ns >= newest:
        return [read_json(joined)], len(shards)
    return [read_json(path) for path in there], len(there)


def counts_of_this_run(files: RunFiles, labels: Sequence[str]) -> tuple[Counts, Counts]:
    """Counts of shards that this run made: of all volumes, and without those that it reused."""
    whole, new = Counts(), Counts()
    for label in labels:
        summary = files.summary(label)
        counts = Counts.of_totals(_member(read_json(summary.totals), "totals"))
        whole += counts
        if counts.reused:
            rows = _rows_of(summary)
            counts = Counts.of_totals(totals_of(row for row in rows if not row.reused))
        new += counts
    return whole, new


def _rows_of(summary: TablePaths) -> list[SummaryRow]:
    """The rows of a summary; none if it was changed, which ``damaged_tables`` says."""
    try:
        check_table(summary, SUMMARY_SCHEMA.advice)
        return read_summary(summary.table)
    except SettingsError:
        return []


def to_retry(files: RunFiles) -> bool:
    """Whether a volume has failed, or an audit found one damaged, so that a retry is of use."""
    return any(_needs_retry(files, label) for label in files.labels)


def _needs_retry(files: RunFiles, label: str) -> bool:
    try:
        return needs_retry(files.store_root, label)
    except SettingsError:
        return False  # the audit was changed and has to be made again before it says anything


def damaged_tables(files: RunFiles) -> list[SettingsError]:
    """What is wrong with the tables that the closing table is made from, each with what to do."""
    return list(_table_errors(files))


def _table_errors(files: RunFiles) -> Iterator[SettingsError]:
    tables = [(files.summary(label), SUMMARY_SCHEMA.advice) for label in files.labels]
    tables += [(files.joined_summary, JOINED_ADVICE)]
    tables += [(files.audit(label), AUDIT_SCHEMA.advice) for label in files.labels]
    tables += [(files.joined_audit, AUDIT_SCHEMA.advice)]
    for table, advice in tables:
        if table.table.exists():
            yield from table_errors(table, advice)
    if files.index.exists():
        try:
            read_sealed(files.manifest_dir / MANIFEST_SUMMARY, MANIFEST_ADVICE)
        except SettingsError as error:
            yield error


def current_report(files: RunFiles) -> Path | None:
    """The report, if it is of all shards as they are now."""
    summaries = [files.summary(label).totals for label in files.labels]
    if not files.report.is_file() or not all(path.is_file() for path in summaries):
        return None
    made = files.report.stat().st_mtime_ns
    is_newest = all(path.stat().st_mtime_ns <= made for path in summaries)
    return files.report if is_newest else None


def manifest_summary(files: RunFiles) -> Mapping[str, Any]:
    """The counts of the manifest; empty where there is none."""
    return read_json(files.manifest_dir / MANIFEST_SUMMARY)


def audit_totals(files: RunFiles) -> Mapping[str, Any]:
    """The totals of the last audit; empty where there is none."""
    return _member(read_json(files.joined_audit.totals), "totals")


def read_json(path: Path) -> Mapping[str, Any]:
    """A sealed object from a file; empty without one or if it was changed since it was written."""
    try:
        return read_sealed(path, "")
    except SettingsError:
        return {}


def _member(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = content.get(name)
    return member if isinstance(member, dict) else {}
