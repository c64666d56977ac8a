"""What a run has done so far, from the records of Snakemake's log.

The records say which jobs start and end, in the fields that ``snakemake-interface-logger-plugins``
publishes.
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from snakemake_interface_logger_plugins.common import LogEvent


@dataclass(frozen=True, slots=True)
class Job:
    """A job of the run.

    Attributes
    ----------
    label
        The wildcards of its rule, such as the number of a shard.
    log
        Its log, if it has one.
    """

    rule: str
    label: str = ""
    log: Path | None = None


def job_of(record: logging.LogRecord) -> Job:
    """The job that a record on the start of a job names."""
    wildcards = getattr(record, "wildcards", None) or {}
    logs = list(getattr(record, "log", None) or [])
    return Job(
        rule=getattr(record, "rule_name", "job"),
        label=", ".join(map(str, wildcards.values())),
        log=Path(logs[0]) if logs else None,
    )


class RunEvents:
    """Which jobs have finished or stopped, from the log records of the workflow."""

    def __init__(self) -> None:
        self._started: dict[int, Job] = {}
        self._finished: dict[Job, bool] = {}

    def finished(self, *rules: str) -> list[Job]:
        """The jobs of these rules that have finished; of any rule if none is named."""
        return self._ended(rules, finished=True)

    def stopped(self, *rules: str) -> list[Job]:
        """The jobs of these rules that stopped with an error and were not repeated since."""
        return self._ended(rules, finished=False)

    def _ended(self, rules: tuple[str, ...], finished: bool) -> list[Job]:
        return [
            job
            for job, well in self._finished.items()
            if well is finished and (not rules or job.rule in rules)
        ]

    def take(self, record: logging.LogRecord) -> Job | None:
        """Follow the events of jobs; return the job that a record concerns, if it concerns one."""
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_INFO:  # comes before the job does anything
            job = job_of(record)
            self._started[getattr(record, "jobid", -1)] = job
            return job
        if event == LogEvent.JOB_FINISHED:
            return self._end(getattr(record, "job_id", -1), finished=True)
        if event == LogEvent.JOB_ERROR:
            return self._end(getattr(record, "jobid", -1), finished=False)
        return None

    def _end(self, number: int, finished: bool) -> Job | None:
        job = self._started.get(number)
        if job is not None:
            self._finished[job] = finished
        return job
