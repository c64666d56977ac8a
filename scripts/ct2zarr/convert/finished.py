"""Find the volumes on the disk that need no conversion."""

from collections.abc import Collection, Iterable, Iterator

from ..errors import SeriesError, SettingsError
from ..model import VolumePlan, VolumeRecord
from ..run.checksums import file_md5
from ..run.csv_tables import Column, Schema, read_table
from ..run.paths import VolumePaths, volume_paths
from ..run.settings import ConvertSettings
from ..run.summary_columns import SummaryRow
from ..store.containers import store_size
from ..store.records import read_record
from ..verify.audit_table import damage_found
from ..vocabulary import Role
from .fingerprint import fingerprint
from .rejection import unreadable_without_copy
from .summary_rows import count_role, row_of_record

_NAMED_VOLUMES = Schema((Column("series_hash"),), advice="make the manifest again", by_hand=True)
"""The columns that the search for missing records needs."""


def finished_rows(
    plans: Iterable[VolumePlan], settings: ConvertSettings, damaged: Collection[str] = ()
) -> Iterator[SummaryRow]:
    """Rows of the volumes that are complete and would come out the same; none with ``overwrite``.

    Parameters
    ----------
    damaged
        series_hash of the volumes to convert again although they look complete.
    """
    if settings.overwrite:
        return
    store_type = settings.encoding.store_type
    for plan in plans:
        if plan.series_hash in damaged:
            continue
        paths = volume_paths(settings.store_root, plan.series_hash, store_type)
        record = finished_record(paths, fingerprint(plan, settings), plan, settings)
        if record is not None and not settings.rejected_flags.intersection(record.flags):
            yield row_of_record(plan, record, reused=True)


def finished_record(
    paths: VolumePaths, due_fingerprint: str, plan: VolumePlan, settings: ConvertSettings
) -> VolumeRecord | None:
    """The record of a volume that is complete and needs no conversion, or None.

    A volume is complete when its record is readable and has the expected fingerprint, and the
    store and slices.csv are there, the store with the recorded size. A volume from which unreadable
    planes were left out is complete only under ``on_bad_slice: drop``.
    """
    store_type = settings.encoding.store_type
    try:
        record = read_record(paths.record)
    except (FileNotFoundError, SeriesError):
        return None  # absent or damaged: the volume is converted again
    if record.fingerprint != due_fingerprint or record.store_type != store_type:
        return None
    if settings.on_bad_slice != "drop":
        dropped = record.files_unreadable > count_role(plan, Role.UNREADABLE)
        if dropped or unreadable_without_copy(plan):
            return None
    try:
        complete = paths.slices.exists() and store_size(paths.store) == record.output_bytes
    except FileNotFoundError:
        return None
    return record if complete else None


def damaged_volumes(settings: ConvertSettings, label: str) -> set[str]:
    """The series_hash of volumes in which the last audit found damage and that are still the same.

    A volume that was converted after the audit has another record than the audit saw.
    """
    damaged = set()
    for series_hash, md5 in damage_found(settings.store_root, label).items():
        paths = volume_paths(settings.store_root, series_hash, settings.encoding.store_type)
        if paths.record.exists() and file_md5(paths.record) == md5:
            damaged.add(series_hash)
    return damaged


def lacks_records(settings: ConvertSettings) -> bool:
    """Whether a volume that the CSV names has no record, found without reading anything else.

    A CSV that cannot be read lacks nothing; ``plans_of_shard`` says what is wrong with it.
    """
    try:
        hashes = read_table(settings.input_csv, _NAMED_VOLUMES).columns["series_hash"]
    except SettingsError:
        return False
    root, store_type = settings.store_root, settings.encoding.store_type
    return not all(volume_paths(root, name, store_type).record.exists() for name in hashes)
