"""The numbers of a run, from the summaries that its jobs wrote."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..run.counts import Counts, totals_of
from ..run.paths import MANIFEST_SUMMARY
from ..run.summary_columns import read_summary
from ..verify.audit_table import needs_retry
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
            rows = read_summary(summary.table)
            counts = Counts.of_totals(totals_of(row for row in rows if not row.reused))
        new += counts
    return whole, new


def to_retry(files: RunFiles) -> bool:
    """Whether a volume has failed, or an audit found one damaged, so that a retry is of use."""
    return any(needs_retry(files.store_root, label) for label in files.labels)


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
    """An object from a file; empty without one or if it is damaged, which the next step reports."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _member(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    member = content.get(name)
    return member if isinstance(member, dict) else {}
