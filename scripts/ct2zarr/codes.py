"""Why something could not be read, converted, checked or started: the code of every error.

A code is what tables, logs and decisions use; the sentence beside it explains it in docs/codes.md.
The sentence of a single error is rendered from its facts, see ``errors.sentence``.
"""

from .vocabulary import Described


class Code(Described):
    """Why something is not as it should be: the codes of errors and of tables."""

    # Settings and the machine: these end a job.
    SETTING_MISSING = "setting_missing", "a setting that is needed is not set"
    SETTING_WRONG = "setting_wrong", "a setting has a value that it cannot have"
    INPUT_MISSING = "input_missing", "a file that an earlier step writes is not there"
    INPUT_DAMAGED = "input_damaged", "a file that an earlier step wrote cannot be read as such"
    INPUT_MIXED = "input_mixed", "files of different runs lie together"
    DAMAGE_FOUND = "damage_found", "an audit found volumes that are not as they were written"
    MACHINE = "machine", "a disk, a folder or a process of the machine fails"

    # Files, volumes and stores: these become rows.
    UNEXPECTED_ERROR = (
        "unexpected_error",
        "an error that ct2zarr did not foresee; the log has its traceback",
    )
    REJECTED_FLAG = "rejected_flag", "the volume has a flag that reject_flags names"
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
    NO_MATRIX = "no_matrix", "Rows, Columns or BitsAllocated is missing or zero"
    BROKEN_LINK = "broken_link", "a link leads to a file that is not there"
    HEADER_TIMEOUT = "header_timeout", "reading the header of a file took too long"
    HEADER_CRASH = "header_crash", "reading the header of a file ended the process that read it"
    TOO_DEEP = "too_deep", "a file lies deeper below its root than max_depth"
    NOT_CT = "not_ct", "an image of another kind than CT"
    SECONDARY_CAPTURE = (
        "secondary_capture",
        "a secondary capture; include_secondary_capture would take it in",
    )
    LOCALIZER = "localizer", "ImageType says that the image is a localizer, scout or topogram"
    COLOUR = "colour", "a colour image, which has more than one number per pixel"
    BITS_ALLOCATED = "bits_allocated", "BitsAllocated is a number that cannot be converted"
    EXCLUDED_IMAGE_TYPE = "excluded_image_type", "exclude_image_types names the ImageType"
    DUPLICATE = "duplicate", "another frame has the same position and the same pixels"
    CONFLICTING_SLICES = (
        "conflicting_slices",
        "another frame, which was kept, has the same position and other pixels",
    )
    OTHER_MATRIX = "other_matrix", "a file has another number of rows or columns than its volume"
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
    NOT_A_SUMMARY = "not_a_summary", "the file is no summary of ct2zarr"
    UNKNOWN_FLAG = "unknown_flag", "there is no flag of that name"
    NOT_A_STORE = "not_a_store", "the file or folder is no store"
    NOT_A_VOLUME = "not_a_volume", "the store is no volume of ct2zarr"
