"""Convert one volume: write it, verify it, publish it, record it.

Nothing appears under a final name before the verification has passed. A volume with a flag that
the user rejects stops before its pixels are read where its headers show the flag, and before it is
published where only the pixels do.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace

from ..errors import MachineError
from ..model import Json, VolumePlan, VolumeRecord
from ..run.atomic_files import machine_errors
from ..run.checksums import file_md5
from ..run.paths import volume_paths
from ..run.settings import ConvertSettings
from ..store.containers import open_writer, store_crc32, store_size
from ..store.records import record_to_json, slices_to_csv
from ..verify.verification import Verification, verify_volume
from ..version import FORMAT_VERSION, __version__
from ..vocabulary import Role
from .fingerprint import fingerprint
from .finished import finished_record
from .provenance import library_versions, output_settings
from .rejection import check_flags, check_planes, check_readable
from .staging import StagedVolume, staged_volume
from .summary_rows import count_role
from .writing import Source, WrittenVolume, write_volume

DECIMALS = 4
"""Digits behind the point of the recorded seconds: a tenth of a millisecond."""


def convert_volume(
    plan: VolumePlan, settings: ConvertSettings, *, manifest_md5: str = ""
) -> VolumeRecord:
    """Convert a volume, or take what another job has finished in the meantime.

    Parameters
    ----------
    manifest_md5
        Identifies the manifest that names the volume; see ``run.checksums``.

    Raises
    ------
    RejectedError
        The volume has a flag of ``settings.rejected_flags``.
    SeriesError
        A file cannot be read or decoded, or the verification found a difference.
    MachineError
        The output cannot be written.
    """
    started = time.perf_counter()
    check_planes(plan)
    check_flags(plan.flags, settings)
    check_readable(plan, settings)
    paths = volume_paths(settings.store_root, plan.series_hash, settings.encoding.store_type)
    source = Source(fingerprint(plan, settings), manifest_md5)
    with staged_volume(paths) as staged:
        made = _write_verified(plan, settings, staged, source, started)
        if not made.refused.keys() <= made.written.refused.keys():
            # The flag belongs in the store too, whose documents and digest are complete by now.
            staged.clear()
            source = replace(source, refused=made.refused)
            made = _write_verified(plan, settings, staged, source, started)
        record = _record_of(plan, settings, staged, made)
        if not settings.overwrite:
            theirs = finished_record(paths, source.fingerprint, plan, settings)
            if theirs is not None:  # a second job on the same shard was faster
                return theirs
        staged.publish(record_to_json(record))
    return record


def _write_verified(
    plan: VolumePlan,
    settings: ConvertSettings,
    staged: StagedVolume,
    source: Source,
    started: float,
) -> "_Made":
    """Write a volume under its temporary names, and compare it with its source.

    Parameters
    ----------
    started
        When the conversion began, by ``time.perf_counter``.
    """
    written, digest = _write(plan, settings, staged, source)
    verifying = time.perf_counter()
    verification = verify_volume(
        staged.store,
        staged.slices,
        written.plan,
        settings,
        tuple(written.decoders),
        written.levels,
    )
    ended = time.perf_counter()
    seconds: dict[str, Json] = {
        "read": round(written.read_seconds, DECIMALS),
        "write": round(written.write_seconds, DECIMALS),
        "verify": round(ended - verifying, DECIMALS),
        "total": round(ended - started, DECIMALS),
    }
    return _Made(written, verification, source, digest, seconds)


def _write(
    plan: VolumePlan, settings: ConvertSettings, staged: StagedVolume, source: Source
) -> tuple[WrittenVolume, str]:
    """Write the store and slices.csv under their temporary names, complete and closed.

    Returns what was written, and the digest of the store.
    """
    writer = open_writer(settings.encoding.store_type, staged.store)
    try:
        written = write_volume(plan, settings, writer, source)
        check_flags(written.flags, settings)
        writer.finish()
    except MachineError:
        raise  # the writer may be unusable now; ``staged_volume`` removes its files
    except BaseException:
        writer.abort()
        raise
    with machine_errors(staged.slices.parent):
        staged.slices.write_text(
            slices_to_csv(written.slices), encoding="utf-8", errors="backslashreplace", newline=""
        )
    return written, writer.digest()


@dataclass(frozen=True, slots=True)
class _Made:
    """All that a record says of a volume beyond its plan and the settings."""

    written: WrittenVolume
    verification: Verification
    source: Source
    digest: str
    seconds: Mapping[str, Json]

    @property
    def refused(self) -> Mapping[int, tuple[str, ...]]:
        """Index of a compared plane → decoders that could not read it, although others could."""
        return self.verification.refused


def _record_of(
    plan: VolumePlan, settings: ConvertSettings, staged: StagedVolume, made: _Made
) -> VolumeRecord:
    # As long as the record has fields: each is named once.
    written = made.written
    files = {plane.path: plane.bytes for plane in written.plan.planes}
    return VolumeRecord(
        version=__version__,
        format_version=FORMAT_VERSION,
        fingerprint=made.source.fingerprint,
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
        flags=tuple(str(raised.flag) for raised in written.flags),
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
        store_digest=made.digest,
        store_crc32=store_crc32(staged.store),
        slices_md5=file_md5(staged.slices),
        verification=made.verification.as_json(),
        seconds=made.seconds,
        decoders=dict(written.decoders),
        libraries=dict(library_versions()),
        settings=output_settings(settings),
        manifest_md5=made.source.manifest_md5,
    )
