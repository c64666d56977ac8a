"""What travels between the steps: frozen records with typed fields and units.

``Frame`` (a frame as its header describes it) goes from scanning to grouping; ``VolumePlan``
(which frames make a volume, in which order) from grouping to conversion; ``VolumeRecord`` (what
was written) from conversion to the summaries.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from .codes import Code
from .errors import FileError, SeriesError, sentence
from .vocabulary import Flag, Role

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
Vector = tuple[float, float, float]
Orientation = tuple[float, float, float, float, float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of one file, as its header describes it; no pixels.

    A file that is no CT image has one ``Frame``, with a role other than ``slice``, a reason, and
    whatever could be read of the header. Text is stripped; absent text is ``""`` and an absent
    number ``None``. The DICOM keyword of a field is its name in CamelCase unless said otherwise.

    Attributes
    ----------
    dataset
        Name of the dataset root under which the file was found.
    root
        Absolute path of that root.
    path
        Absolute path of the file.
    bytes
        Size of the file.
    mtime_ns
        Modification time of the file, nanoseconds.
    role
        ``slice`` for a frame that may become a plane; otherwise the file's final role.
    reason
        Why the role is not ``slice``, as a sentence; empty for slices.
    code
        The same as a code, for decisions and tables; ``None`` for slices.
    frame_number
        Frame number, from 1; 1 for a single-frame file (PS3.3 C.7.6.6).
    frames
        NumberOfFrames of the file, 1 for a single-frame file.
    image_type
        Values joined by a backslash, upper case.
    position
        ImagePositionPatient, mm, LPS (PS3.3 C.7.6.2.1.1), or what ACR-NEMA had in its place,
        (0020,0030).
    orientation
        ImageOrientationPatient, row cosines then column cosines, or (0020,0035).
    nominal_position
        The position is none of the header's: it follows from that of the file's first frame,
        SpacingBetweenSlices and the normal.
    slice_location
        Mm.
    pixel_spacing
        PixelSpacing, mm, (between rows, between columns).
    slice_thickness
        Mm.
    spacing_between_slices
        Mm, as in the header, sign kept.
    gantry_tilt
        GantryDetectorTilt, degrees, as in the header.
    patient
        16 hexadecimal digits of a digest of PatientID, ``""`` where it is absent; it tells patients
        apart without naming them.
    temporal_position
        TemporalPositionIdentifier.
    temporal_index
        TemporalPositionIndex.
    trigger_time
        Ms.
    cardiac_delay
        NominalCardiacTriggerDelayTime, ms.
    cardiac_phase
        NominalPercentageOfCardiacPhase.
    rescale_slope, rescale_intercept
        ``None`` where the header has none.
    padding_value
        PixelPaddingValue as the integer of the stored pixel representation.
    lossy
        LossyImageCompression is 01 or the transfer syntax is a lossy one.
    burned_in
        BurnedInAnnotation is YES.
    bad_elements
        Number of header elements that do not follow the standard; they are absent, or read as what
        they plainly mean (see ``element_values.read_as_meant``).
    pixels_missing
        Bytes of uncompressed pixel data that the file lacks; 0 when complete.
    modality_lut
        ModalityLUTSequence is there: a table instead of slope and intercept.
    """

    dataset: str
    root: str
    path: str
    bytes: int
    mtime_ns: int
    role: Role
    reason: str = ""
    code: Code | None = None
    frame_number: int = 1
    frames: int = 1
    sop_class_uid: str = ""
    sop_instance_uid: str = ""
    series_uid: str = ""
    study_uid: str = ""
    patient: str = ""
    series_number: int | None = None
    frame_of_reference_uid: str = ""
    transfer_syntax_uid: str = ""
    modality: str = ""
    image_type: str = ""
    instance_number: int | None = None
    acquisition_number: int | None = None
    temporal_position: int | None = None
    temporal_index: int | None = None
    trigger_time: float | None = None
    cardiac_delay: float | None = None
    cardiac_phase: float | None = None
    kernel: str = ""
    scan_options: str = ""
    stack_id: str = ""
    echo_number: int | None = None
    rows: int = 0
    columns: int = 0
    position: Vector | None = None
    nominal_position: bool = False
    slice_location: float | None = None
    orientation: Orientation | None = None
    pixel_spacing: tuple[float, float] | None = None
    slice_thickness: float | None = None
    spacing_between_slices: float | None = None
    gantry_tilt: float | None = None
    patient_position: str = ""
    kvp: float | None = None
    manufacturer: str = ""
    manufacturer_model: str = ""
    samples_per_pixel: int = 1
    photometric: str = ""
    bits_allocated: int = 0
    bits_stored: int = 0
    high_bit: int = 0
    pixel_representation: int = 0
    rescale_slope: float | None = None
    rescale_intercept: float | None = None
    rescale_type: str = ""
    padding_value: int | None = None
    lossy: bool = False
    burned_in: bool = False
    bad_elements: int = 0
    pixels_missing: int = 0
    modality_lut: bool = False


SHORTENED = "shortened"
"""Member of the evidence of a flag that names the lists of which the manifest holds the start."""


@dataclass(frozen=True, slots=True)
class RaisedFlag:
    """A flag with the count or measure that led to it (JSON values)."""

    flag: Flag
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnusedFrame:
    """A frame that belongs to a series but is no plane of a volume: duplicate, localizer, …

    ``reason`` is the sentence for people, ``code`` what decisions and tables use.
    """

    frame: Frame
    role: Role
    reason: str
    code: Code | None = None

    @classmethod
    def of(cls, frame: Frame) -> "UnusedFrame":
        """A frame whose own role says that it is no slice."""
        return cls(frame, frame.role, frame.reason, frame.code)

    @classmethod
    def because(cls, frame: Frame, role: Role, error: FileError) -> "UnusedFrame":
        """A frame that grouping or decoding leaves out."""
        return cls(frame, role, sentence(error), error.code)


@dataclass(frozen=True, slots=True)
class VolumePlan:
    """Which frames make one volume, in which order, and what is unusual about them.

    Attributes
    ----------
    series_hash
        32 hexadecimal digits; see ``grouping.series_hash``.
    series_dir
        Absolute path of the deepest folder that holds all files of the volume.
    series_uid
        SeriesInstanceUID, empty where the header has none.
    part, parts
        This volume is part ``part`` (from 1) of ``parts`` of its series.
    split_by
        The keywords that tell the parts apart, joined by ``+``, or ``folder``, ``file`` or
        ``file_name``; empty for one part, and where nothing tells them apart.
    planes
        The frames in ascending order along the slice normal (row x column direction).
    unused
        Frames of the series that are accounted with this volume but are no plane.
    flags
        What the headers alone show; flags in the order of ``Flag``.
    """

    series_hash: str
    dataset: str
    series_dir: str
    series_uid: str
    study_uid: str
    part: int
    parts: int
    split_by: str
    planes: tuple[Frame, ...]
    unused: tuple[UnusedFrame, ...]
    flags: tuple[RaisedFlag, ...]


@dataclass(frozen=True, slots=True)
class VolumeRecord:
    """What was written for one volume: the content of ``meta/{series_hash}.series.json``.

    It is written last, so its presence says that the store and ``slices.csv`` are complete.

    Attributes
    ----------
    version
        Version of ct2zarr.
    format_version
        Version of what it writes.
    fingerprint
        Hash of sources and settings; equal fingerprints need no new conversion.
    store
        File name of the store below ``data/``.
    shape
        (planes, rows, columns).
    dtype
        Zarr data type name, such as ``int16``.
    chunks
        As written, z capped at the number of planes.
    flags
        Codes in the order of ``Flag``.
    findings
        Code → evidence.
    values
        Kind, slope, intercept, units, padding_value, minimum, maximum.
    geometry
        Spacing, orientation, index_to_lps, slice_origins_lps, max_position_error_mm, tilt_degrees,
        frame_of_reference_uid; the members are ``None`` without geometry.
    tags
        Keyword → value of the header elements that are one for all planes.
    varying_tags
        Keywords that are columns of slices.csv because planes differ in them.
    input_bytes
        Size of the source files.
    output_bytes
        Size of the store.
    store_digest
        ``StoreDigest`` of the store's keys and values, whatever keeps them.
    store_crc32
        Of every byte of a store that is one file; empty for a directory.
    slices_md5
        Of slices.csv.
    verification
        Ok, slices (indices checked), decoders.
    seconds
        Read, write, verify, total (wall clock).
    decoders
        Decoder name → number of planes.
    libraries
        Package → version.
    settings
        Option → value, those that determine the output.
    manifest_md5
        Of the series_all.csv (or the CSV written by hand) that named the volume.
    """

    version: str
    format_version: int
    fingerprint: str
    series_hash: str
    dataset: str
    series_dir: str
    part: int
    parts: int
    split_by: str
    store: str
    store_type: str
    zarr_format: int
    shape: tuple[int, int, int]
    dtype: str
    chunks: tuple[int, int, int]
    compression_level: int
    flags: tuple[str, ...]
    findings: Mapping[str, Json]
    values: Mapping[str, Json]
    geometry: Mapping[str, Json]
    tags: Mapping[str, Json]
    localizers_skipped: int
    duplicates: int
    files_unreadable: int
    input_files: int
    input_bytes: int
    output_bytes: int
    store_digest: str
    store_crc32: str
    slices_md5: str
    verification: Mapping[str, Json]
    seconds: Mapping[str, Json]
    decoders: Mapping[str, Json]
    libraries: Mapping[str, Json]
    settings: Mapping[str, Json]
    manifest_md5: str
    varying_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SliceTable:
    """Content of slices.csv: a row per plane, in plane order, all values as text.

    ``columns`` start with slice_index; the others are DICOM keywords, file_name, frame and md5.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def column(self, name: str) -> tuple[str, ...]:
        """The values of one column; SeriesError when there is none of that name."""
        if name not in self.columns:
            raise SeriesError(
                Code.DAMAGED_RECORD,
                "slices.csv has no column {column}; convert the volume again",
                column=name,
            )
        position = self.columns.index(name)
        return tuple(row[position] for row in self.rows)
