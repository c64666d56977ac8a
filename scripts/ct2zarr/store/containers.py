"""Open a store, recognised by its content and never by its name, or start a new one."""

import os
import stat
from pathlib import Path

from ..codes import Code
from ..errors import FileError
from ..run.bounded_files import open_regular
from ..run.checksums import crc32
from ..vocabulary import StoreType
from .base import Container, StoreWriter, unreadable
from .digest import StoreDigest
from .folder import FolderContainer, FolderWriter, files_below
from .handles import POOL
from .sqlite import SqliteContainer, SqliteWriter
from .sqlite_file import SQLITE_MAGIC
from .zip import ZIP_MAGIC, ZipContainer, ZipWriter

_CRC_BLOCK = 1 << 20  # bytes read at once


def open_container(path: Path | str) -> Container:
    """The keys and values of the finished store at ``path``.

    Raises
    ------
    FileError
        There is nothing, or something that is no store, or a store that was not written to its end.
    """
    path = Path(path)
    magic = POOL.with_room(lambda: _magic(path))
    if magic is None:
        folder = FolderContainer(path)
        folder.check()
        return folder
    if magic == SQLITE_MAGIC:
        container = SqliteContainer(path)
        container.open()
        return container
    if magic.startswith(ZIP_MAGIC):
        return ZipContainer(path)
    raise _not_a_store(path, magic)


def _magic(path: Path) -> bytes | None:
    """The first bytes of a file; ``None`` for a folder."""
    try:
        if stat.S_ISDIR(kind := path.stat().st_mode):
            return None
        if stat.S_ISREG(kind):
            descriptor, _ = open_regular(path)
            try:
                return os.read(descriptor, len(SQLITE_MAGIC))
            finally:
                os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError):
        raise FileError(
            Code.STORE_MISSING, "{path}: there is no such file or folder", path=path
        ) from None
    except OSError as error:
        raise unreadable(path, error) from error
    raise FileError(
        Code.NOT_A_STORE,
        "{path} is neither a file nor a folder, but a pipe, a socket or a device",
        path=path,
    )


def _not_a_store(path: Path, magic: bytes) -> FileError:
    if not magic:
        return FileError(
            Code.STORE_INCOMPLETE, "{path} is empty; convert this volume again", path=path
        )
    if not magic.strip(b"\0"):
        return FileError(
            Code.STORE_INCOMPLETE,
            "{path} starts with zeros, so it was not written to its end; convert this volume again",
            path=path,
        )
    return FileError(
        Code.NOT_A_STORE,
        "{path} is neither a SQLite file, nor a zip file, nor a folder with Zarr metadata",
        path=path,
    )


def open_writer(store_type: StoreType, temporary_path: Path) -> StoreWriter:
    """A writer of a new store at ``temporary_path``.

    Raises
    ------
    MachineError
        The disk is full, or the folder cannot be written.
    """
    writers: dict[StoreType, type[StoreWriter]] = {
        StoreType.SQLITE: SqliteWriter,
        StoreType.DIR: FolderWriter,
        StoreType.ZIP: ZipWriter,
    }
    return writers[store_type](temporary_path)


def store_size(path: Path | str) -> int:
    """Bytes of a store: of the file, or of all files below the folder."""
    path = Path(path)
    if path.is_dir():
        return sum(file.stat().st_size for file in files_below(path))
    return path.stat().st_size


def store_digest(path: Path | str) -> str:
    """The ``StoreDigest`` of a finished store; all of it is read."""
    container = open_container(path)
    digest = StoreDigest()
    try:
        for key in container.keys():  # noqa: SIM118 - a container is no dict
            value = container.get(key)
            if value is None:
                raise FileError(
                    Code.STORE_UNREADABLE,
                    "{path}: key {key} disappeared while the store was read",
                    path=path,
                    key=key,
                )
            digest.add(key, value)
    finally:
        container.close()
    return digest.hexdigest()


def store_crc32(path: Path | str) -> str:
    """CRC-32 (8 hexadecimal digits) of every byte of a store in one file; ``""`` for a folder.

    It finds what no reader of the keys would notice: a flipped bit in a header or in unused space.
    The files of a folder have no such bytes.
    """
    path = Path(path)
    if path.is_dir():
        return ""
    crc = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_CRC_BLOCK):
            crc = crc32(block, crc)
    return f"{crc:08x}"
