"""Why something could not be read, converted, checked or started: the code of every error.

A code is what tables, logs and decisions use; the sentence beside it explains it in docs/codes.md.
The sentence of a single error is rendered from its facts, see ``errors.sentence``.
"""

from .vocabulary import Described


class Code(Described):
    """What went wrong: the codes of errors and tables."""

    # Settings and the machine: these end a job.
    SETTING_MISSING = "setting_missing", "a required setting is missing"
    SETTING_WRONG = "setting_wrong", "a setting has an invalid value"
    INPUT_MISSING = "input_missing", "the output of an earlier step is missing"
    INPUT_DAMAGED = "input_damaged", "the output of an earlier step cannot be read"
    INPUT_MIXED = "input_mixed", "a folder has files of different runs"
    DAMAGE_FOUND = (
        "damage_found",
        "an audit found volumes that have changed since they were written",
    )
    MACHINE = "machine", "a fault of the machine: a disk, a folder or a process"

    # Files, volumes and stores: these become rows.
    UNEXPECTED_ERROR = (
        "unexpected_error",
        "an error that ct2zarr did not foresee; the log has its traceback",
    )
    REJECTED_FLAG = "rejected_flag", "the volume has a flag that reject_flags names"
    AMBIGUOUS_LAYERS = (
        "ambiguous_layers",
        "nothing tells which files belong together, and accept_ambiguous_layers is not set",
    )
    REJECTED_IN_REVIEW = "rejected_in_review", "a person rejected the volume in the report"
    UNREADABLE_FILES = (
        "unreadable_files",
        "a file of the series cannot be read or decoded, and on_bad_slice is fail",
    )
    UNREADABLE = "unreadable", "a file cannot be read: missing permission, or a disk fault"
    NOT_DICOM = "not_dicom", "a file is not DICOM, or no longer"
    DAMAGED = "damaged", "the header of a source file, or a finished volume, cannot be read"
    TRUNCATED = "truncated", "the pixel data of a file end too early"
    CANNOT_DECODE = "cannot_decode", "no decoder can decode the pixel data of a file"
    CANNOT_RESCALE = (
        "cannot_rescale",
        "RescaleSlope is 0, which would lose all pixels, or slope or intercept is absurd",
    )
    EMPTY_FILE = "empty_file", "a file is empty or begins with nothing but zeros"
    COMPRESSED_FILE = "compressed_file", "a file is an archive or compressed as a whole"
    TOO_LARGE = (
        "too_large",
        "a header is too large, or declares frames or a matrix that are too large",
    )
    NO_PIXELS = "no_pixels", "a file has no pixels"
    NO_MATRIX = "no_matrix", "Rows, Columns or BitsAllocated is missing or zero"
    BROKEN_LINK = "broken_link", "a link to a file that does not exist"
    HEADER_TIMEOUT = "header_timeout", "reading the header of a file took too long"
    HEADER_CRASH = "header_crash", "the process crashed while reading the header of a file"
    UNLISTED_FOLDER = (
        "unlisted_folder",
        "a folder cannot be listed: missing permission, or a disk fault",
    )
    SYSTEM_FOLDER = (
        "system_folder",
        "a file in a folder of version control, of deleted files, of snapshots or of thumbnails",
    )
    TOO_DEEP = "too_deep", "a file is deeper below its root than max_depth"
    NOT_CT = "not_ct", "an image that is not CT"
    SECONDARY_CAPTURE = (
        "secondary_capture",
        "a secondary capture; include_secondary_capture includes these",
    )
    LOCALIZER = "localizer", "ImageType says that the image is a localizer, scout or topogram"
    COLOUR = "colour", "a colour image, which has several values per pixel"
    BITS_ALLOCATED = "bits_allocated", "BitsAllocated has an unsupported value"
    EXCLUDED_IMAGE_TYPE = "excluded_image_type", "exclude_image_types names the ImageType"
    DUPLICATE = "duplicate", "another frame has the same position and pixels"
    CONFLICTING_SLICES = (
        "conflicting_slices",
        "a frame that was kept has the same position and different pixels",
    )
    OTHER_MATRIX = "other_matrix", "the number of rows or columns differs from that of the volume"
    SERIES_UNREADABLE = "series_unreadable", "no file of the series can be read"
    NO_PLANES = "no_planes", "the volume has no plane that can be converted"
    SOURCE_GONE = "source_gone", "a source file is no longer where the manifest found it"
    SOURCE_CHANGED = "source_changed", "a source file has changed since the manifest was made"
    HASH_COLLISION = "hash_collision", "two volumes have the same series_hash"
    TIMEOUT = "timeout", "the conversion took longer than series_timeout"
    OUT_OF_MEMORY = "out_of_memory", "the conversion needed more memory than series_memory"
    WORKER_DIED = "worker_died", "the process that converted the volume crashed or was killed"
    VERIFICATION_FAILED = (
        "verification_failed",
        "the finished store differs from its source and was not published",
    )
    HEADERS_DISAGREE = (
        "headers_disagree",
        "the headers of the planes, read again, contradict each other or what was written",
    )
    DECODERS_DISAGREE = (
        "decoders_disagree",
        "two decoders read different pixels from the same file",
    )
    DAMAGED_RECORD = "damaged_record", "series.json or slices.csv has changed since it was written"
    FILE_MISSING = "file_missing", "the store, its series.json or its slices.csv is gone"
    OTHER_VOLUME = "other_volume", "series.json belongs to another volume"
    SUMMARY_DIFFERS = "summary_differs", "the row of the summary differs from series.json"
    SLICES_CHANGED = "slices_changed", "the MD5 of slices.csv differs from the one in series.json"
    STORE_SIZE = "store_size", "the size of the store differs from the one in series.json"
    STORE_CHANGED = "store_changed", "the CRC-32 of the store's file has changed"
    CONTENT_CHANGED = "content_changed", "the digest of the store's keys and values has changed"
    ATTRIBUTE_DIFFERS = "attribute_differs", "an attribute of the store differs from series.json"
    LAYOUT_DIFFERS = "layout_differs", "shape, chunks or data type differ from series.json"
    PLANE_COUNT = "plane_count", "slices.csv and the array have different numbers of planes"
    PLANE_CHANGED = "plane_changed", "the MD5 of a plane differs from the one in slices.csv"
    STORE_MISSING = "store_missing", "the store does not exist"
    STORE_UNREADABLE = (
        "store_unreadable",
        "the store cannot be read: missing permission, or a disk fault",
    )
    STORE_INCOMPLETE = "store_incomplete", "the store was not completely written or copied"
    STORE_DAMAGED = (
        "store_damaged",
        "a part of the store is missing, too large or cannot be decompressed",
    )
    STORE_IN_WAL_MODE = (
        "store_in_wal_mode",
        "another program has opened the SQLite file for writing",
    )
    STORE_REPLACED = (
        "store_replaced",
        "the store was replaced or changed while it was open",
    )
    NEWER_FORMAT = "newer_format", "a later version of ct2zarr wrote the store"
    NOT_A_SUMMARY = "not_a_summary", "the file is not a summary of ct2zarr"
    UNKNOWN_FLAG = "unknown_flag", "no flag has this name"
    NOT_A_STORE = "not_a_store", "the file or folder is not a store"
    NO_GEOMETRY = "no_geometry", "the volume has no positions in the patient"
    NOT_A_VOLUME = "not_a_volume", "the store is not a volume of ct2zarr"
    NO_LEVEL = "no_level", "the volume has no reduced copy of this level"
    NO_HU = "no_hu", "it is not known how the values of the volume become Hounsfield units"
    NOT_REGULAR = "not_regular", "the planes do not lie on a regular grid, which was required"
    UNKNOWN_FORMAT = "unknown_format", "the name of a file to export to belongs to no known format"
    NOT_SHOWN = "not_shown", "a volume is too large for the pictures of the report"
    NO_VOLUMES = "no_volumes", "a dataset of patches has no volumes"
