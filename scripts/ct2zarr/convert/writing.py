"""Planes of one volume from file to store, never more than a slab of them in memory.

Planes are decoded in order, rescaled into a slab as deep as a chunk, hashed, and each full slab is
cut into chunks and stored. The metadata documents come last, when everything is known. A value
that does not fit the type that was tried starts the volume again with a wider one.
"""

import hashlib
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..dicom.decoding import GONE, SOURCE_CHANGED, SourceReader
from ..dicom.deidentification import Pseudonyms, key_from_environment
from ..dicom.metadata import Protect, SeriesMetadata, TagCollector
from ..dicom.planes import (
    WIDER,
    DoesNotFitError,
    Rescale,
    ValueType,
    first_type,
    rescale_of,
    write_values,
)
from ..errors import FileError, SeriesError
from ..geometry.pyramid import Level, plan_levels
from ..model import Frame, Json, RaisedFlag, SliceTable, VolumePlan
from ..plan.grouping import plan_without
from ..run.settings import ConvertSettings
from ..store.array_writing import ChunkWriter, PyramidWriter
from ..store.attributes import (
    convention_attributes,
    geometry_attributes,
    ome_attributes,
    spacing_of_plan,
)
from ..store.writers import StoreWriter
from ..store.zarr_documents import (
    COMPRESSOR,
    FILL_VALUE,
    ArrayLayout,
    documents,
)
from ..version import FORMAT_VERSION, __version__
from ..vocabulary import Flag
from .hu_check import HuCheck
from .provenance import library_versions, output_settings


@dataclass(frozen=True, slots=True)
class WrittenVolume:
    """What was written: all that series.json and slices.csv say about the pixels and the tags.

    Attributes:
        plan: the planes that are in the array; without those that ``on_bad_slice: drop`` left out.
        layout: of level 0. levels: of the pyramid, level 0 first.
        flags: of the plan and of the pixels, in the order of ``Flag``.
        values: kind, slope, intercept, units, padding_value, minimum, maximum.
        geometry: as ``VolumeRecord.geometry``.
        tags: keyword → value. varying_tags: series tags that are columns of ``slices`` instead.
        slices: all of slices.csv.
        decoders: decoder name → number of planes.
        read_seconds: reading and decoding. write_seconds: encoding and storing. Wall clock.
    """

    plan: VolumePlan
    layout: ArrayLayout
    levels: tuple[Level, ...]
    flags: tuple[RaisedFlag, ...]
    values: Mapping[str, Json]
    geometry: Mapping[str, Json]
    tags: Mapping[str, Json]
    varying_tags: tuple[str, ...]
    slices: SliceTable
    decoders: Mapping[str, int]
    read_seconds: float
    write_seconds: float

    @property
    def shape(self) -> tuple[int, int, int]:
        """(planes, rows, columns)."""
        return self.layout.shape

    @property
    def dtype(self) -> str:
        """int16, int32 or float32."""
        return self.layout.dtype


def write_volume(
    plan: VolumePlan,
    settings: ConvertSettings,
    writer: StoreWriter,
    *,
    fingerprint: str = "",
    manifest_md5: str = "",
) -> WrittenVolume:
    """Convert the planes of a plan into an open store; the caller finishes or aborts the writer.

    Args:
        fingerprint: of the sources and settings, for the attribute ``source_fingerprint``.
        manifest_md5: names the manifest that the plan is from.

    Raises:
        SeriesError: a plane cannot be decoded and ``on_bad_slice`` is ``fail``, the sources have
            changed since the manifest, or no plane is left. The reason is that of the file.
        MachineError: from the writer.
    """
    if not plan.planes:
        raise SeriesError(f"volume {plan.series_hash} has no plane to convert", "no_planes")
    rescales = _rescales(plan, settings)
    value_type = first_type(rescales)
    seconds = _Seconds()
    while True:
        collector = TagCollector(settings.metadata)
        attempt = _WriteAttempt(plan, rescales, value_type, settings, writer, collector, seconds)
        try:
            attempt.run()
        except DoesNotFitError:
            value_type = WIDER[value_type]
            writer.restart()
            continue
        if attempt.bad:
            plan = plan_without(plan, attempt.bad)
            if len(plan.planes) < attempt.chunks[0]:  # the chunks are to be capped anew
                rescales = _rescales(plan, settings)
                writer.restart()
                continue
        return _complete(plan, settings, writer, attempt, collector, fingerprint, manifest_md5)


def _rescales(plan: VolumePlan, settings: ConvertSettings) -> list[Rescale]:
    try:
        return [rescale_of(plane, settings.encoding.values) for plane in plan.planes]
    except FileError as error:
        raise SeriesError(str(error), error.reason) from error


@dataclass(slots=True)
class _Seconds:
    """Wall clock seconds, summed over all attempts."""

    read: float = 0.0
    write: float = 0.0


@dataclass
class _WriteAttempt:
    """One run over all planes with one value type; the fields below ``seconds`` are its results.

    ``bad``: index in the plan → why the plane could not be read; the planes behind it move up.
    """

    plan: VolumePlan
    rescales: list[Rescale]
    value_type: ValueType
    settings: ConvertSettings
    writer: StoreWriter
    collector: TagCollector
    seconds: _Seconds
    bad: dict[int, str] = field(default_factory=dict)
    digests: list[str] = field(default_factory=list)
    decoders: Counter[str] = field(default_factory=Counter)
    minimum: float = float("inf")
    maximum: float = float("-inf")
    padding_pixels: int = 0
    hu_check: HuCheck = field(default_factory=HuCheck)
    reduced: tuple[ArrayLayout, ...] = ()

    @property
    def levels(self) -> tuple[Level, ...]:
        """Level 0 and the reduced copies that are wanted and possible."""
        first = self.plan.planes[0]
        shape = (len(self.plan.planes), first.rows, first.columns)
        return plan_levels(shape, spacing_of_plan(self.plan), self.settings.encoding.pyramid_levels)

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Chunk shape, z capped at the number of planes."""
        z, y, x = self.settings.encoding.chunks
        return min(z, len(self.plan.planes)), y, x

    def layout(self) -> ArrayLayout:
        """Layout of the planes written so far."""
        first = self.plan.planes[0]
        return ArrayLayout(
            zarr_format=self.settings.encoding.format_number,
            shape=(len(self.digests), first.rows, first.columns),
            chunks=self.chunks,
            dtype=self.value_type,
            compression_level=self.settings.encoding.compression_level,
        )

    def run(self) -> None:
        """Write all chunks."""
        depth = self.chunks[0]
        first = self.plan.planes[0]
        slab = np.empty((depth, first.rows, first.columns), dtype=self.value_type)
        chunk_writer = ChunkWriter(self.layout(), self.writer)
        expected = (len(self.plan.planes), first.rows, first.columns)
        pyramid = PyramidWriter(self.levels, replace(self.layout(), shape=expected), self.writer)
        clock = time.perf_counter
        filled = 0
        with SourceReader(self.collector.wanted) as reader:
            for index, plane in enumerate(self.plan.planes):
                started = clock()
                if not self._add(index, plane, reader, slab[filled]):
                    continue
                filled += 1
                self.seconds.read += clock() - started
                if filled == depth:
                    started = clock()
                    chunk_writer.write(slab)
                    pyramid.add(slab)
                    self.seconds.write += clock() - started
                    filled = 0
        if not self.digests:
            raise SeriesError(
                f"none of the {len(self.plan.planes)} planes could be read: {self.bad[0]}",
                "no_planes",
            )
        started = clock()
        if filled:
            pyramid.add(slab[:filled])
            slab[filled:] = FILL_VALUE
            chunk_writer.write(slab)
        self.reduced = pyramid.finish()
        self.seconds.write += clock() - started

    def _add(self, index: int, plane: Frame, reader: SourceReader, out: NDArray[Any]) -> bool:
        """Read one plane into ``out``; return whether it could be read."""
        try:
            frame = reader.read(plane)
            if frame.stored.shape != out.shape:
                raise FileError(f"{Path(plane.path).name} has another matrix than its volume")
        except FileError as error:
            if self.settings.on_bad_slice == "fail" or error.reason in (GONE, SOURCE_CHANGED):
                raise SeriesError(str(error), error.reason) from error
            self.bad[index] = str(error)
            return False
        rescale = self.rescales[index]
        found = write_values(frame.stored, rescale, plane.padding_value, out)
        self.collector.add(plane, frame.header)
        self.decoders[frame.decoder] += 1
        self.digests.append(hashlib.md5(out.data, usedforsecurity=False).hexdigest())
        self.minimum = min(self.minimum, found.minimum)
        self.maximum = max(self.maximum, found.maximum)
        self.padding_pixels += found.padding_pixels
        self.hu_check.add(out, _rescaled(plane.padding_value, rescale))
        return True


def _complete(
    plan: VolumePlan,
    settings: ConvertSettings,
    writer: StoreWriter,
    attempt: _WriteAttempt,
    collector: TagCollector,
    fingerprint: str,
    manifest_md5: str,
) -> WrittenVolume:
    """Put the documents and gather the results of the pass that went through."""
    protect = _protection(settings, collector)
    metadata = collector.finish(plan.series_dir, protect)
    flags = _flags_of(plan, settings, attempt, metadata)
    geometry = geometry_attributes(plan, protect)
    values = _values(plan, settings, attempt)
    layout = attempt.layout()
    attributes: dict[str, Json] = {
        "version": __version__,
        "format_version": FORMAT_VERSION,
        "values": dict(values),
        "flags": [str(raised.flag) for raised in flags],
        **{name: value for name, value in geometry.items() if name != "tilt_degrees"},
        "series_hash": plan.series_hash,
        "source_fingerprint": fingerprint,
        "encoding": {
            "zarr_format": layout.zarr_format,
            "chunks": list(layout.chunks),
            "dtype": layout.dtype,
            "compressor": f"blosc-{COMPRESSOR}",
            "shuffle": "bitshuffle",
            "compression_level": layout.compression_level,
        },
        "levels": [level.as_json() for level in attempt.levels],
        "settings": output_settings(settings),
        "libraries": dict(library_versions()),
        "manifest_md5": manifest_md5,
    }
    group = {"ct2zarr": attributes, **ome_attributes(plan, layout, attempt.levels)}
    conventions = convention_attributes(values, flags)
    for key, document in documents((layout, *attempt.reduced), group, conventions).items():
        writer.put(key, document)
    return WrittenVolume(
        plan=plan,
        layout=layout,
        levels=attempt.levels,
        flags=flags,
        values=values,
        geometry=geometry,
        tags=metadata.tags,
        varying_tags=metadata.varying,
        slices=SliceTable(
            (*metadata.slices.columns, "md5"),
            tuple(
                (*row, digest)
                for row, digest in zip(metadata.slices.rows, attempt.digests, strict=True)
            ),
        ),
        decoders=dict(attempt.decoders),
        read_seconds=attempt.seconds.read,
        write_seconds=attempt.seconds.write,
    )


def _protection(settings: ConvertSettings, collector: TagCollector) -> Protect | None:
    if not settings.metadata.deidentify:
        return None
    return Pseudonyms(key_from_environment(), collector.patient_id()).protect


def _flags_of(
    plan: VolumePlan, settings: ConvertSettings, attempt: _WriteAttempt, metadata: SeriesMetadata
) -> tuple[RaisedFlag, ...]:
    """Findings of the plan, and those that only the pixels and all headers show."""
    found: dict[Flag, dict[str, Json]] = {
        finding.flag: dict(finding.evidence) for finding in plan.flags
    }
    if Flag.PADDING in found:
        pixels = attempt.padding_pixels
        total = int(np.prod(attempt.layout().shape))
        found[Flag.PADDING] |= {"pixels": pixels, "share": round(pixels / total, 6)}
    if metadata.unparsed:
        found.setdefault(Flag.UNPARSED_ELEMENTS, {})["tags"] = dict(metadata.unparsed)
    if _kind(plan, settings) in ("hu", "unscaled"):
        evidence = attempt.hu_check.evidence()
        if evidence is not None:
            found[Flag.SUSPICIOUS_HU] = evidence
    return tuple(RaisedFlag(flag, found[flag]) for flag in Flag if flag in found)


def _kind(plan: VolumePlan, settings: ConvertSettings) -> str:
    """Whether the array has HU, stored values, values of another unit, or no rescale at all."""
    flags = {finding.flag for finding in plan.flags}
    if settings.encoding.values == "stored":
        return "stored"
    if Flag.NOT_HU in flags:
        return "rescaled"
    return "unscaled" if Flag.NO_RESCALE in flags else "hu"


def _values(plan: VolumePlan, settings: ConvertSettings, attempt: _WriteAttempt) -> dict[str, Json]:
    """The attribute ``values``: what the numbers mean. What differs between planes is ``None``."""
    slopes = {1.0 if p.rescale_slope is None else p.rescale_slope for p in plan.planes}
    intercepts = {0.0 if p.rescale_intercept is None else p.rescale_intercept for p in plan.planes}
    types = {plane.rescale_type for plane in plan.planes}
    paddings = {
        _rescaled(plane.padding_value, rescale_of(plane, settings.encoding.values))
        for plane in plan.planes
    }
    kind = _kind(plan, settings)
    units = {"hu": "HU", "rescaled": _only(types) or "", "unscaled": "", "stored": ""}[kind]
    return {
        "kind": "stored" if kind == "unscaled" else kind,
        "slope": _only(slopes),
        "intercept": _only(intercepts),
        "units": units,
        "padding_value": _only(paddings),
        "minimum": attempt.minimum,
        "maximum": attempt.maximum,
    }


def _only(values: set[Any]) -> Any:
    return next(iter(values)) if len(values) == 1 else None


def _rescaled(padding_value: int | None, rescale: Rescale) -> float | None:
    if padding_value is None:
        return None
    value = rescale.slope * padding_value + rescale.intercept
    return int(value) if value.is_integer() else float(np.float32(value))
