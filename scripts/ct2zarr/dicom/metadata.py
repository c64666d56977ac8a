"""Header elements of the planes to the tags of a series and the rows of ``slices.csv``.

A plane's element is parsed only where its bytes differ from those of the first plane, so that
thousands of equal headers cost one comparison each. An element that cannot be parsed is left out
alone and is counted. In multi-frame files the functional groups of the frame come before those
that are shared, and both before the top level (PS3.3 C.7.6.16).
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import repeat

from pydicom.datadict import keyword_for_tag, tag_for_keyword

from ..codes import Code
from ..errors import SettingsError
from ..model import Frame, Json, SliceTable
from ..run.paths import path_below
from ..run.settings import MetadataSettings
from .element_values import ABSENT, Raw
from .functional_groups import GroupElements
from .header import RawHeader
from .tag_values import ParsingContext, as_text, parse_as_meant

SERIES_KEYWORDS = (
    "PatientID", "PatientName", "PatientSex", "PatientAge", "StudyInstanceUID",
    "SeriesInstanceUID", "StudyDate", "SeriesDate", "StudyDescription", "SeriesDescription",
    "Modality", "Manufacturer", "ManufacturerModelName", "BodyPartExamined", "ProtocolName",
    "ConvolutionKernel", "KVP", "FrameOfReferenceUID", "Rows", "Columns", "PixelSpacing",
    "SliceThickness", "SpacingBetweenSlices", "ImageOrientationPatient", "PatientPosition",
    "PhotometricInterpretation", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
    "SamplesPerPixel", "RescaleSlope", "RescaleIntercept", "RescaleType", "WindowCenter",
    "WindowWidth", "PixelPaddingValue", "PixelPaddingRangeLimit", "GantryDetectorTilt", "ImageType",
    "LossyImageCompression",
)  # fmt: skip
"""Written to series.json where all planes agree, and to slices.csv where they do not."""

SLICE_KEYWORDS = (
    "SOPInstanceUID", "InstanceNumber", "ImagePositionPatient", "SliceLocation",
    "AcquisitionNumber", "AcquisitionTime", "ContentTime",
)  # fmt: skip
"""Always a column of slices.csv."""

Protect = Callable[[str, Json], Json]
"""Takes a keyword and a value; returns what may leave this module, ``None`` for nothing."""

_PATIENT_ID = 0x00100020


@dataclass(frozen=True, slots=True)
class SeriesMetadata:
    """Tags of a volume.

    Attributes
    ----------
    tags
        Keyword → value of the elements that are one for all planes.
    varying
        Keywords of series tags that are columns of ``slices`` because planes differ.
    slices
        Everything of slices.csv but ``md5``.
    unparsed
        Keyword → number of planes in which the element could not be parsed.
    """

    tags: Mapping[str, Json]
    varying: tuple[str, ...]
    slices: SliceTable
    unparsed: Mapping[str, int]


def resolve_tags(names: Iterable[str]) -> dict[int, str]:
    """Tag → column name for DICOM keywords and for tags as eight hexadecimal digits.

    Raises
    ------
    SettingsError
        A name is neither.
    """
    found: dict[int, str] = {}
    for name in names:
        tag = tag_for_keyword(name)
        if tag is None:
            try:
                tag = int(name, 16) if len(name) == 8 else None
            except ValueError:
                tag = None
        if tag is None:
            raise SettingsError(
                Code.SETTING_WRONG,
                "{name!r} in extra_series_tags or extra_slice_tags is neither a DICOM keyword nor"
                " a tag of eight hexadecimal digits such as 00180015",
                name=name,
            )
        found[tag] = _name_of(tag)
    return found


def _name_of(tag: int) -> str:
    return keyword_for_tag(tag) or f"{tag:08x}"


class TagCollector:
    """Takes the headers of the planes in order and gives the metadata of the volume."""

    def __init__(self, settings: MetadataSettings) -> None:
        self._series = resolve_tags((*SERIES_KEYWORDS, *settings.extra_series_tags))
        self._slice = resolve_tags((*SLICE_KEYWORDS, *settings.extra_slice_tags))
        for tag in self._slice:
            self._series.pop(tag, None)
        self.wanted = frozenset(self._series) | frozenset(self._slice)
        """Tags that ``SourceReader`` is to keep."""
        self._tags = tuple(self._series)
        self._first: list[Raw] = [ABSENT] * len(self._tags)  # of the first plane
        self._others: dict[int, dict[int, Raw]] = {}
        self._slice_raws: list[dict[int, Raw]] = []
        self._contexts: list[ParsingContext] = []
        self._planes: list[Frame] = []
        self._groups = GroupElements()

    def add(self, frame: Frame, header: RawHeader) -> None:
        """Take the header of the next plane."""
        index = len(self._planes)
        self._planes.append(frame)
        values = header.values
        if header.groups:
            values = {**values, **self._groups.of_frame(frame, header)}
        context = ParsingContext.of(frame, header)
        if self._contexts and context == self._contexts[-1]:
            context = self._contexts[-1]
        self._contexts.append(context)
        raws = list(map(values.get, self._tags, repeat(ABSENT)))
        if index == 0:
            self._first = raws
        if raws != self._first:
            for tag, raw, first in zip(self._tags, raws, self._first, strict=True):
                if raw != first:
                    self._others.setdefault(tag, {})[index] = raw
        self._slice_raws.append({tag: values.get(tag, ABSENT) for tag in self._slice})

    def patient_id(self) -> str:
        """PatientID of the first plane, which the keyed offset of dates belongs to."""
        raw = dict(zip(self._tags, self._first, strict=True)).get(_PATIENT_ID, ABSENT)
        value = self._parse(_PATIENT_ID, 0, raw, Counter())
        return value if isinstance(value, str) else ""

    def finish(self, series_dir: str, protect: Protect | None = None) -> SeriesMetadata:
        """The metadata of all planes that were added.

        Parameters
        ----------
        series_dir
            File names are written relative to it.
        protect
            Applied to every value that leaves; ``None`` leaves them as they are.
        """
        guard: Protect = protect or (lambda _, value: value)
        unparsed: Counter[str] = Counter()
        same, varying = self._series_values(unparsed)
        kept = {name: guard(name, value) for name, value in same.items()}
        columns = self._slice_values(unparsed) | varying
        names = [guard("file_name", path_below(p.path, series_dir)) for p in self._planes]
        rows = tuple(
            (
                str(index),
                as_text(names[index]),
                str(plane.frame_number),
                *(as_text(guard(name, values[index])) for name, values in columns.items()),
            )
            for index, plane in enumerate(self._planes)
        )
        return SeriesMetadata(
            tags={name: value for name, value in kept.items() if value is not None},
            varying=tuple(varying),
            slices=SliceTable(("slice_index", "file_name", "frame", *columns), rows),
            unparsed=dict(unparsed),
        )

    def _series_values(
        self, unparsed: Counter[str]
    ) -> tuple[dict[str, Json], dict[str, list[Json]]]:
        """Keyword → the value of all planes, and keyword → values where planes differ."""
        same: dict[str, Json] = {}
        varying: dict[str, list[Json]] = {}
        for (tag, name), raw in zip(self._series.items(), self._first, strict=True):
            first = self._parse(tag, 0, raw, unparsed)
            others = {
                index: self._parse(tag, index, raw, unparsed)
                for index, raw in self._others.get(tag, {}).items()
            }
            if all(value == first for value in others.values()):
                same[name] = first
            else:
                varying[name] = [others.get(n, first) for n in range(len(self._planes))]
        return same, varying

    def _slice_values(self, unparsed: Counter[str]) -> dict[str, list[Json]]:
        """Keyword → values of the planes, for the tags that are always columns."""
        columns: dict[str, list[Json]] = {
            name: [
                self._parse(tag, n, raws[tag], unparsed) for n, raws in enumerate(self._slice_raws)
            ]
            for tag, name in self._slice.items()
        }
        columns["SOPInstanceUID"] = [  # where the header has none, that of the file's meta group
            uid or plane.sop_instance_uid
            for uid, plane in zip(columns["SOPInstanceUID"], self._planes, strict=True)
        ]
        return columns

    def _parse(self, tag: int, plane: int, raw: Raw, unparsed: Counter[str]) -> Json:
        value, regular = parse_as_meant(tag, raw, self._contexts[plane])
        if not regular:
            unparsed[_name_of(tag)] += 1
        return value
