"""Blosc frames: what their header says, and frames of a few of their blocks.

A frame is a header, the offsets of its blocks, and the blocks, each compressed on its own (c-blosc,
README_CHUNK_FORMAT). So the planes that a reader wants can be taken out of a deep chunk, and cost
what they are worth. The header is checked first, because c-blosc trusts it.
"""

import struct
from dataclasses import dataclass

HEADER = struct.Struct("<BBBBIII")
"""Version, version of the codec, flags, item size, bytes unpacked, bytes a block, bytes packed."""
_OFFSET = struct.Struct("<I")
_COPIED = 0x02  # flag: the content is stored as it is, behind the header
_NOT_SPLIT = 0x10  # flag: a block is one stream; else bytes of items lie in streams of their own

Buffer = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame that was taken out of a longer one.

    Attributes:
        content: what Blosc decompresses. size: bytes that it unpacks to.
        offset: place of its first byte in what the longer frame unpacks to.
    """

    content: Buffer
    size: int
    offset: int


def unpacked_size(frame: Buffer) -> int:
    """Bytes that a frame unpacks to.

    Raises:
        ValueError: it is no frame, or has another length than its header says.
    """
    if len(frame) < HEADER.size:
        raise ValueError("shorter than the header of a Blosc frame")
    size, packed = HEADER.unpack_from(frame)[4::2]
    if packed != len(frame):
        raise ValueError(f"{len(frame)} bytes where the Blosc header says {packed}")
    return int(size)


def blocks_of(frame: Buffer, start: int, stop: int) -> Frame:
    """The blocks that hold the unpacked bytes ``start`` to ``stop``, as a frame of their own.

    Raises:
        ValueError: as ``unpacked_size``, or an offset leads out of the frame.
    """
    size = unpacked_size(frame)
    *kind, _, block, packed = HEADER.unpack_from(frame)
    flags = kind[2]
    if not 0 < block <= size or not flags & (_COPIED | _NOT_SPLIT):
        return Frame(frame, size, 0)
    first, last = start // block, -(-min(stop, size) // block)
    count = -(-size // block)
    if last - first >= count:
        return Frame(frame, size, 0)
    offset = first * block
    part = min(last * block, size) - offset
    view = memoryview(frame)
    if flags & _COPIED:
        table, content = b"", view[HEADER.size + offset : HEADER.size + offset + part]
    else:
        starts = struct.unpack_from(f"<{count}I", frame, HEADER.size)
        # Blocks may lie in any order (threads write them as they are done): each has its length.
        order = sorted(starts)
        ends = dict(zip(order, [*order[1:], packed], strict=True))
        wanted = starts[first:last]
        pieces = [view[begin : ends[begin]] for begin in wanted]
        if order[0] < HEADER.size + _OFFSET.size * count or packed < order[-1]:
            raise ValueError("a block offset leads out of the Blosc frame")
        places, place = [], HEADER.size + _OFFSET.size * len(wanted)
        for piece in pieces:
            places.append(place)
            place += len(piece)
        table, content = struct.pack(f"<{len(places)}I", *places), b"".join(pieces)
    header = HEADER.pack(*kind, part, min(block, part), HEADER.size + len(table) + len(content))
    return Frame(b"".join((header, table, content)), part, offset)
