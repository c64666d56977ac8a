"""What a run says when a job ends and at its close: what this command did, and what to do next.

The numbers are those of the summaries that the jobs of this run wrote, so that a run which scans,
audits or repeats one shard does not show what an earlier one converted.
"""

from collections import Counter
from collections.abc import Iterable

from ..run.counts import Counts, size_words
from ..vocabulary import AuditStatus, Status
from .command_line import CommandLine
from .run_counts import (
    audit_totals,
    counts_in_all,
    counts_of_this_run,
    current_report,
    damaged_tables,
    manifest_summary,
    reasons_in_all,
    to_retry,
)
from .run_events import Job, RunEvents
from .run_files import RunFiles

SCAN, CONVERT, AUDIT, REPORT, TIDY = "manifest", "convert_shard", "audit", "report", "tidy"
"""The rules whose results a person is told about."""

_STEPS = {
    SCAN: "scan",
    "scan_part": "scan of part",
    CONVERT: "shard",
    "aggregate": "joined summary",
    "audit_shard": "audit of shard",
    "gather_audits": "joined audit",
}
"""How steps are called, where not by their rule."""

_SILENT = frozenset({"all", "gather_audits", AUDIT, "retry_failed"})
"""Rules whose jobs only gather, or print what they found themselves."""

SHOWN_LABELS = 5
SHOWN_TABLES = 5

Line = tuple[str, str]
"""A label and a value."""


def step_of(job: Job) -> str:
    """A job as a person calls it."""
    name = _STEPS.get(job.rule, job.rule)
    return f"{name} {job.label}".strip()


def job_sentence(job: Job, files: RunFiles) -> str | None:
    """What a job that has finished did; None if there is nothing to say."""
    if job.rule in _SILENT:
        return None
    if job.rule == SCAN:
        return f"scan: {scan_numbers(files)}"
    if job.rule == CONVERT:
        counts, _ = counts_of_this_run(files, [job.label])
        return f"{step_of(job)}: {outcome(counts)}"
    if job.rule == TIDY:
        return _tidied(job)
    return f"{step_of(job)}: finished"


# The closing table ------------------------------------------------------------------------------


def title(files: RunFiles, events: RunEvents, succeeded: bool) -> str:
    """The first line of the closing table."""
    if not succeeded:
        return "The run has not finished"
    rules = {job.rule for job in events.finished()}
    if AUDIT in rules:
        return "The audit is complete"
    if SCAN in rules and not rules & {CONVERT, "aggregate", REPORT}:
        return "The scan is complete"
    if rules == {TIDY}:
        return "The results are tidy"
    _, there = counts_in_all(files)
    if there < len(files.labels):
        return f"Done; {len(files.labels) - there:,} of {len(files.labels):,} shards are pending"
    return "The run is complete"


def closing_lines(files: RunFiles, events: RunEvents, command: CommandLine) -> list[Line]:
    """What this command did, what there is in all, and what to do next."""
    lines = [*_of_this_run(files, events)]
    counts, there = counts_in_all(files)
    pending = len(files.labels) - there
    if there:
        lines.append(("in all", f"{_in_all(counts)}; shards: {there:,} of {len(files.labels):,}"))
        if reasons := reasons_in_all(files):
            lines.append(("reasons", _joined(reasons)))
    lines += [("unread", one) for one in unread(files)]
    lines += _damaged(files)
    lines += _stopped(events)
    if html := current_report(files):
        lines.append(("report", str(html.absolute())))
    if events.stopped():
        lines.append(("next", f"remove the cause, then: {command.whole()}"))
    elif pending:
        lines.append(("next", command.whole()))
    elif to_retry(files):
        lines.append(("retry", command.whole("retry_failed=true")))
    return lines


def _of_this_run(files: RunFiles, events: RunEvents) -> Iterable[Line]:
    if events.finished(SCAN):
        yield "scan", scan_numbers(files)
    if shards := [job.label for job in events.finished(CONVERT)]:
        counts, new = counts_of_this_run(files, shards)
        yield "this run", f"{outcome(counts)}; shards: {len(shards):,}"
        if new.ok:
            read, written = (" ".join(size_words(n)) for n in (new.input_bytes, new.output_bytes))
            yield "size", f"{read} of source, {written} of stores ({new.ratio or 0:.2f} : 1)"
            if new.rate:
                yield "rate", f"{' '.join(size_words(new.rate))}/s of source per worker"
    if events.finished("gather_audits", AUDIT) or events.stopped(AUDIT):
        yield "audit", _audit_numbers(files)
    for job in events.finished(TIDY):
        yield TIDY, _tidied(job).removeprefix(f"{TIDY}: ")


def _tidied(job: Job) -> str:
    """What ``tidy`` removed, which its log says last."""
    return _last(job, "INFO") or f"{TIDY}: finished"


def _damaged(files: RunFiles) -> Iterable[Line]:
    """A line for each table that was changed since it was written."""
    errors = damaged_tables(files)
    for error in errors[:SHOWN_TABLES]:
        yield "damaged", str(error)
    if len(errors) > SHOWN_TABLES:
        yield "damaged", f"{len(errors) - SHOWN_TABLES:,} more tables; `snakemake audit` names them"


def _stopped(events: RunEvents) -> Iterable[Line]:
    """A line for each cause that stopped jobs."""
    causes: dict[str, list[Job]] = {}
    for job in events.stopped():
        causes.setdefault(_cause(job), []).append(job)
    for cause, jobs in causes.items():
        shown = ", ".join(step_of(job) for job in jobs[:SHOWN_LABELS])
        more = f" and {len(jobs) - SHOWN_LABELS:,} more" if len(jobs) > SHOWN_LABELS else ""
        yield "stopped", f"{shown}{more}: {cause}"


def _cause(job: Job) -> str:
    """The last error in the log of a job."""
    if job.log is None:
        return "see above"
    error = _last(job, "ERROR")
    if error is None:
        return f"ended without a message, as if killed; its log is {job.log}"
    return f"{error}; see {job.log}" if error == "unexpected error" else error


def _last(job: Job, level: str) -> str | None:
    """The last message of a level in the log of a job; None if there is none."""
    mark = f" {level} "
    try:
        text = job.log.read_text(encoding="utf-8", errors="replace") if job.log else ""
    except OSError:
        return None
    messages = [line.partition(mark)[2] for line in text.splitlines() if mark in line]
    return messages[-1] if messages else None


# Numbers as words -------------------------------------------------------------------------------


def outcome(counts: Counts) -> str:
    """What became of the volumes of some shards in this run."""
    parts = [(counts.ok - counts.reused, "converted")]
    parts += [(counts.reused, "reused"), (counts.failed, Status.FAILED)]
    parts += [(counts.rejected, Status.REJECTED)]
    words = [f"{number:,} {word}" for number, word in parts if number]
    return ", ".join(words) or "no volumes"


def _in_all(counts: Counts) -> str:
    parts = [(counts.ok, "converted"), (counts.failed, Status.FAILED)]
    parts += [(counts.rejected, Status.REJECTED)]
    words = [f"{number:,} {word}" for number, word in parts if number]
    flagged = f"; {counts.flagged:,} flagged" if counts.flagged else ""
    return f"{_count(counts.volumes, 'volume')}: {', '.join(words) or 'none'}{flagged}"


def scan_numbers(files: RunFiles) -> str:
    """Files, series and volumes that the scan found."""
    found = manifest_summary(files)
    numbers = [(found.get("files_found", 0), "file"), (found.get("series", 0), "series")]
    numbers += [(found.get("volumes", 0), "volume")]
    return ", ".join(_count(number, word) for number, word in numbers)


def unread(files: RunFiles) -> list[str]:
    """What lies below the dataset folders and was not read, each cause with its remedy."""
    causes = manifest_summary(files).get("unread", [])
    return [f"{cause['sentence']}; {cause['remedy']}" for cause in causes]


def _audit_numbers(files: RunFiles) -> str:
    totals = audit_totals(files)
    numbers = ", ".join(f"{totals[one]:,} {one}" for one in AuditStatus if one in totals)
    return numbers or f"no result; see {files.log('gather_audits')}"


def _count(number: int, noun: str) -> str:
    plural = "" if number == 1 or noun == "series" else "s"
    return f"{number:,} {noun}{plural}"


def _joined(counts: Counter[str]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in counts.most_common())
