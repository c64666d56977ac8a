"""A store in a folder, with a file per key."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ..codes import Code
from ..errors import FileError
from ..run.atomic_files import flush_file, flush_folder
from ..run.bounded_files import NotRegularError, open_regular, read_descriptor
from ..vocabulary import StoreType
from .base import (
    ROOT_DOCUMENTS,
    WHOLE,
    Container,
    StoreWriter,
    identity_of,
    put_twice,
    remove,
    too_large,
    unreadable,
    write_all,
    write_errors,
)
from .bounds import VALUE_BYTES
from .handles import POOL, Handle

_DELETED = " (deleted)"  # what Linux appends to the path of a folder that was removed while open


class FolderContainer(Container):
    """Reads a folder with a file per key.

    Files are opened from a descriptor of the folder, so that all are of the folder that was opened,
    also after another one has taken its place. Links are followed within the folder only.
    """

    store_type = StoreType.DIR

    def check(self) -> None:
        """Raise ``FileError`` unless the folder has Zarr metadata at its root."""
        with POOL.lend(self._handles, self._open) as handle:
            if _root_document(handle.value) is not None:
                return
        raise FileError(
            Code.NOT_A_STORE,
            "{path} is a folder without Zarr metadata ({documents}): it is no store, or was"
            " not written to its end",
            path=self.path,
            documents=ROOT_DOCUMENTS,
        )

    def get(self, key: str, part: slice = WHOLE, *, most: int = VALUE_BYTES) -> bytes | None:
        """The content of the file for ``key``."""
        with POOL.lend(self._handles, self._open) as handle:
            try:
                opened = _open_below(handle.value, key)
                if opened is None:
                    return None
                descriptor, found = opened
                try:
                    if found.st_size > most:
                        raise too_large(self.path, key, found.st_size, most)
                    value = read_descriptor(descriptor, found.st_size, most)
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise unreadable(self.path, error, key) from error
        return value if part is WHOLE else value[part]

    def size(self, key: str) -> int | None:
        """Size of the file for ``key``."""
        with POOL.lend(self._handles, self._open) as handle:
            try:
                opened = _open_below(handle.value, key)
            except OSError as error:
                raise unreadable(self.path, error, key) from error
        if opened is None:
            return None
        os.close(opened[0])
        return opened[1].st_size

    def keys(self, prefix: str = "") -> list[str]:
        """Paths of all files below the folder."""
        try:
            files = list(files_below(self.path))
        except OSError as error:
            raise unreadable(self.path, error) from error
        keys = (file.relative_to(self.path).as_posix() for file in files)
        return sorted(key for key in keys if key.startswith(prefix))

    def check_unchanged(self) -> None:
        """Raise ``FileError`` if the folder was removed, or its root document written again."""
        with POOL.lend(self._handles, self._open) as handle:
            found = _root_document(handle.value)
        if found is None or identity_of(found) != self._identity:
            raise self._replaced()

    def _open(self) -> Handle[int]:
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_DIRECTORY)
        except (FileNotFoundError, NotADirectoryError):
            if self._identity is not None:
                raise self._replaced() from None
            raise FileError(
                Code.STORE_MISSING, "{path}: there is no such folder", path=self.path
            ) from None
        except OSError as error:
            raise unreadable(self.path, error) from error
        handle = Handle(descriptor, os.close, shared=True, crosses_forks=True)
        found = _root_document(descriptor)
        if found is not None:
            self._check_identity(found)
        elif self._identity is not None:
            raise self._replaced()
        return handle


def _root_document(folder: int) -> os.stat_result | None:
    """What the system says of the document at the root of a store; ``None`` if it has none."""
    for name in ROOT_DOCUMENTS:
        with suppress(OSError):
            found = os.stat(name, dir_fd=folder)
            if stat.S_ISREG(found.st_mode):
                return found
    return None


def _open_below(folder: int, key: str) -> tuple[int, os.stat_result] | None:
    """Descriptor and state of the file ``key`` below a folder, or ``None`` if there is no such key.

    Raises
    ------
    OSError
        It cannot be opened, is no file, or is a link that leaves the folder.
    """
    if key.startswith("/") or ".." in key.split("/"):
        return None
    try:
        descriptor, found = open_regular(key, folder=folder)
    except NotRegularError:
        with suppress(OSError):
            if stat.S_ISDIR(os.stat(key, dir_fd=folder).st_mode):
                return None  # a group, no key
        raise
    except (FileNotFoundError, NotADirectoryError):
        return None
    if not _lies_below(descriptor, folder):
        os.close(descriptor)
        raise OSError(errno.EXDEV, "it is a link that leaves the store")
    return descriptor, found


def _lies_below(descriptor: int, folder: int) -> bool:
    """Whether an open file lies in an open folder; without /proc nobody can tell."""
    try:
        path, root = (
            os.readlink(f"/proc/self/fd/{one}")  # noqa: PTH115 - faster
            for one in (descriptor, folder)
        )
    except OSError:
        return True
    return path.startswith(f"{root.removesuffix(_DELETED)}/")


def files_below(folder: Path) -> Iterator[Path]:
    """All files below a folder; raises ``OSError`` where one of its folders cannot be read."""

    def fail(error: OSError) -> None:
        raise error

    for parent, folders, names in os.walk(folder, onerror=fail):
        folders.sort()
        for name in names:
            yield Path(parent, name)


class FolderWriter(StoreWriter):
    """Writes a file per key.

    Files are flushed at the end, when the system has written most of them by itself; then their
    folders, the deepest first.
    """

    def _create(self) -> None:
        self._files: list[str] = []
        self._folders = {str(self.path)}
        with write_errors(self.path):
            self.path.mkdir()

    def _put(self, key: str, value: bytes | memoryview) -> None:
        file = f"{self.path}/{key}"
        folder = file.rpartition("/")[0]
        try:
            with write_errors(self.path):
                if folder not in self._folders:
                    Path(folder).mkdir(parents=True, exist_ok=True)
                    while folder not in self._folders:
                        self._folders.add(folder)
                        folder = folder.rpartition("/")[0]
                with open(file, "xb", buffering=0) as out:  # noqa: PTH123 - faster
                    write_all(out.fileno(), value)
        except FileExistsError:
            raise put_twice(key) from None
        self._files.append(file)

    def finish(self) -> None:
        """Flush all files, then all folders."""
        with write_errors(self.path):
            for file in self._files:
                flush_file(file)
            for folder in sorted(self._folders, key=len, reverse=True):
                flush_folder(folder)

    def abort(self) -> None:
        """Remove the folder."""
        remove(self.path)
