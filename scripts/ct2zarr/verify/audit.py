"""Read one finished volume back and compare it with all that is recorded of it.

Every byte that a conversion wrote is under a checksum: series.json under the one at its end,
slices.csv and the store's file under those in series.json, the content of the store under its
digest, and each plane, decoded, under its MD5 in slices.csv. Beyond that, the store, the record and
the row of the summary have to agree on what the volume is.

A difference is an error that is listed instead of raised: a code with its facts.
"""

import time
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ..codes import Code
from ..errors import Ct2zarrError, FileError, Private, SeriesError, VerificationError, sentence
from ..model import Json, SliceTable, VolumeRecord
from ..run.cells import SEPARATOR
from ..run.checksums import PLANE_MD5, file_md5, plane_md5
from ..run.machine import lack, raise_lack
from ..run.paths import VolumePaths
from ..run.summary_columns import SummaryRow
from ..store.attributes import RECORD_ONLY
from ..store.containers import store_crc32, store_digest, store_size
from ..store.records import read_record, read_slices
from ..vocabulary import AuditStatus, Status
from ..volume.volume import Volume, open_volume
from .audit_table import AuditRow

SHOWN_PLANES = 10
"""Number of changed planes that a sentence lists."""


def audit_volume(paths: VolumePaths, series_hash: str, row: SummaryRow) -> AuditRow:
    """Audit one volume; ``row`` is its line in the summary. Damage is a row, never an error."""
    started = time.perf_counter()
    missing = [path for path in (paths.record, paths.store, paths.slices) if not path.exists()]
    planes = 0
    if missing:
        status = AuditStatus.MISSING
        differences = [_missing(path.name) for path in missing]
    else:
        planes, differences = _compare(paths, row)
        status = AuditStatus.DAMAGED if differences else AuditStatus.INTACT
    return AuditRow(
        series_hash=series_hash,
        dataset=row.dataset,
        status=status,
        reason=SEPARATOR.join(dict.fromkeys(str(one.code) for one in differences)),
        error=_sentences(differences),
        planes=planes,
        bytes=store_size(paths.store) if paths.store.exists() else 0,
        seconds=round(time.perf_counter() - started, 4),
        record_md5=file_md5(paths.record) if paths.record.exists() else "",
        code=str(differences[0].code) if differences else "",
    )


def _missing(name: str) -> Ct2zarrError:
    return VerificationError(Code.FILE_MISSING, "{name} is missing", name=name)


def _sentences(differences: Iterable[Ct2zarrError]) -> str:
    return "; ".join(sentence(one) for one in differences)


def _compare(paths: VolumePaths, row: SummaryRow) -> tuple[int, list[Ct2zarrError]]:
    """Compare all parts of a volume; returns the number of planes read, and the differences.

    What prevents reading further is a difference too.
    """
    planes = 0
    differences: list[Ct2zarrError] = []
    try:
        record = read_record(paths.record)
        differences += _compare_summary(record, row)
        differences += _compare_slices(paths, record)
        differences += _compare_file(paths, record)
        differences += _compare_digest(paths, record)
        table = read_slices(paths.slices)
        with open_volume(paths.store, threads=1) as volume:
            differences += _compare_attributes(volume, record)
            differences += _compare_layout(volume, record)
            planes, found = _compare_planes(volume, table)
            differences += found
    except (FileError, SeriesError) as error:
        raise_lack(error.__cause__)
        differences.append(error)
    except OSError as error:
        raise_lack(error)
        cause = Private(error.strerror or str(error))
        differences.append(
            VerificationError(Code.UNREADABLE, "the volume cannot be read: {cause}", cause=cause)
        )
    except MemoryError:
        raise
    except Exception as error:  # damage shows as any error of any reader
        if lack() is not None:  # and so does a machine that has no memory left
            raise MemoryError from error
        kind = type(error).__name__
        differences.append(
            VerificationError(Code.DAMAGED, "the volume cannot be read back ({kind})", kind=kind)
        )
    return planes, differences


def _compare_summary(record: VolumeRecord, row: SummaryRow) -> Iterator[Ct2zarrError]:
    """The row of the summary was made from this record."""
    if record.series_hash != row.series_hash:
        yield VerificationError(
            Code.OTHER_VOLUME,
            "series.json is that of volume {series_hash}",
            series_hash=record.series_hash,
        )
    if row.status != Status.OK:
        return  # the volume is from before the conversion that failed
    planes, rows, columns = record.shape
    recorded: dict[str, Json] = {
        "slice_count": planes,
        "rows": rows,
        "columns": columns,
        "flags": SEPARATOR.join(record.flags),
        "output_bytes": record.output_bytes,
        "input_bytes": record.input_bytes,
        "dtype": record.dtype,
        "version": record.version,
        "verify_ok": record.verification.get("ok"),
    }
    for name, value in recorded.items():
        found = getattr(row, name)
        if found != value:
            yield VerificationError(
                Code.SUMMARY_DIFFERS,
                "the summary has {found} as {name} where series.json has {due}",
                name=name,
                found=repr(found),
                due=repr(value),
            )


def _compare_slices(paths: VolumePaths, record: VolumeRecord) -> Iterator[Ct2zarrError]:
    if file_md5(paths.slices) != record.slices_md5:
        yield VerificationError(
            Code.SLICES_CHANGED, "slices.csv does not have the MD5 that series.json gives"
        )


def _compare_file(paths: VolumePaths, record: VolumeRecord) -> Iterator[Ct2zarrError]:
    """The store as a file: its name, its size and every byte of it."""
    if paths.store.name != record.store:
        yield VerificationError(
            Code.OTHER_VOLUME, "series.json names the store {name}", name=record.store
        )
    size = store_size(paths.store)
    if size != record.output_bytes:
        yield VerificationError(
            Code.STORE_SIZE,
            "the store has {found} bytes where {due} were written",
            found=size,
            due=record.output_bytes,
        )
    if store_crc32(paths.store) != record.store_crc32:
        yield VerificationError(
            Code.STORE_CHANGED, "the file of the store has another CRC-32 than when it was written"
        )


def _compare_digest(paths: VolumePaths, record: VolumeRecord) -> Iterator[Ct2zarrError]:
    """The keys and values of the store, whatever keeps them."""
    if store_digest(paths.store) != record.store_digest:
        yield VerificationError(
            Code.CONTENT_CHANGED, "the keys or values of the store are not those that were written"
        )


def _compare_attributes(volume: Volume, record: VolumeRecord) -> Iterator[Ct2zarrError]:
    """The attributes of the store agree with series.json."""
    recorded = {
        "version": record.version,
        "format_version": record.format_version,
        "series_hash": record.series_hash,
        "source_fingerprint": record.fingerprint,
        "flags": list(record.flags),
        "values": dict(record.values),
        "settings": dict(record.settings),
        "libraries": dict(record.libraries),
        "manifest_md5": record.manifest_md5,
        **{name: value for name, value in record.geometry.items() if name not in RECORD_ONLY},
    }
    for name, value in recorded.items():
        if volume.attrs.get(name) != value:
            yield VerificationError(
                Code.ATTRIBUTE_DIFFERS, "the store has another {name} than series.json", name=name
            )


def _compare_layout(volume: Volume, record: VolumeRecord) -> Iterator[Ct2zarrError]:
    layout: dict[str, tuple[Any, Any]] = {
        "shape": (tuple(volume.shape), record.shape),
        "chunks": (tuple(volume.chunks), record.chunks),
        "dtype": (volume.dtype, np.dtype(record.dtype)),
    }
    for name, (found, due) in layout.items():
        if found != due:
            yield VerificationError(
                Code.LAYOUT_DIFFERS,
                "the array has {found} as {name} where series.json has {due}",
                name=name,
                found=str(found),
                due=str(due),
            )


def _compare_planes(volume: Volume, table: SliceTable) -> tuple[int, list[Ct2zarrError]]:
    """Decode every plane, a slab of chunks at a time, and compare its MD5.

    Returns the number of planes compared, and the differences.
    """
    digests = table.column(PLANE_MD5)
    if len(digests) != volume.shape[0]:
        difference = VerificationError(
            Code.PLANE_COUNT,
            "slices.csv has {rows} rows for {planes} planes",
            rows=len(digests),
            planes=volume.shape[0],
        )
        return 0, [difference]
    changed: list[int] = []
    depth = volume.chunks[0]
    for start in range(0, len(digests), depth):
        slab = np.asarray(volume[start : start + depth])
        changed += [
            index for index, plane in enumerate(slab, start) if plane_md5(plane) != digests[index]
        ]
    return len(digests), list(_changed_planes(changed))


def _changed_planes(changed: list[int]) -> Iterator[Ct2zarrError]:
    if not changed:
        return
    others = len(changed) - SHOWN_PLANES
    if others > 0:
        yield VerificationError(
            Code.PLANE_CHANGED,
            "{count} planes do not have the MD5 that slices.csv gives: {planes} and {others} "
            "others",
            count=len(changed),
            planes=tuple(changed[:SHOWN_PLANES]),
            others=others,
        )
        return
    yield VerificationError(
        Code.PLANE_CHANGED,
        "{count} planes do not have the MD5 that slices.csv gives: {planes}",
        count=len(changed),
        planes=tuple(changed),
    )
