"""An array of a volume as zarr-python reads it, with the errors of ``open_volume``.

For indices and encodings that ``array_reading`` leaves to zarr. zarr fills the place of a missing
chunk with 0, the HU of water, and trusts what chunks say of their size; neither holds here.
"""

from math import prod
from typing import Any, Self

import zarr
from zarr.abc.buffer import Buffer, BufferPrototype
from zarr.abc.store import ByteRequest

from ..codes import Code
from ..errors import Ct2zarrError, FileError, Private
from .array_reading import ReadableArray
from .base import METADATA_NAMES, WHOLE, Container
from .blosc_frames import check_frame
from .bounds import DOCUMENT_BYTES, PACKING_BYTES
from .zarr_stores import ContainerStore, as_buffer, part_of

Array = zarr.Array[Any]

_KINDS = "iuf"  # of numbers: whole, unsigned, floating


class VolumeStore(ContainerStore):
    """A container whose chunks are all there, and no larger than they may be.

    Attributes
    ----------
    chunk_bytes
        Of a chunk, or of a shard where chunks are in shards; 0 until the array is known.
    direct
        The array if its chunks are Blosc frames.
    """

    chunk_bytes: int = 0
    direct: ReadableArray | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        state = {"chunk_bytes": self.chunk_bytes, "direct": self.direct}
        return type(self), (self.container,), state

    def with_read_only(self, read_only: bool = False) -> Self:
        """Another store of the same container; ``ValueError`` unless ``read_only``."""
        other = super().with_read_only(read_only)
        other.chunk_bytes, other.direct = self.chunk_bytes, self.direct
        return other

    def get_sync(
        self,
        key: str,
        *,
        prototype: BufferPrototype | None = None,
        byte_range: ByteRequest | None = None,
    ) -> Buffer | None:
        """The value of ``key``; ``FileError`` for a chunk that is missing or too large."""
        if key.rpartition("/")[2] in METADATA_NAMES:
            value = self.container.get(key, most=DOCUMENT_BYTES)
            return None if value is None else as_buffer(value, prototype)
        part = part_of(byte_range)
        # Codecs other than Blosc may let noise grow by more.
        most = self.chunk_bytes + self.chunk_bytes // 8 + PACKING_BYTES
        value = self.container.get(key, part, most=most)
        if value is None:
            raise self._damaged(key, "is missing")
        if self.direct is not None and part is WHOLE:
            try:
                check_frame(value, self.chunk_bytes)
            except ValueError as error:
                raise self._damaged(key, "is damaged") from error
        return as_buffer(value, prototype)

    def _damaged(self, key: str, what: str) -> FileError:
        self.container.check_unchanged()
        return FileError(
            Code.STORE_DAMAGED,
            "{path}: chunk {key} {what}; copy or convert this volume again",
            path=self.path,
            key=key,
            what=what,
        )


def open_array(container: Container, name: str, direct: ReadableArray | None) -> Array:
    """The array ``name`` of the group in a container.

    Raises
    ------
    FileError
        It is no array of numbers, or its metadata ask for something that zarr does not have.
    """
    store = VolumeStore(container)
    store.direct = direct
    try:
        node = zarr.open_group(store, mode="r")[name]
    except (Ct2zarrError, MemoryError):
        raise
    except Exception as error:  # what metadata can hold has no end, nor have zarr's errors
        raise FileError(
            Code.NOT_A_VOLUME,
            "{path}: zarr cannot open the array {node}: {cause}",
            path=container.path,
            node=name,
            cause=Private(error),
        ) from error
    if not isinstance(node, zarr.Array) or node.dtype.kind not in _KINDS:
        raise FileError(
            Code.NOT_A_VOLUME,
            "{path}: {node} is no array of numbers",
            path=container.path,
            node=name,
        )
    store.chunk_bytes = prod(node.shards or node.chunks) * node.dtype.itemsize
    return node


def read_with_zarr(container: Container, array: Array, key: Any) -> Any:
    """Voxels by any index that zarr takes; ``FileError`` where a chunk is damaged."""
    try:
        found = array[key]
    except (Ct2zarrError, MemoryError, IndexError, TypeError):
        raise  # the latter two are about the index
    except Exception as error:  # of any codec
        container.check_unchanged()
        raise FileError(
            Code.STORE_DAMAGED,
            "{path}: a chunk of {node} is damaged: {cause}; copy or convert this volume again",
            path=container.path,
            node=array.name,
            cause=Private(error),
        ) from error
    container.check_unchanged()
    return found
