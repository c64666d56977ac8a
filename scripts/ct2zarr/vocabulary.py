"""The closed vocabularies of ct2zarr: roles of files, flags of volumes, statuses, store types.

Each member carries the sentence that a user reads; the documentation, the configuration schema and
the report draw from here, so that a code means the same wherever it appears.
"""

from enum import StrEnum
from typing import Self


class Described(StrEnum):
    """A string enumeration whose members also carry a sentence for users."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        """A member with its code as value."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member


class Role(Described):
    """How a regular file found under a dataset root is used; every file has exactly one role."""

    SLICE = "slice", "a plane of a volume"
    DUPLICATE = "duplicate", "same position and pixels as a slice that was kept"
    LOCALIZER = "localizer", "a localizer, scout or topogram"
    NOT_CT = "not_ct", "a DICOM image that is not CT"
    NOT_IMAGE = "not_image", "a DICOM object without pixels"
    NOT_DICOM = "not_dicom", "not a DICOM file"
    UNREADABLE = "unreadable", "a file that cannot be read or is truncated"
    EXCLUDED = "excluded", "left out by a setting, or because it cannot be part of a volume"


class FlagLevel(Described):
    """What a flag means for the use of a volume, the most serious first."""

    SEVERE = "severe", "do not use the volume unseen: its values or planes may be wrong"
    CHECK = "check", "the volume is what its files say; check whether it suits your purpose"
    NOTE = "note", "handled; nothing has to be done"


class Flag(Described):
    """What is unusual about a volume. Every flag that is set has its evidence in series.json.

    Attributes
    ----------
    level
        What the flag means for the use of the volume.
    """

    level: FlagLevel

    def __new__(cls, code: str, sentence: str, level: FlagLevel) -> Self:
        """A member with its code as value."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.level = level
        return member

    SPLIT_SERIES = (
        "split_series",
        "the series was divided into several volumes",
        FlagLevel.NOTE,
    )
    REUSED_SERIES_UID = (
        "reused_series_uid",
        "files of several studies or patients have one SeriesInstanceUID, or none; they are apart",
        FlagLevel.CHECK,
    )
    MISSING_SLICES = (
        "missing_slices",
        "planes are missing from the grid that the others form",
        FlagLevel.CHECK,
    )
    DUPLICATE_SLICES = (
        "duplicate_slices",
        "files with the same position and pixels; one of each was kept",
        FlagLevel.NOTE,
    )
    CONFLICTING_SLICES = (
        "conflicting_slices",
        "files with the same position and different pixels, which at most an order tells apart",
        FlagLevel.SEVERE,
    )
    AMBIGUOUS_LAYERS = (
        "ambiguous_layers",
        "nothing tells which of the files at one position belong together; planes may be mixed",
        FlagLevel.SEVERE,
    )
    INTERLEAVED_STACKS = (
        "interleaved_stacks",
        "planes look like those of several stacks in turn, but nothing certain says so",
        FlagLevel.SEVERE,
    )
    UNEVEN_SPACING = (
        "uneven_spacing",
        "the distance between planes varies; use slice_origins_lps for exact positions",
        FlagLevel.CHECK,
    )
    GANTRY_TILT = (
        "gantry_tilt",
        "planes are sheared along the stack; index_to_lps has the shear",
        FlagLevel.CHECK,
    )
    IN_PLANE_SHIFT = (
        "in_plane_shift",
        "plane origins are not on a line; use slice_origins_lps for exact positions",
        FlagLevel.CHECK,
    )
    NO_GEOMETRY = (
        "no_geometry",
        "position, orientation or pixel spacing is missing or unusable; order_by in the evidence "
        "says what orders the planes",
        FlagLevel.SEVERE,
    )
    NOMINAL_POSITIONS = (
        "nominal_positions",
        "one position stands for a whole file; SpacingBetweenSlices gives those of its frames",
        FlagLevel.CHECK,
    )
    INEXACT_ORIENTATION = (
        "inexact_orientation",
        "direction cosines are no unit vectors or jitter between planes; they were made one "
        "orientation of unit vectors",
        FlagLevel.NOTE,
    )
    MIXED_RESCALE = (
        "mixed_rescale",
        "rescale slope or intercept differs between planes",
        FlagLevel.NOTE,
    )
    MIXED_PIXEL_FORMAT = (
        "mixed_pixel_format",
        "bits stored or signedness differs between planes",
        FlagLevel.NOTE,
    )
    VARYING_ACQUISITION = (
        "varying_acquisition",
        "tube voltage (KVP) or slice thickness differs between planes",
        FlagLevel.CHECK,
    )
    CONTRADICTED_HEADER = (
        "contradicted_header",
        "the pixels are not what the header says of their bits; the evidence says how they differ",
        FlagLevel.CHECK,
    )
    DOUBTFUL_PIXELS = (
        "doubtful_pixels",
        "a decoder refused compressed pixels that another one accepted; they may be damaged",
        FlagLevel.SEVERE,
    )
    UNREADABLE_FILES = (
        "unreadable_files",
        "files of the series could not be read or decoded",
        FlagLevel.CHECK,
    )
    LOCALIZERS_REMOVED = (
        "localizers_removed",
        "localizer images were removed from the series",
        FlagLevel.NOTE,
    )
    SINGLE_SLICE = (
        "single_slice",
        "the volume has one plane; its spacing along z is nominal",
        FlagLevel.CHECK,
    )
    LOSSY_COMPRESSION = (
        "lossy_compression",
        "the pixels were compressed with loss",
        FlagLevel.CHECK,
    )
    PADDING = (
        "padding",
        "the series declares a pixel padding value; it is kept in the array",
        FlagLevel.NOTE,
    )
    SUSPICIOUS_HU = (
        "suspicious_hu",
        "the histogram does not look like Hounsfield units",
        FlagLevel.SEVERE,
    )
    NOT_HU = (
        "not_hu",
        "the rescaled values are not declared to be Hounsfield units",
        FlagLevel.SEVERE,
    )
    NO_RESCALE = (
        "no_rescale",
        "RescaleSlope or RescaleIntercept is absent or unreadable; values are as stored",
        FlagLevel.SEVERE,
    )
    SECONDARY_CAPTURE = (
        "secondary_capture",
        "the images are secondary captures",
        FlagLevel.SEVERE,
    )
    BURNED_IN_ANNOTATION = (
        "burned_in_annotation",
        "the images may show burned-in text",
        FlagLevel.CHECK,
    )
    UNPARSED_ELEMENTS = (
        "unparsed_elements",
        "header elements break the rules of DICOM; they were left out, or read as plainly meant",
        FlagLevel.CHECK,
    )


class Status(Described):
    """How the conversion of one volume ended."""

    OK = "ok", "converted and published"
    FAILED = "failed", "not converted; see reason and error"
    REJECTED = "rejected", "not for use: a flag is not accepted, or a person rejected it"


class Belonging(Described):
    """Whether the headers of all planes, read again from their files, are of one volume."""

    CONSTANT = "constant", "all planes agree in patient, study, series, modality and acquisition"
    FLAGGED = "flagged", "all planes agree, but for what the flag varying_acquisition names"
    UNCHECKED = "unchecked", "the headers of some planes, or of all, were not compared"


class Decision(Described):
    """A person's decision on a volume in the report."""

    ACCEPT = "accept", "reviewed and found good"
    REJECT = (
        "reject",
        "reviewed and found unfit; its status becomes rejected, and its store is kept",
    )


class AuditStatus(Described):
    """The result of reading a finished volume back."""

    INTACT = "intact", "every byte and every plane is as recorded"
    DAMAGED = "damaged", "something differs from the record; see reason and error"
    MISSING = "missing", "the summary names the volume, but one of its files is gone"


class StoreType(Described):
    """The kinds of store that hold a volume on disk."""

    SQLITE = "sqlite", "one SQLite file per volume"
    DIR = "dir", "one directory per volume"
    ZIP = "zip", "one zip file per volume"

    @property
    def suffix(self) -> str:
        """File name ending of a volume in this store, with the leading dot."""
        return {
            StoreType.SQLITE: ".zarr.sqlite",
            StoreType.DIR: ".zarr",
            StoreType.ZIP: ".zarr.zip",
        }[self]
