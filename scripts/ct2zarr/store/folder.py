"""A store in a folder, with a file per key."""

import os
from collections.abc import Iterator
from pathlib import Path

from ..codes import Code
from ..errors import FileError
from ..run.atomic_files import flush_file, flush_folder
from ..vocabulary import StoreType
from .base import (
    ROOT_DOCUMENTS,
    WHOLE,
    Container,
    StoreWriter,
    put_twice,
    remove,
    write_all,
    write_errors,
)


class FolderContainer(Container):
    """Reads a folder with a file per key."""

    store_type = StoreType.DIR

    def __init__(self, path: Path | str) -> None:
        super().__init__(path)
        self._prefix = f"{self.path}{os.sep}"

    def check(self) -> None:
        """Raise ``FileError`` unless the folder has Zarr metadata at its root."""
        if not any((self.path / name).is_file() for name in ROOT_DOCUMENTS):
            raise FileError(
                Code.NOT_A_STORE,
                "{path} is a folder without Zarr metadata ({documents}): it is no store, or was"
                " not written to its end",
                path=self.path,
                documents=ROOT_DOCUMENTS,
            )

    def get(self, key: str, part: slice = WHOLE) -> bytes | None:
        """The content of the file for ``key``."""
        try:
            with open(self._prefix + key, "rb", buffering=0) as file:  # noqa: PTH123 - 3x faster
                value = file.read()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None
        except OSError as error:
            raise FileError(
                Code.STORE_UNREADABLE,
                "{path}: key {key} cannot be read: {cause}",
                path=self.path,
                key=key,
                cause=error.strerror,
            ) from error
        return value if part is WHOLE else value[part]

    def size(self, key: str) -> int | None:
        """Size of the file for ``key``."""
        file = self.path / key
        return file.stat().st_size if file.is_file() else None

    def keys(self, prefix: str = "") -> list[str]:
        """Paths of all files below the folder."""
        keys = (file.relative_to(self.path).as_posix() for file in files_below(self.path))
        return sorted(key for key in keys if key.startswith(prefix))

    def close(self) -> None:
        """Nothing is kept open."""


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
