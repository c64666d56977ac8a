"""Blosc frames: check that one is complete, and cut a small frame out of it.

A frame is a header, the offsets of its blocks, and the blocks, each compressed on its own (c-blosc,
README_CHUNK_FORMAT). ct2zarr makes each chunk one block: its values are shuffled, so that the first
bits (or bytes) of all values come first, then the second ones and so on, and the result is packed
by Zstandard. To read one plane of a deep chunk, the whole block has to be unpacked, but only the
bits of that plane have to be put back in order, which saves most of the other half of the work.
The header is checked first, because c-blosc trusts it.
"""

import struct
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

HEADER = struct.Struct("<BBBBIII")
"""Version, version of the codec, flags, item size, unpacked bytes, block size, packed bytes."""

_NUMBER = struct.Struct("<I")  # offset of a block; length of a stream in a block
_BYTE_SHUFFLED, _COPIED, _BIT_SHUFFLED, _ONE_STREAM = 0x01, 0x02, 0x04, 0x10
_ZSTD = 4  # in the upper three bits of the flags
_GROUP = 8  # items whose equal bits make one byte

Buffer = bytes | memoryview


def check_frame(frame: Buffer, size: int) -> None:
    """Raise ValueError unless a frame is as long as its header says and unpacks to ``size`` bytes.

    Without this check a frame that was cut short would be read beyond its end.
    """
    if len(frame) < HEADER.size:
        raise ValueError("shorter than the header of a Blosc frame")
    unpacked, _, packed = HEADER.unpack_from(frame)[4:]
    if packed != len(frame):
        raise ValueError(f"{len(frame)} bytes where the Blosc header says {packed}")
    if unpacked != size:
        raise ValueError(f"unpacks to {unpacked} bytes; {size} were expected")


def frame_of_items(frame: Buffer, start: int, stop: int, scratch: NDArray[np.uint8]) -> Buffer:
    """Cut some items out of a frame that is one shuffled block.

    Parameters
    ----------
    frame
        A frame that has passed ``check_frame``.
    start, stop
        The bytes to cut out, of the unpacked frame.
    scratch
        As many bytes as the frame unpacks to; overwritten.

    Returns
    -------
    Buffer
        A frame that unpacks to ``stop - start`` bytes; ``frame`` itself if it is built in another
        way, or the limits are not those of whole groups of items.

    Raises
    ------
    RuntimeError, ValueError
        The block is damaged.
    """
    version, codec, flags, item, size, block, packed = HEADER.unpack_from(frame)
    streams = item * (8 if flags & _BIT_SHUFFLED else 1)
    one_block = block == size and flags & _ONE_STREAM and not flags & _COPIED
    shuffled = bool(flags & _BIT_SHUFFLED) != bool(flags & _BYTE_SHUFFLED)
    even = not any(limit % (item * _GROUP) for limit in (start, stop, size) if item)
    if not (one_block and shuffled and even and item > 1 and flags >> 5 == _ZSTD):
        return frame
    (offset,) = _NUMBER.unpack_from(frame, HEADER.size)
    if offset + _NUMBER.size > packed:
        raise ValueError("the block lies beyond the end of the Blosc frame")
    (length,) = _NUMBER.unpack_from(frame, offset)
    content = memoryview(frame)[offset + _NUMBER.size :][:length]
    if length == size:  # a block that did not shrink is stored unpacked
        return frame
    _zstd().decode(content, scratch)
    part = scratch.reshape(streams, -1)[:, start // streams : stop // streams].tobytes()
    # A block that is as long unpacked as packed is put in order without a decompressor.
    place = HEADER.size + _NUMBER.size
    sizes = (len(part), len(part), place + _NUMBER.size + len(part))
    header = HEADER.pack(version, codec, flags, item, *sizes)
    return b"".join((header, _NUMBER.pack(place), _NUMBER.pack(len(part)), part))


@cache
def _zstd() -> Any:
    from numcodecs import Zstd

    return Zstd()
