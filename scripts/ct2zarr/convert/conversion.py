"""Convert one volume: write it, verify it, publish it, record it.

Nothing shows under a final name before the verification has passed. A volume with a flag that the
user rejects stops before its pixels are read where its headers show the flag, and before it is
published where only the pixels do.
"""

import time
from collections.abc import Iterable, Mapping

from ..codes import Code
from ..errors import MachineError, SeriesError
from ..model import Json, RaisedFlag, VolumePlan, VolumeRecord
from ..run.atomic_files import machine_errors
from ..run.checksums import file_md5
from ..run.paths import volume_paths
from ..run.settings import ConvertSettings
from ..store.containers import store_crc32, store_size
from ..store.records import record_to_json, slices_to_csv
from ..store.writers import open_writer
from ..verify.verification import Verification, verify_volume
from ..version import FORMAT_VERSION, __version__
from ..vocabulary import Flag, Role
from .fingerprint import fingerprint, finished_record
from .provenance import library_versions, output_settings
from .staging import StagedVolume, staged_volume
from .summary_rows import count_role, lost_frames
from .writing import WrittenVolume, write_volume

DECIMALS = 4
"""Digits behind the point of the recorded seconds: a tenth of a millisecond."""


class RejectedError(SeriesError):
    """The volume has flags that the user rejects.

    Attributes:
        flags: all flags that were found on the volume.
        rejected: those of them that the user rejects.
    """

    def __init__(self, rejected: tuple[Flag, ...], flags: tuple[Flag, ...]) -> None:
        super().__init__(
            Code.REJECTED_FLAG,
            "reject_flags names {rejected}: {meaning}.",
            rejected=rejected,
            meaning="; ".join(flag.sentence for flag in rejected),
        )
        self.rejected = rejected
        self.flags = flags


def convert_volume(
    plan: VolumePlan, settings: ConvertSettings, *, manifest_md5: str = ""
) -> VolumeRecord:
    """Make the volume of a plan anew, or take what another job has finished in the meantime.

    Args:
        manifest_md5: names the manifest that the plan is from; empty where it is unknown.

    Raises:
        RejectedError: a flag of ``settings.reject_flags``.
        SeriesError: a file cannot be read or decoded, or the verification found a difference.
        MachineError: the output cannot be written.
    """
    started = time.perf_counter()
    _reject(plan.flags, settings)
    _refuse_unreadable(plan, settings)
    store_type = settings.encoding.store_type
    paths = volume_paths(settings.store_root, plan.series_hash, store_type)
    wanted = fingerprint(plan, settings)
    with staged_volume(paths) as staged:
        written, digest = _write(plan, settings, staged, wanted, manifest_md5)
        verifying = time.perf_counter()
        verification = verify_volume(
            staged.store,
            staged.slices,
            written.plan,
            settings,
            tuple(written.decoders),
            written.levels,
        )
        verified = time.perf_counter()
        seconds: dict[str, Json] = {
            "read": round(written.read_seconds, DECIMALS),
            "write": round(written.write_seconds, DECIMALS),
            "verify": round(verified - verifying, DECIMALS),
        }
        seconds["total"] = round(time.perf_counter() - started, DECIMALS)
        record = _record(
            plan, settings, staged, written, verification, wanted, digest, seconds, manifest_md5
        )
        if not settings.overwrite:
            theirs = finished_record(paths, wanted, plan, settings)
            if theirs is not None:  # a second job on the same shard was faster
                return theirs
        staged.publish(record_to_json(record))
    return record


def _reject(flags: Iterable[RaisedFlag], settings: ConvertSettings) -> None:
    found = [raised.flag for raised in flags]
    rejected = tuple(flag for flag in found if flag in settings.reject_flags)
    if rejected:
        raise RejectedError(rejected, tuple(found))


def _refuse_unreadable(plan: VolumePlan, settings: ConvertSettings) -> None:
    """A file that the manifest found unreadable fails its volume, unless it may be dropped.

    An unreadable copy of a frame that can be read costs nothing: it is flagged and accounted.
    """
    if settings.on_bad_slice == "drop":
        return
    bad = lost_frames(plan)
    if bad:
        more = len(bad) - 1
        others = f" and {more} other{'s' * (more > 1)}" if more else ""
        raise SeriesError(
            f"{bad[0].frame.path}{others} cannot be read: {bad[0].reason}; repair the file, or "
            "set on_bad_slice to drop to convert the other planes.",
            "unreadable_files",
        )


def _write(
    plan: VolumePlan,
    settings: ConvertSettings,
    staged: StagedVolume,
    wanted: str,
    manifest_md5: str,
) -> tuple[WrittenVolume, str]:
    """Write the store and slices.csv under their temporary names, complete and closed.

    Returns what was written, and the digest of the store.
    """
    writer = open_writer(settings.encoding.store_type, staged.store)
    try:
        written = write_volume(
            plan, settings, writer, fingerprint=wanted, manifest_md5=manifest_md5
        )
        _reject(written.flags, settings)
        writer.finish()
    except MachineError:
        raise  # the writer may be of no use any more; ``staged_volume`` removes its files
    except BaseException:
        writer.abort()
        raise
    with machine_errors(staged.slices.parent):
        staged.slices.write_text(
            slices_to_csv(written.slices), encoding="utf-8", errors="backslashreplace", newline=""
        )
    return written, writer.digest()


def _record(
    plan: VolumePlan,
    settings: ConvertSettings,
    staged: StagedVolume,
    written: WrittenVolume,
    verification: Verification,
    wanted: str,
    digest: str,
    seconds: Mapping[str, Json],
    manifest_md5: str,
) -> VolumeRecord:
    files = {plane.path: plane.bytes for plane in written.plan.planes}
    return VolumeRecord(
        version=__version__,
        format_version=FORMAT_VERSION,
        fingerprint=wanted,
        series_hash=plan.series_hash,
        dataset=plan.dataset,
        series_dir="" if settings.metadata.deidentify else plan.series_dir,
        part=plan.part,
        parts=plan.parts,
        split_by=plan.split_by,
        store=staged.final.store.name,
        store_type=str(settings.encoding.store_type),
        zarr_format=written.layout.zarr_format,
        shape=written.shape,
        dtype=written.dtype,
        chunks=written.layout.chunks,
        compression_level=settings.encoding.compression_level,
        flags=tuple(str(finding.flag) for finding in written.flags),
        findings={str(raised.flag): dict(raised.evidence) for raised in written.flags},
        values=written.values,
        geometry=written.geometry,
        tags=written.tags,
        varying_tags=written.varying_tags,
        localizers_skipped=count_role(written.plan, Role.LOCALIZER),
        duplicates=count_role(written.plan, Role.DUPLICATE),
        files_unreadable=count_role(written.plan, Role.UNREADABLE),
        input_files=len(files),
        input_bytes=sum(files.values()),
        output_bytes=store_size(staged.store),
        store_digest=digest,
        store_crc32=store_crc32(staged.store),
        slices_md5=file_md5(staged.slices),
        verification=verification.as_json(),
        seconds=seconds,
        decoders=dict(written.decoders),
        libraries=dict(library_versions()),
        settings=output_settings(settings),
        manifest_md5=manifest_md5,
    )
