"""Which jobs of a run have finished and which have stopped."""

import logging
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent

from ct2zarr.workflow.run_events import Job, RunEvents


def record(event: LogEvent | None, **values: object) -> logging.LogRecord:
    made = logging.LogRecord("snakemake", logging.INFO, "", 0, "", (), None)
    made.__dict__.update(event=event, **values)
    return made


def started(number: int, rule: str, shard: str = "", log: str = "") -> logging.LogRecord:
    wildcards = {"shard": shard} if shard else None
    return record(
        LogEvent.JOB_INFO,
        jobid=number,
        rule_name=rule,
        wildcards=wildcards,
        log=[log] if log else [],
    )


def test_jobs_are_listed_by_rule_as_they_ended():
    events = RunEvents()
    assert events.take(started(1, "manifest")) == Job("manifest")
    shard = Job("convert_shard", "03", Path("03.log"))
    assert events.take(started(2, "convert_shard", "03", "03.log")) == shard
    assert events.finished() == []
    assert events.take(record(LogEvent.JOB_FINISHED, job_id=1)) == Job("manifest")
    assert events.take(record(LogEvent.JOB_ERROR, jobid=2)) == shard
    assert events.finished() == [Job("manifest")]
    assert events.finished("convert_shard") == []
    assert events.stopped() == events.stopped("report", "convert_shard") == [shard]


def test_a_job_that_finishes_at_another_attempt_has_not_stopped():
    events = RunEvents()
    events.take(started(2, "convert_shard", "03"))
    events.take(record(LogEvent.JOB_ERROR, jobid=2))
    events.take(started(2, "convert_shard", "03"))
    events.take(record(LogEvent.JOB_FINISHED, job_id=2))
    assert events.stopped() == []
    assert events.finished() == [Job("convert_shard", "03")]


def test_other_records_concern_no_job():
    events = RunEvents()
    for one in (record(None), record(LogEvent.PROGRESS), record(LogEvent.JOB_FINISHED, job_id=9)):
        assert events.take(one) is None
    assert events.finished() == events.stopped() == []
