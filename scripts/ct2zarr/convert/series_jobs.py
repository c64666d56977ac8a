"""Convert volumes in worker processes: each becomes one row, however its conversion ends.

A conversion that fails, crashes, hangs or takes too much memory costs its own row and no other.
Only a fault of the machine ends the job, so that it is run again.
"""

import logging
import os
import traceback
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..codes import Code
from ..errors import Ct2zarrError, MachineError, SeriesError, SettingsError
from ..model import VolumePlan
from ..run.atomic_files import remove_abandoned
from ..run.machine import lack, raise_lack
from ..run.paths import DATA_FOLDER, META_FOLDER, volume_paths
from ..run.settings import ConvertSettings
from ..run.summary_columns import SummaryRow
from ..vocabulary import Status
from .rejection import RejectedError
from .staging import remove_volume
from .summary_rows import row_of_failure, row_of_record, row_of_rejection

if TYPE_CHECKING:
    from ..run.workers import Worker, WorkerServer

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SeriesJob:
    """A volume to convert.

    Attributes
    ----------
    settings
        Those of the shard, with ``overwrite`` for a damaged volume.
    manifest_md5
        Identifies the manifest that names the volume.
    """

    plan: VolumePlan
    settings: ConvertSettings
    manifest_md5: str = ""


@dataclass(frozen=True, slots=True)
class JobResult:
    """The row of a volume. ``trace``: where it failed if that is a fault of ct2zarr, else empty."""

    row: SummaryRow
    trace: str = ""


def converted_rows(
    plans: Sequence[VolumePlan],
    settings: ConvertSettings,
    damaged: Collection[str] = (),
    manifest_md5: str = "",
    server: "WorkerServer | None" = None,
) -> Iterator[SummaryRow]:
    """Convert in ``num_workers`` processes; rows in the order in which they are done.

    Parameters
    ----------
    damaged
        series_hash of the volumes to replace although they look complete.
    server
        Forks the processes; one is started for them where it is None.

    Raises
    ------
    MachineError
        As soon as one conversion raises it; the others are stopped then.
    """
    if not plans:
        return
    from ..run.workers import (  # a shard with nothing to convert does not load it
        WorkerServer,
        in_workers,
    )

    replacing = replace(settings, overwrite=True)
    jobs = [
        SeriesJob(plan, replacing if plan.series_hash in damaged else settings, manifest_md5)
        for plan in plans
    ]
    try:
        with ExitStack() as stack:
            yield from in_workers(
                run_in_worker,
                jobs,
                settings.num_workers,
                server=server or stack.enter_context(WorkerServer()),
                memory_mb=settings.series_memory_mb,
            )
    finally:
        root = settings.store_root
        remove_abandoned((root / DATA_FOLDER, root / META_FOLDER))


def run_in_worker(worker: "Worker", job: SeriesJob) -> SummaryRow:
    """The row of one volume, whatever happens to the process that converts it.

    After a failure an older complete volume is kept (its source may be away only for the moment),
    and a store without a record is removed. A rejected volume is removed in any case.
    """
    plan, settings = job.plan, job.settings
    try:
        result = worker.run(convert_to_row, job, timeout=settings.series_timeout_seconds)
    except SeriesError as error:
        result = JobResult(row_of_failure(plan, error))
    if result.trace:
        logger.error("%s: unexpected error in\n%s", plan.series_hash, result.trace)
    row = result.row
    if row.code == Code.SOURCE_GONE:
        check_roots(plan)
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    if row.status == Status.REJECTED or (row.status == Status.FAILED and not paths.record.exists()):
        remove_volume(paths)
    return row


def check_roots(plan: VolumePlan) -> None:
    """Raise MachineError where the whole dataset is gone, as when a mount was lost.

    Otherwise every remaining volume would become a failed row within seconds. The folder of a
    mount that was lost is still there, and empty.
    """
    for root in sorted({plane.root for plane in plan.planes}):
        try:
            there = next(os.scandir(root), None) is not None
        except OSError:
            there = False
        if not there:
            raise MachineError(
                Code.MACHINE,
                "the folder of dataset {dataset}, {path}, is gone or empty; make sure that it is "
                "mounted, then start the job again: finished volumes are kept",
                path=root,
                dataset=plan.dataset,
            )


def convert_to_row(job: SeriesJob) -> JobResult:
    """In a worker process: convert one volume.

    Raises
    ------
    MachineError, SettingsError
        These end the job.
    MemoryError
        The worker process is replaced.
    """
    from .conversion import convert_volume  # loads numpy and the decoders

    try:
        record = convert_volume(job.plan, job.settings, manifest_md5=job.manifest_md5)
    except (MachineError, SettingsError, MemoryError):
        raise
    except RejectedError as error:
        return JobResult(row_of_rejection(job.plan, error))
    except Ct2zarrError as error:
        raise_lack(error.__cause__)
        return JobResult(row_of_failure(job.plan, error))
    except Exception as error:  # one volume must not end the others
        if lack() is not None:  # packages report a lack of memory as errors of many kinds
            raise MemoryError from error
        return _unexpected(job.plan, error)
    return JobResult(row_of_record(job.plan, record, reused=False))


def _unexpected(plan: VolumePlan, error: Exception) -> JobResult:
    """The result for an error that nobody foresaw.

    The text of the error is left out: it may quote a header, and so identify a patient.
    """
    kind = type(error).__name__
    frames = traceback.extract_tb(error.__traceback__)
    failure = SeriesError(
        Code.UNEXPECTED_ERROR,
        "unexpected {kind} in {place} line {line}: this is a fault of ct2zarr; please report it "
        "with the log of the shard",
        kind=kind,
        place=Path(frames[-1].filename).name,
        line=frames[-1].lineno,
    )
    trace = "".join(traceback.format_list(frames)) + kind
    return JobResult(row_of_failure(plan, failure), trace)
