"""Whether the files of a manifest are as they were written.

manifest_summary.json states the MD5 of every other file of the manifest, and ends with its own. A
list of series that has another name, or lies in a folder without that summary, is one that a person
made: it has no checksum.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ..errors import SettingsError
from ..run.paths import FILES_EXCLUDED, MANIFEST_SUMMARY, SERIES_ALL, SHARDS_FOLDER
from ..run.sealed import check_file, read_sealed

FILES_MD5 = "files_md5"
"""Member of manifest_summary.json: file, relative to the folder of the manifest → MD5."""

ADVICE = (
    "make the manifest again (snakemake -R manifest); a selection of its volumes is converted from "
    "a CSV with a name of your own beside series_all.csv"
)

JOINED_FILES = (SERIES_ALL, FILES_EXCLUDED)
"""The files that belong to no single shard."""


def read_manifest_summary(folder: Path) -> dict[str, Any] | None:
    """The content of manifest_summary.json; None where a folder has none.

    Raises
    ------
    SettingsError
        It was changed after it was written, or cannot be read.
    """
    path = folder / MANIFEST_SUMMARY
    return read_sealed(path, ADVICE) if path.exists() else None


def manifest_of(path: Path) -> Path:
    """The folder of the manifest to which a CSV or parquet file would belong."""
    return path.parent.parent if path.parent.name == SHARDS_FOLDER else path.parent


def check_files(paths: Iterable[Path]) -> None:
    """Check those files of one manifest that it names.

    Raises
    ------
    SettingsError
        One of them, or the summary of the manifest, was changed after it was written, is missing or
        cannot be read.
    """
    checksums: dict[Path, dict[str, str]] = {}
    for path in paths:
        folder = manifest_of(path)
        if folder not in checksums:
            checksums[folder] = (read_manifest_summary(folder) or {}).get(FILES_MD5, {})
        md5 = checksums[folder].get(path.relative_to(folder).as_posix())
        if md5 is not None:
            check_file(path, md5, ADVICE)


def damaged_files(folder: Path) -> Iterator[SettingsError]:
    """What is wrong with the files of a manifest, all of which are read; nothing without one."""
    try:
        checksums = (read_manifest_summary(folder) or {}).get(FILES_MD5, {})
    except SettingsError as error:
        yield error
        return
    for name, md5 in checksums.items():
        try:
            check_file(folder / name, md5, ADVICE)
        except SettingsError as error:
            yield error
