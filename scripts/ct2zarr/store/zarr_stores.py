"""Stores as zarr-python takes them: thin adapters over the containers.

    group = zarr.open_group(open_store("0a1b....zarr.zip"), mode="r")

They may be pickled, forked and used from threads. zarr-python has had no SQLite store since its
version 3; ``SQLiteStore`` passes zarr's own conformance suites (``zarr.testing``).
"""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any, Self

from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import (
    ByteRequest,
    OffsetByteRequest,
    RangeByteRequest,
    Store,
    SuffixByteRequest,
)
from zarr.buffer import default_buffer_prototype

from ..codes import Code
from ..errors import FileError
from ..vocabulary import StoreType
from .base import METADATA_NAMES, ROOT_DOCUMENTS, WHOLE, Container
from .bounds import DOCUMENT_BYTES, VALUE_BYTES
from .containers import open_container
from .sqlite import SqliteContainer, WritableSqlite


def open_store(path: Path | str) -> Store:
    """The store at ``path``: a SQLite file, a zip file or a folder; read only.

    No key is read that is larger than a conversion could have written it, or that lies elsewhere.

    Raises
    ------
    FileError
        There is nothing at ``path``, it is no Zarr store, or it was not written to its end.
    """
    container = open_container(path)
    try:
        if not any(container.size(name) is not None for name in ROOT_DOCUMENTS):
            raise FileError(
                Code.NOT_A_STORE,
                "{path} is a {kind} file without Zarr metadata ({documents}): it is no store, or"
                " was not written to its end",
                path=path,
                kind=container.store_type,
                documents=ROOT_DOCUMENTS,
            )
    finally:
        container.close()
    if container.store_type is StoreType.SQLITE:
        return SQLiteStore(container.path, read_only=True)
    return ContainerStore(container)


class ContainerStore(Store):
    """A container as a Zarr store, read only."""

    supports_writes: bool = False
    supports_deletes: bool = False
    supports_listing: bool = True

    def __init__(self, container: Container, *, read_only: bool = True) -> None:
        if not read_only and not self.supports_writes:
            raise ValueError(f"a {container.store_type} store cannot be written through zarr")
        super().__init__(read_only=read_only)
        self.container = container

    @property
    def path(self) -> Path:
        """The file."""
        return self.container.path

    def with_read_only(self, read_only: bool = False) -> Self:
        """Another store of the same file; ``ValueError`` unless ``read_only``."""
        return type(self)(self.container, read_only=read_only)

    def close(self) -> None:
        """Close the file; it is opened again if the store is used again."""
        self.container.close()
        super().close()

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.container,)

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, type(self))
            and self.path == other.path
            and self.read_only == other.read_only
        )

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        return f"{self.container.store_type}://{self.path}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}('{self}')"

    # Reading.

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The value of ``key`` or a part of it; ``None`` if there is no such key."""
        name = key.rpartition("/")[2]
        most = DOCUMENT_BYTES if name in METADATA_NAMES else VALUE_BYTES
        value = self.container.get(key, part_of(byte_range), most=most)
        if value is None and self.container.store_type is StoreType.DIR:
            # Otherwise zarr would take each chunk of a folder that is gone for an empty one.
            self.container.check_unchanged()
        return None if value is None else as_buffer(value, prototype)

    async def get(
        self,
        key: str,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """See ``get_sync``. It runs inline: handing each read to a thread is slower."""
        return self.get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self,
        prototype: BufferPrototype,
        key_ranges: Iterable[tuple[str, ByteRequest | None]],
    ) -> list[Buffer | None]:
        """Parts of several values, in the order of the request."""
        return [
            self.get_sync(key, prototype=prototype, byte_range=byte_range)
            for key, byte_range in key_ranges
        ]

    async def exists(self, key: str) -> bool:
        """Whether ``key`` has a value."""
        return self.container.size(key) is not None

    async def getsize(self, key: str) -> int:
        """Bytes of the value of ``key``; ``FileNotFoundError`` if there is no such key."""
        size = self.container.size(key)
        if size is None:
            raise FileNotFoundError(key)
        return size

    # Listing.

    async def list(self) -> AsyncIterator[str]:
        """All keys, sorted."""
        for key in self.container.keys():  # noqa: SIM118 - a container is no dict
            yield key

    async def list_prefix(self, prefix: str) -> AsyncIterator[str]:
        """Keys that start with ``prefix``, sorted."""
        for key in self.container.keys(prefix):
            yield key

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """Names of what lies directly in the folder ``prefix``, each once."""
        folder = _as_folder(prefix)
        names = (key[len(folder) :].partition("/")[0] for key in self.container.keys(folder))
        for name in dict.fromkeys(names):
            yield name

    # Writing: not here.

    def set_sync(self, key: str, value: Buffer) -> None:  # noqa: ARG002
        """Always ``ValueError``: the store is read only."""
        raise _read_only_error()

    async def set(self, key: str, value: Buffer) -> None:
        """See ``set_sync``."""
        self.set_sync(key, value)

    def delete_sync(self, key: str) -> None:  # noqa: ARG002
        """Always ``ValueError``: the store is read only."""
        raise _read_only_error()

    async def delete(self, key: str) -> None:
        """See ``delete_sync``."""
        self.delete_sync(key)


class SQLiteStore(ContainerStore):
    """A Zarr store in a SQLite file, to read or to write.

    A read-only store gives each thread its own connection, so that threads read in parallel; a
    writable one has a single connection and a lock, and each ``set`` or ``delete`` is a
    transaction.

    Parameters
    ----------
    path
        The file; a writable store creates it if there is none.
    read_only
        Open with ``mode=ro`` and ``immutable=1``.
    immutable
        With ``read_only``: trust that the file does not change while it is open. Give ``False`` to
        read while another process writes.

    Raises
    ------
    FileError
        On first use, if the file is missing (read only), is no Zarr store in SQLite, is cut short,
        is in WAL mode, or is damaged.
    MachineError
        The disk is full or refuses to be read or written.
    """

    supports_writes: bool = True
    supports_deletes: bool = True

    def __init__(
        self, path: Path | str, *, read_only: bool = False, immutable: bool = True
    ) -> None:
        # Absolute, so that a worker process in another folder finds the same file.
        file = Path(path).absolute()
        container = (
            SqliteContainer(file, immutable=immutable) if read_only else WritableSqlite(file)
        )
        super().__init__(container, read_only=read_only)
        self.immutable = immutable

    @classmethod
    async def open(cls, *args: Any, **kwargs: Any) -> Self:
        """Create the store object and open its file at once."""
        store = await super().open(*args, **kwargs)
        store._sqlite.open()
        return store

    @property
    def _sqlite(self) -> SqliteContainer:
        assert isinstance(self.container, SqliteContainer)
        return self.container

    def with_read_only(self, read_only: bool = False) -> Self:
        """A store of the same file with ``read_only`` set, not yet opened."""
        return type(self)(self.path, read_only=read_only, immutable=self.immutable)

    def __reduce__(self) -> tuple[Any, ...]:
        return _unpickle, (type(self), str(self.path), self.read_only, self.immutable)

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write ``key``, replacing its value."""
        if not isinstance(value, Buffer):
            raise TypeError(
                f"SQLiteStore.set(): `value` must be a Buffer, got an instance of {type(value)}."
            )
        self._writable().set(key, _bytes_of(value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write ``key`` unless it has a value, in one step."""
        self._writable().set_if_absent(key, _bytes_of(value))

    def delete_sync(self, key: str) -> None:
        """Remove ``key`` if it is there."""
        self._writable().delete(key)

    async def delete_dir(self, prefix: str) -> None:
        """Remove all keys in the folder ``prefix``, none of ``{prefix}-other``, in one step."""
        self._writable().delete_all(_as_folder(prefix))

    def _writable(self) -> WritableSqlite:
        if not isinstance(self.container, WritableSqlite):
            raise _read_only_error()
        return self.container


def _read_only_error() -> ValueError:
    """In the words of zarr's own stores."""
    return ValueError("store was opened in read-only mode and does not support writing")


def _unpickle(kind: type[SQLiteStore], path: str, read_only: bool, immutable: bool) -> SQLiteStore:
    return kind(path, read_only=read_only, immutable=immutable)


def _bytes_of(value: Buffer) -> memoryview:
    """The bytes of a buffer, without a copy where it lies in main memory."""
    return value.as_numpy_array().data


def _as_folder(prefix: str) -> str:
    prefix = prefix.rstrip("/")
    return f"{prefix}/" if prefix else ""


def as_buffer(value: bytes | memoryview, prototype: BufferPrototype | None) -> Buffer:
    """A value as zarr takes it."""
    return (prototype or default_buffer_prototype()).buffer.from_bytes(value)


def part_of(byte_range: ByteRequest | None) -> slice:
    """The part of a value that zarr asks for."""
    match byte_range:
        case None:
            return WHOLE
        case RangeByteRequest(start, end):
            return slice(start, end)
        case OffsetByteRequest(offset):
            return slice(offset, None)
        case SuffixByteRequest(0):
            return slice(0, 0)
        case SuffixByteRequest(suffix):
            return slice(-suffix, None)
    raise TypeError(f"Unexpected byte_range, got {byte_range!r}.")
