"""Read one finished volume back and compare it with all that is recorded of it.

Every byte that a conversion wrote is under a checksum: series.json under the one at its end,
slices.csv and the store's file under those in series.json, the content of the store under its
digest, and each plane, decoded, under its MD5 in slices.csv. Then the store, the record and the row
of the summary have to say the same of the volume.
"""

import hashlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import FileError, SeriesError
from ..model import SliceTable, VolumeRecord
from ..run.cells import SEPARATOR
from ..run.checksums import file_md5
from ..run.paths import VolumePaths
from ..run.summary_columns import SummaryRow
from ..store.containers import store_crc32, store_digest, store_size
from ..store.records import read_record, read_slices
from ..vocabulary import AuditStatus
from ..volume.volume import Volume, open_volume
from .audit_table import AuditRow

GEOMETRY_OF_THE_RECORD = frozenset({"tilt_degrees"})
"""Members of the record's geometry that the store does not repeat."""

Difference = tuple[str, str]
"""A code, and the sentence that goes with it."""


def audit_volume(paths: VolumePaths, series_hash: str, row: SummaryRow) -> AuditRow:
    """Audit one volume; ``row`` is its line in the summary. Damage is a row, never an error."""
    started = time.perf_counter()
    gone = [path.name for path in (paths.record, paths.store, paths.slices) if not path.exists()]
    differences = [("file_missing", f"{name} is missing.") for name in gone]
    planes = 0
    if not gone:
        try:
            record = read_record(paths.record)
            differences += _check_summary(record, row)
            differences += _check_slices(paths, record)
            differences += _check_file(paths, record)
            planes, found = _check_content(paths, record)
            differences += found
        except (FileError, SeriesError) as error:
            differences.append((error.reason or "damaged", str(error)))
        except OSError as error:
            differences.append(("unreadable", f"it cannot be read: {error.strerror or error}"))
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001  damage shows as any error of any reader
            differences.append(("damaged", f"it cannot be read back ({type(error).__name__})"))
    status = AuditStatus.INTACT
    if differences:
        status = AuditStatus.MISSING if gone else AuditStatus.DAMAGED
    return AuditRow(
        series_hash=series_hash,
        dataset=row.dataset,
        status=status,
        reason=SEPARATOR.join(dict.fromkeys(code for code, _ in differences)),
        error=" ".join(sentence.rstrip(".") + "." for _, sentence in differences),
        planes=planes,
        bytes=store_size(paths.store) if paths.store.exists() else 0,
        seconds=round(time.perf_counter() - started, 4),
        record_md5=file_md5(paths.record) if paths.record.exists() else "",
    )


def _check_summary(record: VolumeRecord, row: SummaryRow) -> Iterator[Difference]:
    """The row of the summary was drawn from this record."""
    if record.series_hash != row.series_hash:
        yield "other_volume", f"series.json is that of volume {record.series_hash}."
    if row.status != "ok":
        return  # an older volume that a failed conversion left in its place
    planes, rows, columns = record.shape
    said = {
        "slice_count": planes,
        "rows": rows,
        "columns": columns,
        "flags": SEPARATOR.join(record.flags),
        "output_bytes": record.output_bytes,
        "input_bytes": record.input_bytes,
        "dtype": record.dtype,
        "version": record.version,
    }
    for name, value in said.items():
        there = getattr(row, name)
        if value != there:
            yield (
                "summary_differs",
                f"the summary says {name} {str(there)!r}, series.json {str(value)!r}.",
            )


def _check_slices(paths: VolumePaths, record: VolumeRecord) -> Iterator[Difference]:
    if file_md5(paths.slices) != record.slices_md5:
        yield "slices_changed", "slices.csv does not have the MD5 that series.json gives."


def _check_file(paths: VolumePaths, record: VolumeRecord) -> Iterator[Difference]:
    """The store as a file: its name, its size and every byte of it."""
    if paths.store.name != record.store:
        yield "other_volume", f"series.json names the store {record.store}."
    size = store_size(paths.store)
    if size != record.output_bytes:
        yield "store_size", f"the store has {size} bytes where {record.output_bytes} were written."
    if store_crc32(paths.store) != record.store_crc32:
        yield "store_changed", "the file of the store does not have the CRC-32 of when it was made."


def _check_content(paths: VolumePaths, record: VolumeRecord) -> tuple[int, list[Difference]]:
    """The store as a reader sees it: keys and values, attributes, and the planes decoded."""
    differences: list[Difference] = []
    if store_digest(paths.store) != record.store_digest:
        differences.append(
            ("content_changed", "keys or values of the store are not those that were written.")
        )
    with open_volume(paths.store, threads=1) as volume:
        differences += _check_attributes(volume, record)
        planes, found = _check_planes(volume, read_slices(paths.slices))
    return planes, differences + found


def _check_attributes(volume: Volume, record: VolumeRecord) -> Iterator[Difference]:
    """What the store says of itself is what series.json says of it."""
    said = {
        "version": record.version,
        "format_version": record.format_version,
        "series_hash": record.series_hash,
        "source_fingerprint": record.fingerprint,
        "flags": list(record.flags),
        "values": dict(record.values),
        "settings": dict(record.settings),
        "libraries": dict(record.libraries),
        "manifest_md5": record.manifest_md5,
        **{k: v for k, v in record.geometry.items() if k not in GEOMETRY_OF_THE_RECORD},
    }
    for name, value in said.items():
        if volume.attrs.get(name) != value:
            yield "attribute_differs", f"the store's {name} is not that of series.json."
    layout: dict[str, tuple[Any, Any]] = {
        "shape": (tuple(volume.shape), record.shape),
        "chunks": (tuple(volume.chunks), record.chunks),
        "dtype": (volume.dtype, np.dtype(record.dtype)),
    }
    for name, (found, due) in layout.items():
        if found != due:
            yield "layout_differs", f"the array has {name} {found}, series.json says {due}."


def _check_planes(volume: Volume, table: SliceTable) -> tuple[int, list[Difference]]:
    """Decode every plane, a slab of chunks at a time, and compare its MD5."""
    digests = table.column("md5")
    if len(digests) != volume.shape[0]:
        sentence = f"slices.csv has {len(digests)} rows for {volume.shape[0]} planes."
        return 0, [("plane_count", sentence)]
    different: list[int] = []
    depth = volume.chunks[0]
    for start in range(0, len(digests), depth):
        slab = np.ascontiguousarray(volume[start : start + depth])
        little = slab.astype(slab.dtype.newbyteorder("<"), copy=False)
        for index, plane in enumerate(little, start=start):
            digest = hashlib.md5(plane.data, usedforsecurity=False).hexdigest()
            if digest != digests[index]:
                different.append(index)
    if not different:
        return len(digests), []
    shown = ", ".join(map(str, different[:10])) + (" and others" if len(different) > 10 else "")
    sentence = f"{len(different)} planes do not have the MD5 of slices.csv: {shown}."
    return len(digests), [("plane_changed", sentence)]
