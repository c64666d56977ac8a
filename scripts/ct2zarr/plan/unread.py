"""What of the datasets was not read, why, and what to do about it.

A file that no program has read is a file whose planes are missing, and nobody sees that in the
volumes. So each cause has a count, a sentence and a remedy, which the manifest, the closing table
and the report show. The sentences name no file: files_excluded.parquet and the shards do.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from ..codes import Code
from ..model import Json
from ..run.paths import MANIFEST_SUMMARY
from ..scan.scanning import Scan
from ..vocabulary import Role


@dataclass(frozen=True, slots=True)
class Unread:
    """Files or folders that were not read for one cause.

    Attributes
    ----------
    code
        The cause.
    files
        Files that were found but not read.
    folders
        Folders that could not be listed; how many files are in them is unknown.
    sentence
        What was not read and why.
    remedy
        What to do about it.
    """

    code: Code
    files: int
    folders: int
    sentence: str
    remedy: str


_AGAIN = "make the manifest again (`-R manifest`)"
_COPY = f"copy them from their source again, then {_AGAIN}"
_CAUSES: Mapping[Code, tuple[str, str]] = {
    Code.UNREADABLE: (
        "files that cannot be opened or read",
        f"check their permissions and the disk, then {_AGAIN}",
    ),
    Code.HEADER_TIMEOUT: (
        "files that took too long to read",
        f"check the disk or the network folder, then {_AGAIN}",
    ),
    Code.HEADER_CRASH: (
        "files that ended the process that read them",
        f"check the memory of the machine, then {_AGAIN}; if that does not help, report it",
    ),
    Code.BROKEN_LINK: (
        "links to files that do not exist",
        f"fetch the files to which they lead (such as with `git annex get`), then {_AGAIN}",
    ),
    Code.DAMAGED: ("files with a damaged header", _COPY),
    Code.TRUNCATED: ("files whose pixel data are cut short", _COPY),
    Code.NO_MATRIX: ("files without Rows, Columns or BitsAllocated", _COPY),
    Code.EMPTY_FILE: ("files of CT series that are empty", _COPY),
    Code.TOO_LARGE: (
        "files that are, or declare to be, too large",
        f"check with their source whether they are whole, then {_AGAIN}",
    ),
    Code.COMPRESSED_FILE: (
        "archives and compressed files",
        f"unpack them if they hold DICOM files, then {_AGAIN}",
    ),
    Code.CANNOT_DECODE: (
        "files with a compression that cannot be decoded",
        f"export them without compression, then {_AGAIN}",
    ),
}
"""Cause → which files they are, and the remedy."""


def unread_of(
    found: Scan, files: Mapping[tuple[str, str, str], int], max_depth: int | None
) -> list[Unread]:
    """Every cause for which something was not read, what users can change by a setting first.

    Parameters
    ----------
    files
        Number of files by dataset, role and code.
    """
    return list(_causes(found, files, max_depth))


def unread_as_json(unread: list[Unread]) -> list[Json]:
    """The causes as manifest_summary.json lists them."""
    return [asdict(one) for one in unread]


def _causes(
    found: Scan, files: Mapping[tuple[str, str, str], int], max_depth: int | None
) -> Iterator[Unread]:
    if found.deeper:
        yield Unread(
            Code.TOO_DEEP,
            found.deeper,
            0,
            f"files that lie deeper than max_depth {max_depth}: {found.deeper}",
            f"set max_depth to {found.deepest}, or to all",
        )
    if found.unreadable_folders:
        count = len(found.unreadable_folders)
        yield Unread(
            Code.UNLISTED_FOLDER,
            0,
            count,
            f"folders that cannot be listed, so that the files below are unknown: {count} "
            f"({MANIFEST_SUMMARY} names them)",
            f"allow this user to read them, or check the disk, then {_AGAIN}",
        )
    for code in Code:
        count = sum(
            number
            for (_, role, cause), number in files.items()
            if cause == code and (role == Role.UNREADABLE or code is Code.COMPRESSED_FILE)
        )
        if count:
            which, remedy = _CAUSES.get(
                code, (f"files that cannot be used ({code.sentence})", _COPY)
            )
            yield Unread(code, count, 0, f"{which}: {count}", remedy)
