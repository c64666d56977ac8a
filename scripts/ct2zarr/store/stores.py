"""Open any store as a zarr-python store, read only, recognised by what it holds and not by name.

    group = zarr.open_group(open_store("0a1b....zarr.zip"), mode="r")

The stores may be pickled, forked and used from threads. zarr's own ``ZipStore`` may not: its file
offset is shared with forked processes, so that one read in three fails there.
"""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Never, Self

from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.storage import LocalStore

from ..errors import FileError
from ..vocabulary import StoreType
from .containers import ROOT_DOCUMENTS, ZipContainer, open_container
from .sqlite_store import SQLiteStore


def open_store(path: Path | str) -> Store:
    """The store at ``path``: a SQLite file, a zip file or a directory; read only.

    Raises:
        FileError: there is nothing at ``path``, it is no Zarr store, or it was not written to its
            end.
    """
    container = open_container(path)
    try:
        if not any(container.get(name) is not None for name in ROOT_DOCUMENTS):
            raise FileError(
                f"{path}: a {container.store_type} file without Zarr metadata"
                f" ({', '.join(ROOT_DOCUMENTS)}); it is no store, or was not written to its end",
                "not_a_store",
            )
        if isinstance(container, ZipContainer):
            return ReadOnlyZipStore(container)
    finally:
        container.close()
    if container.store_type is StoreType.SQLITE:
        return SQLiteStore(container.path, read_only=True)
    return LocalStore(container.path, read_only=True)


class ReadOnlyZipStore(Store):
    """A zip file as a Zarr store, safe to fork, pickle and read from threads."""

    supports_writes: bool = False
    supports_deletes: bool = False
    supports_listing: bool = True

    def __init__(self, container: ZipContainer | Path | str, *, read_only: bool = True) -> None:
        if not read_only:
            raise ValueError("ReadOnlyZipStore cannot write; use ct2zarr.store.writers")
        super().__init__(read_only=True)
        if not isinstance(container, ZipContainer):
            container = ZipContainer(container)
        self.container = container

    def with_read_only(self, read_only: bool = False) -> Self:
        """Another store of the same file; ``ValueError`` unless ``read_only``."""
        return type(self)(self.container, read_only=read_only)

    def close(self) -> None:
        """Close the file; it is opened again if the store is used again."""
        self.container.close()
        super().close()

    def __reduce__(self) -> tuple[type[Self], tuple[ZipContainer]]:
        return type(self), (self.container,)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self.container == other.container

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"zip://{self.container.path}"

    def __repr__(self) -> str:
        return f"ReadOnlyZipStore('{self}')"

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The value of ``key`` or a part of it; ``None`` if there is no such key."""
        value = self.container.get(key)
        if value is None:
            return None
        part = value[_as_slice(byte_range)]
        buffer = (prototype or default_buffer_prototype()).buffer
        return buffer.from_bytes(part)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """See ``get_sync``."""
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Parts of several values, in the order asked for."""
        return [
            self.get_sync(key, prototype=prototype, byte_range=byte_range)
            for key, byte_range in key_ranges
        ]

    async def exists(self, key: str) -> bool:
        """Whether there is an entry ``key``."""
        return key in self.container

    async def list(self) -> AsyncIterator[str]:
        """All keys, sorted."""
        for key in self.container.keys():  # noqa: SIM118 - a container is no dict
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Keys that begin with ``prefix``, sorted."""
        async for key in self.list():
            if key.startswith(prefix):
                yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names of what lies directly in the directory ``prefix``, each once."""
        prefix = prefix.rstrip("/")
        directory = f"{prefix}/" if prefix else ""
        seen: set[str] = set()
        async for key in self.list_prefix(directory):
            name = key.removeprefix(directory).partition("/")[0]
            if name not in seen:
                seen.add(name)
                yield name

    def set_sync(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        """Always ``ValueError``: the store is read only."""
        self._refuse()

    def delete_sync(self, key: str) -> None:  # noqa: ARG002
        """Always ``ValueError``: the store is read only."""
        self._refuse()

    async def set(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        """Always ``ValueError``: the store is read only."""
        self._refuse()

    async def delete(self, key: str) -> None:  # noqa: ARG002
        """Always ``ValueError``: the store is read only."""
        self._refuse()

    def _refuse(self) -> Never:
        raise ValueError("store was opened in read-only mode and does not support writing")


def _as_slice(byte_range: ByteRequest | None) -> slice:
    match byte_range:
        case None:
            return slice(None)
        case RangeByteRequest(start, end):
            return slice(start, end)
        case OffsetByteRequest(offset):
            return slice(offset, None)
        case SuffixByteRequest(0):
            return slice(0, 0)
        case SuffixByteRequest(suffix):
            return slice(-suffix, None)
    raise TypeError(f"Unexpected byte_range, got {byte_range!r}.")
