"""Write the store of one volume, in as many attempts as its values need.

An attempt writes all planes with one data type and one chunk shape. It starts again with a wider
type when a value does not fit, with another reading of the bits when some planes show that the
header is wrong for all, and with flatter chunks when planes were left out. The metadata documents
come last, when everything is known.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..codes import Code
from ..dicom.deidentification import Pseudonyms, key_from_environment
from ..dicom.metadata import Protect, TagCollector
from ..dicom.planes import WIDER, DoesNotFitError, first_type
from ..dicom.rescale import Rescale, rescale_of
from ..dicom.stored_values import AS_THE_HEADER_SAYS
from ..errors import FileError, SeriesError
from ..geometry.pyramid import Level
from ..model import Json, RaisedFlag, SliceTable, VolumePlan
from ..plan.grouping import plan_without
from ..run.checksums import PLANE_MD5
from ..run.settings import ConvertSettings
from ..store.attributes import convention_attributes, geometry_attributes, ome_attributes
from ..store.base import StoreWriter
from ..store.zarr_documents import GROUP_ATTRIBUTE, ArrayLayout, documents
from .volume_attributes import (
    Source,
    all_flags,
    values_attribute,
    values_written,
    volume_attributes,
)
from .write_attempt import Seconds, WriteAttempt

__all__ = ["Source", "WrittenVolume", "write_volume"]


@dataclass(frozen=True, slots=True)
class WrittenVolume:
    """What was written: all that series.json and slices.csv say about the pixels and the tags.

    Attributes
    ----------
    plan
        The planes that are in the array; without those that ``on_bad_slice: drop`` left out.
    layout
        Of level 0.
    levels
        Of the pyramid, level 0 first.
    flags
        Of the plan and of the pixels, in the order of ``Flag``.
    values
        Kind, slope, intercept, units, padding_value, minimum, maximum.
    geometry
        As ``VolumeRecord.geometry``.
    tags
        Keyword → value.
    varying_tags
        Series tags that are columns of ``slices`` instead.
    slices
        All of slices.csv.
    decoders
        Decoder name → number of planes.
    refused
        Index in the array → decoders that could not read the plane, although others could.
    read_seconds
        Reading and decoding.
    write_seconds
        Encoding and storing. Wall clock.
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
    refused: Mapping[int, tuple[str, ...]]
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
    plan: VolumePlan, settings: ConvertSettings, writer: StoreWriter, source: Source
) -> WrittenVolume:
    """Convert the planes of a plan into an open store; the caller finishes or aborts the writer.

    Parameters
    ----------
    source
        What the attributes say of the sources.

    Raises
    ------
    SeriesError
        A plane cannot be decoded and ``on_bad_slice`` is ``fail``, the sources have changed since
        the manifest was made, or no plane is left. It has the code of the file.
    MachineError
        From the writer.
    """
    if not plan.planes:
        raise SeriesError(Code.NO_PLANES, "the volume has no plane to convert")
    rescales = _rescales(plan, settings)
    value_type = first_type(rescales)
    seconds = Seconds()
    assumed = AS_THE_HEADER_SAYS
    while True:
        attempt = WriteAttempt(plan, rescales, value_type, settings, writer, seconds, assumed)
        try:
            attempt.run()
        except DoesNotFitError:
            value_type = WIDER[value_type]
            writer.restart()
            continue
        if assumed == AS_THE_HEADER_SAYS != attempt.bits.assumption():
            assumed = attempt.bits.assumption()  # some planes told what others do not
            writer.restart()
            continue
        if attempt.unreadable:
            plan = plan_without(plan, attempt.unreadable)
            if len(plan.planes) < attempt.chunks[0]:  # the chunks have to be flatter
                rescales = _rescales(plan, settings)
                writer.restart()
                continue
        return _with_documents(plan, settings, attempt, source)


def _rescales(plan: VolumePlan, settings: ConvertSettings) -> list[Rescale]:
    try:
        return [rescale_of(plane, values_written(plan, settings)) for plane in plan.planes]
    except FileError as error:
        raise SeriesError(
            error.code, "{cause}", path=error.path, frame=error.frame, cause=error
        ) from error


def _with_documents(
    plan: VolumePlan, settings: ConvertSettings, attempt: WriteAttempt, source: Source
) -> WrittenVolume:
    """Write the metadata documents of a complete attempt, and gather its results."""
    protect = _protection(settings, attempt.collector)
    metadata = attempt.collector.finish(plan.series_dir, protect)
    flags = all_flags(plan, settings, attempt, source, metadata.unparsed)
    values = values_attribute(plan, settings, attempt)
    geometry = geometry_attributes(plan, protect)
    layout = attempt.layout()
    group = {
        GROUP_ATTRIBUTE: volume_attributes(
            plan, settings, attempt, source, flags, values, geometry
        ),
        **ome_attributes(plan, layout, attempt.levels),
    }
    conventions = convention_attributes(values, flags)
    layouts = (layout, *attempt.reduced_layouts)
    for key, document in documents(layouts, group, conventions).items():
        attempt.writer.put(key, document)
    return WrittenVolume(
        plan=plan,
        layout=layout,
        levels=attempt.levels,
        flags=flags,
        values=values,
        geometry=geometry,
        tags=metadata.tags,
        varying_tags=metadata.varying,
        slices=_with_md5s(metadata.slices, attempt.digests),
        decoders=dict(attempt.decoders),
        refused=dict(attempt.refused),
        read_seconds=attempt.seconds.read,
        write_seconds=attempt.seconds.write,
    )


def _protection(settings: ConvertSettings, collector: TagCollector) -> Protect | None:
    if not settings.metadata.deidentify:
        return None
    return Pseudonyms(key_from_environment(), collector.patient_id()).protect


def _with_md5s(slices: SliceTable, digests: list[str]) -> SliceTable:
    rows = zip(slices.rows, digests, strict=True)
    return SliceTable((*slices.columns, PLANE_MD5), tuple((*row, digest) for row, digest in rows))
