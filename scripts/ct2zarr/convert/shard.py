"""Convert the volumes of one shard and write its summary.

What is finished already is taken from its record; the rest goes to worker processes, longest
first, each series on its own: whatever befalls one is one ``failed`` row. Only a fault of the
machine (a full disk, an output folder that is gone) ends the job, without a summary, so that it is
run again. The summary is written last, the JSON before the CSV, which is what a workflow waits for.
"""

import csv
import hashlib
import json
import logging
import os
import re
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..codes import Code
from ..errors import Ct2zarrError, MachineError, SeriesError, SettingsError
from ..model import Json, VolumePlan
from ..run.atomic_files import prepare_store_root, remove_abandoned, write_atomically
from ..run.cells import SEPARATOR
from ..run.checksums import file_md5, manifest_md5
from ..run.counts import Counts, totals_of
from ..run.job_log import BYTES_PER_MB, Progress, log_outcome, progress
from ..run.paths import MINIMUM_DIGITS, SHARD_CSV, shard_label, volume_paths
from ..run.settings import ConvertSettings
from ..run.summary_columns import SummaryRow, rows_to_csv
from ..verify.audit_table import damage_found, needs_retry
from ..version import FORMAT_VERSION, __version__
from ..vocabulary import Flag, Status
from .fingerprint import fingerprint, finished_record
from .provenance import library_versions
from .staging import remove_volume
from .summary_rows import row_of_failure, row_of_record, without_names

if TYPE_CHECKING:
    from ..run.workers import Worker

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ShardSummary:
    """What ``run_shard`` wrote: the rows, sorted by series_hash, and where."""

    shard: str
    rows: tuple[SummaryRow, ...]
    csv_path: Path
    json_path: Path


def retry_shard(settings: ConvertSettings) -> None:
    """Convert the shard again if a volume of it failed or was found damaged; else do nothing."""
    label = label_of(settings)
    if not needs_retry(settings.store_root, label, settings.summary_suffix):
        logger.info("shard %s: nothing has failed, nothing is converted", label)
        return
    run_shard(settings)


def run_shard(settings: ConvertSettings) -> ShardSummary:
    """Convert the volumes of ``settings.input_csv`` and write summary_shard_XX.csv and .json.

    Raises:
        SettingsError: the CSV is missing or is not a manifest, or ``deidentify`` has no key.
        MachineError: the output folder cannot be written; finished volumes stay, no summary.
    """
    started = time.monotonic()
    if settings.metadata.deidentify:
        from ..dicom.deidentification import key_from_environment  # only such runs pay for pydicom

        key_from_environment()
    if not lacks_records(settings):
        return _run_shard(settings, started)
    from ..run.workers import fork_server_ahead  # nothing to convert: nothing to start

    with fork_server_ahead():
        return _run_shard(settings, started)


def _run_shard(settings: ConvertSettings, started: float) -> ShardSummary:
    plans = plans_of_shard(settings)
    manifest = manifest_md5(settings.input_csv)
    label = label_of(settings)
    root = settings.store_root
    csv_path = root / f"summary_shard_{label}{settings.summary_suffix}.csv"
    json_path = csv_path.with_name(csv_path.name.removesuffix(".csv") + ".json")
    prepare_store_root(root)
    removed = remove_abandoned((root, root / "data", root / "meta"))
    if removed:
        logger.info("shard %s: removed %d unfinished files of earlier jobs", label, removed)
    for stale in (csv_path, json_path):
        stale.unlink(missing_ok=True)

    damaged = damaged_volumes(settings)
    rows = {row.series_hash: row for row in finished_rows(plans, settings, damaged)}
    todo = [plan for plan in plans if plan.series_hash not in rows]
    logger.info("shard %s: %d volumes, %d finished before", label, len(plans), len(rows))
    with progress(f"shard {label}", len(todo)) as bar:
        for row in converted_rows(todo, settings, damaged, manifest):
            rows[row.series_hash] = row
            _log_row(row, bar)
        logger.info("%s", bar.summary())

    if settings.metadata.deidentify:
        rows = {series_hash: without_names(row) for series_hash, row in rows.items()}
    summary = ShardSummary(
        label, tuple(sorted(rows.values(), key=lambda row: row.series_hash)), csv_path, json_path
    )
    write_summary(summary, settings, manifest)
    logger.info("shard %s: done in %.1f s", label, time.monotonic() - started)
    log_outcome(f"shard {label}", Counts.of_totals(totals_of(summary.rows)))
    return summary


# What belongs to the shard --------------------------------------------------------------------


def lacks_records(settings: ConvertSettings) -> bool:
    """Whether a volume that the CSV names was never finished: a look without reading anything else.

    A CSV that cannot be read lacks nothing; ``plans_of_shard`` says what is wrong with it.
    """
    try:
        with settings.input_csv.open(newline="", encoding="utf-8") as text:
            hashes = [row["series_hash"] for row in csv.DictReader(text)]
    except (OSError, ValueError, KeyError, csv.Error):
        return False
    root, store_type = settings.store_root, settings.encoding.store_type
    return not all(volume_paths(root, name, store_type).record.exists() for name in hashes)


def plans_of_shard(settings: ConvertSettings) -> list[VolumePlan]:
    """The volumes to convert, longest first (by bytes), so that no long one is left for the end.

    Raises SettingsError when the CSV is not usable or names one volume twice.
    """
    from ..plan.manifest_reading import read_plans  # without what a scan needs

    sharded = SHARD_CSV.fullmatch(settings.input_csv.name) is not None
    plans = read_plans(replace(settings, shard_id=None) if sharded else settings)
    if sharded and not all(_is_of_shard(plan.series_hash, settings) for plan in plans):
        raise SettingsError(
            f"{settings.input_csv} holds volumes that are not of shard {settings.shard_id} out of "
            f"{settings.num_shards}: it was made with another number of shards; make NUM_SHARDS "
            "that of the manifest, or leave it out."
        )
    seen = Counter(plan.series_hash for plan in plans)
    twice = [series_hash for series_hash, count in seen.items() if count > 1]
    if twice:
        raise SettingsError(
            f"{settings.input_csv} names series_hash {twice[0]} {seen[twice[0]]} times; each "
            "volume may stand there once: remove the other lines, or make the manifest again."
        )
    sizes = {plan.series_hash: sum(plane.bytes for plane in plan.planes) for plan in plans}
    return sorted(plans, key=lambda plan: (-sizes[plan.series_hash], plan.series_hash))


def _is_of_shard(series_hash: str, settings: ConvertSettings) -> bool:
    if settings.shard_id is None or settings.num_shards is None:
        return True
    return int(series_hash, 16) % settings.num_shards == settings.shard_id


def label_of(settings: ConvertSettings) -> str:
    """The number of the shard as in file names: SHARD_ID, else that of the CSV, else ``00``."""
    named = re.search(r"_shard_(\d+)\.csv$", settings.input_csv.name)
    if settings.shard_id is None:
        return named[1] if named else "0" * MINIMUM_DIGITS
    if settings.num_shards is not None:
        return shard_label(settings.shard_id, settings.num_shards)
    if named and int(named[1]) == settings.shard_id:
        return named[1]
    return str(settings.shard_id).zfill(MINIMUM_DIGITS)


# Converting -----------------------------------------------------------------------------------


def damaged_volumes(settings: ConvertSettings) -> set[str]:
    """Volumes in which the last audit found damage, and that nobody has converted since."""
    damaged = set()
    for series_hash, md5 in damage_found(settings.store_root, label_of(settings)).items():
        paths = volume_paths(settings.store_root, series_hash, settings.encoding.store_type)
        if md5 and paths.record.exists() and file_md5(paths.record) == md5:
            damaged.add(series_hash)
    return damaged


def finished_rows(
    plans: Iterable[VolumePlan], settings: ConvertSettings, damaged: Collection[str] = ()
) -> Iterator[SummaryRow]:
    """Rows of the volumes that are complete and would come out the same; none to overwrite."""
    if settings.overwrite:
        return
    store_type = settings.encoding.store_type
    for plan in plans:
        if plan.series_hash in damaged:
            continue
        record = finished_record(
            volume_paths(settings.store_root, plan.series_hash, store_type),
            fingerprint(plan, settings),
            plan,
            settings,
        )
        if record is not None and not settings.reject_flags.intersection(record.flags):
            yield row_of_record(plan, record, reused=True)


def converted_rows(
    plans: Sequence[VolumePlan],
    settings: ConvertSettings,
    damaged: Collection[str] = (),
    manifest_md5: str = "",
) -> Iterator[SummaryRow]:
    """Convert in ``num_workers`` processes; rows in the order in which they are done.

    ``damaged``: volumes that are there, and are to be replaced all the same.

    Raises MachineError as soon as one conversion does; the others are stopped then.
    """
    if not plans:
        return
    from ..run.workers import in_workers  # nothing to convert: nothing to start

    anew = replace(settings, overwrite=True)

    def convert(worker: "Worker", plan: VolumePlan) -> SummaryRow:
        wanted = anew if plan.series_hash in damaged else settings
        return convert_in_worker(worker, plan, wanted, manifest_md5)

    try:
        yield from in_workers(
            convert, plans, settings.num_workers, memory_mb=settings.series_memory_mb
        )
    finally:
        root = settings.store_root
        remove_abandoned((root / "data", root / "meta"))


def convert_in_worker(
    worker: "Worker", plan: VolumePlan, settings: ConvertSettings, manifest_md5: str
) -> SummaryRow:
    """The row of one volume, whatever happens to the process that converts it.

    After a failure an older complete volume stays as it was (its source may only be away for the
    moment), and a store without a record goes. A rejected volume goes in any case.
    """
    try:
        row, trace = worker.run(
            attempt, plan, settings, manifest_md5, timeout=settings.series_timeout_seconds
        )
        if trace:
            logger.error("%s: unexpected error in\n%s", plan.series_hash, trace)
    except MachineError:
        raise
    except SeriesError as error:
        row = row_of_failure(plan, Status.FAILED, error)
    if row.code == Code.SOURCE_GONE:
        require_roots(plan)
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    if row.status == Status.REJECTED or (row.status == Status.FAILED and not paths.record.exists()):
        remove_volume(paths)
    return row


def require_roots(plan: VolumePlan) -> None:
    """Raise MachineError where not a series but its whole dataset is away, such as a lost mount.

    Otherwise every volume that is left would become a failed row within seconds. A folder on which
    nothing is mounted any more is there, and empty.
    """
    for root in sorted({plane.root for plane in plan.planes}):
        try:
            there = next(os.scandir(root), None) is not None
        except OSError:
            there = False
        if not there:
            raise MachineError(
                f"the folder of dataset {plan.dataset}, {root}, is gone or empty; make sure that "
                "it is mounted, then start the job again: finished volumes are kept.",
                "machine",
            )


def attempt(
    plan: VolumePlan, settings: ConvertSettings, manifest_md5: str = ""
) -> tuple[SummaryRow, str]:
    """In a worker: convert one volume; its row, and where it failed if nobody foresaw that.

    Raises MachineError, SettingsError and MemoryError; everything else becomes a row.
    """
    import traceback

    from .conversion import RejectedError, convert_volume

    try:
        record = convert_volume(plan, settings, manifest_md5=manifest_md5)
        return row_of_record(plan, record, reused=False), ""
    except (MachineError, SettingsError):
        raise
    except RejectedError as error:
        reason = SEPARATOR.join(error.rejected)
        row = row_of_failure(plan, Status.REJECTED, error, reason=reason, flags=error.flags)
        return row, ""
    except Ct2zarrError as error:
        return row_of_failure(plan, Status.FAILED, error), ""
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  one series must not end the others
        # The text of the error is left out: it may quote a header, and so a patient.
        frames = traceback.extract_tb(error.__traceback__)
        unexpected = SeriesError(
            Code.UNEXPECTED_ERROR,
            "unexpected {kind} in {module} line {line}; this is a fault of ct2zarr, please report "
            "it with the log of the shard.",
            kind=type(error).__name__,
            module=Path(frames[-1].filename).name,
            line=frames[-1].lineno,
        )
        row = row_of_failure(plan, Status.FAILED, unexpected)
        return row, "".join(traceback.format_list(frames)) + type(error).__name__


def _log_row(row: SummaryRow, bar: Progress) -> None:
    bar.advance(row.input_bytes)
    size = row.input_bytes / BYTES_PER_MB
    if row.status != Status.OK:
        # The sentence may name files, so it stands in the summary, not in the log.
        logger.warning("%s %s: %s", row.series_hash, row.status, row.reason)
        return
    seconds = row.total_seconds or 0.0
    logger.info(
        "%s ok: %d slices, %.1f MB in %.2f s, %.1f MB/s, %d verified%s",
        row.series_hash, row.slice_count, size, seconds, size / max(seconds, 1e-3),
        row.verified_slices, f", {row.flags}" if row.flags else "",
    )  # fmt: skip


# The summary ----------------------------------------------------------------------------------


def write_summary(summary: ShardSummary, settings: ConvertSettings, manifest_md5: str = "") -> None:
    """Write the JSON and then the CSV, each at once or not at all. Raises MachineError."""
    text = rows_to_csv(summary.rows)
    csv_md5 = hashlib.md5(text.encode()).hexdigest()
    content = summary_content(summary, settings, csv_md5, manifest_md5)
    write_atomically(summary.json_path, json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_atomically(summary.csv_path, text)


def summary_content(
    summary: ShardSummary, settings: ConvertSettings, csv_md5: str, manifest_md5: str
) -> dict[str, Json]:
    """Content of summary_shard_XX.json: totals, counts, settings, versions, and the CSV's MD5."""
    rows = summary.rows
    flags = Counter(flag for row in rows for flag in row.flags.split(SEPARATOR) if flag)
    reasons = Counter(row.reason for row in rows if row.reason)
    return {
        "shard": summary.shard,
        "num_shards": settings.num_shards,
        "csv_md5": csv_md5,
        "totals": dict(totals_of(rows)),
        "flags": {flag: flags[flag] for flag in Flag if flags[flag]},
        "reasons": dict(sorted(reasons.items())),
        "settings": settings_content(settings),
        "input": {"name": settings.input_csv.name, "md5": file_md5(settings.input_csv)},
        "manifest_md5": manifest_md5,
        "versions": {"ct2zarr": __version__, "format": FORMAT_VERSION},
        "libraries": dict(library_versions()),
    }


def settings_content(settings: ConvertSettings) -> dict[str, Json]:
    """The settings, as JSON; folders are left out."""
    content: dict[str, Json] = {}
    for name, value in asdict(settings).items():
        if isinstance(value, Path):
            continue
        content[name] = sorted(value) if isinstance(value, frozenset) else value
    return content
