"""The closed vocabularies of ct2zarr: roles of files, flags of volumes, statuses, store types.

Each member carries the sentence that a user reads; the documentation, the configuration schema and
the report draw from here, so that a code means the same wherever it appears.
"""

from enum import StrEnum
from typing import Self


class _Described(StrEnum):
    """A string enumeration whose members also carry a sentence for users."""

    sentence: str

    def __new__(cls, code: str, sentence: str) -> Self:
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        return member


class Role(_Described):
    """What became of a regular file found under a dataset root; every file has exactly one role."""

    SLICE = "slice", "a plane of a volume"
    DUPLICATE = "duplicate", "same position and same pixels as a slice that was kept"
    LOCALIZER = "localizer", "a localizer, scout or topogram"
    NOT_CT = "not_ct", "a DICOM image of another kind than CT"
    NOT_IMAGE = "not_image", "a DICOM object without pixels"
    NOT_DICOM = "not_dicom", "not a DICOM file"
    UNREADABLE = "unreadable", "a file that cannot be read, or is cut short"
    EXCLUDED = "excluded", "left out by a setting or because it cannot be part of a volume"


class Flag(_Described):
    """What is unusual about a volume. Every flag set has its evidence in series.json."""

    SPLIT_SERIES = "split_series", "the series was divided into several volumes"
    MISSING_SLICES = "missing_slices", "planes are missing on the grid that the others make"
    DUPLICATE_SLICES = (
        "duplicate_slices",
        "files with the same position and the same pixels; one of each was kept",
    )
    CONFLICTING_SLICES = (
        "conflicting_slices",
        "files with the same position, other pixels, and no tag that tells them apart",
    )
    UNEVEN_SPACING = (
        "uneven_spacing",
        "the distance between planes varies; use slice_origins_lps for exact positions",
    )
    GANTRY_TILT = "gantry_tilt", "planes are sheared along the stack; index_to_lps has the shear"
    IN_PLANE_SHIFT = (
        "in_plane_shift",
        "plane origins do not lie on a line; use slice_origins_lps for exact positions",
    )
    NO_GEOMETRY = (
        "no_geometry",
        "position or orientation is missing; planes are in the order of InstanceNumber",
    )
    MIXED_RESCALE = "mixed_rescale", "rescale slope or intercept differs between planes"
    MIXED_PIXEL_FORMAT = (
        "mixed_pixel_format",
        "bits stored or signedness differs between planes",
    )
    UNREADABLE_FILES = "unreadable_files", "files of the series could not be read or decoded"
    LOCALIZERS_REMOVED = "localizers_removed", "localizer images were taken out of the series"
    SINGLE_SLICE = "single_slice", "the volume has one plane; its spacing along z is nominal"
    LOSSY_COMPRESSION = "lossy_compression", "the pixels went through lossy compression"
    PADDING = "padding", "the series declares a pixel padding value; it is kept in the array"
    SUSPICIOUS_HU = "suspicious_hu", "the histogram does not look like Hounsfield units"
    NOT_HU = "not_hu", "the rescaled values are not declared to be Hounsfield units"
    NO_RESCALE = (
        "no_rescale",
        "RescaleSlope and RescaleIntercept are absent; values are as stored",
    )
    SECONDARY_CAPTURE = "secondary_capture", "the images are secondary captures"
    BURNED_IN_ANNOTATION = "burned_in_annotation", "the images may show burned-in text"
    UNPARSED_ELEMENTS = "unparsed_elements", "header elements could not be parsed and were left out"


class Status(_Described):
    """How the conversion of one volume ended."""

    OK = "ok", "converted and published"
    FAILED = "failed", "not converted; reason and error say why"
    REJECTED = "rejected", "not to be used: a flag named in reject_flags, or a person's decision"


class Decision(_Described):
    """What a person decided on a volume that the report shows."""

    ACCEPT = "accept", "seen and found good"
    REJECT = "reject", "seen and found unfit; its status becomes rejected, its store stays"


class Reason(_Described):
    """Why a volume was not converted, or what an audit found: codes of the tables.

    A volume rejected because of its flags has those flags as its reason instead.
    """

    REJECTED_IN_REVIEW = "rejected_in_review", "a person rejected the volume in the report"
    UNREADABLE_FILES = (
        "unreadable_files",
        "a file of the series cannot be read or decoded, and on_bad_slice is fail",
    )
    UNREADABLE = "unreadable", "the system refuses to read a file: rights, or a fault of the disk"
    NOT_DICOM = "not_dicom", "a file of the series is not DICOM, or not any more"
    DAMAGED = "damaged", "the header of a source file, or a finished volume, cannot be read"
    TRUNCATED = "truncated", "the pixel data of a file end too early"
    CANNOT_DECODE = "cannot_decode", "no decoder can unpack the pixel data of a file"
    CANNOT_RESCALE = "cannot_rescale", "RescaleSlope is 0, which would lose all pixels"
    NO_PIXELS = "no_pixels", "a file has no pixels"
    NO_PLANES = "no_planes", "no plane of the volume is left that could be converted"
    SOURCE_GONE = "source_gone", "a source file is not where the manifest saw it"
    SOURCE_CHANGED = "source_changed", "a source file has changed since the manifest was made"
    HASH_COLLISION = "hash_collision", "two volumes have the same series_hash"
    TIMEOUT = "timeout", "the conversion took longer than series_timeout"
    OUT_OF_MEMORY = "out_of_memory", "the conversion wanted more memory than series_memory"
    WORKER_DIED = "worker_died", "the process that converted the volume crashed or was killed"
    VERIFICATION_FAILED = (
        "verification_failed",
        "the finished store does not agree with its source; it was not published",
    )
    DAMAGED_RECORD = "damaged_record", "series.json or slices.csv is not as it was written"
    FILE_MISSING = "file_missing", "the store, its series.json or its slices.csv is gone"
    OTHER_VOLUME = "other_volume", "series.json is that of another volume"
    SUMMARY_DIFFERS = "summary_differs", "the line of the summary is not that of series.json"
    SLICES_CHANGED = "slices_changed", "slices.csv has another MD5 than series.json gives"
    STORE_SIZE = "store_size", "the store has another size than series.json gives"
    STORE_CHANGED = "store_changed", "the file of the store has another CRC-32 than when made"
    CONTENT_CHANGED = "content_changed", "the keys or values of the store have another digest"
    ATTRIBUTE_DIFFERS = "attribute_differs", "an attribute of the store is not that of series.json"
    LAYOUT_DIFFERS = "layout_differs", "shape, chunks or data type are not those of series.json"
    PLANE_COUNT = "plane_count", "slices.csv has another number of planes than the array"
    PLANE_CHANGED = "plane_changed", "a plane has another MD5 than slices.csv gives"
    STORE_MISSING = "store_missing", "the store is not there"
    STORE_UNREADABLE = "store_unreadable", "the system refuses to read the store"
    STORE_INCOMPLETE = "store_incomplete", "the store was not written or copied to its end"
    STORE_DAMAGED = "store_damaged", "a chunk of the store is missing or cannot be unpacked"
    STORE_IN_WAL_MODE = "store_in_wal_mode", "something has opened the SQLite file to write"
    NOT_A_STORE = "not_a_store", "the file or folder is no store"
    NOT_A_VOLUME = "not_a_volume", "the store is no volume of ct2zarr"


class AuditStatus(_Described):
    """What reading a finished volume back showed."""

    INTACT = "intact", "every byte and every plane is as it was recorded"
    DAMAGED = "damaged", "something differs from the record; reason and error say what"
    MISSING = "missing", "the summary names the volume, but a file of it is gone"


class StoreType(_Described):
    """In what a volume is kept on disk."""

    SQLITE = "sqlite", "one SQLite file a volume"
    DIR = "dir", "one directory a volume"
    ZIP = "zip", "one zip file a volume"

    @property
    def suffix(self) -> str:
        """File name ending of a volume in this store, with the leading dot."""
        return {
            StoreType.SQLITE: ".zarr.sqlite",
            StoreType.DIR: ".zarr",
            StoreType.ZIP: ".zarr.zip",
        }[self]
