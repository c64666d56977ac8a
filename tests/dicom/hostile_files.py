"""Small files that declare or hold far too much; each is written to a path."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from pydicom.uid import DeflatedExplicitVRLittleEndian, JPEG2000Lossless

import phantom

MB = 1 << 20
UNDEFINED = 0xFFFFFFFF
PER_FRAME = (0x5200, 0x9230)
_PIXELS = struct.pack("<HH", 0x7FE0, 0x0010)


def _plain(path: Path, **changes: object) -> bytes:
    """The bytes of a CT image of 8 x 8 pixels."""
    (made,) = phantom.make_series(path.parent / "made", n=1, rows=8, columns=8, **changes).paths
    content = made.read_bytes()
    made.unlink()
    return content


def _cut_at_pixels(path: Path, **changes: object) -> bytes:
    """A header without what follows it."""
    content = _plain(path, **changes)
    return content[: content.rindex(_PIXELS)]


def element(group: int, number: int, vr: bytes, value: bytes, length: int | None = None) -> bytes:
    """An element in explicit VR, with a length of 32 bits."""
    length = len(value) if length is None else length
    return struct.pack("<HH2s2xI", group, number, vr, length) + value


def item(value: bytes, length: int | None = None) -> bytes:
    """An item of a sequence."""
    return struct.pack("<HHI", 0xFFFE, 0xE000, len(value) if length is None else length) + value


PIXELS = element(0x7FE0, 0x0010, b"OW", bytes(128))
SEQUENCE_END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def _many_frames_of_a_pixel(path: Path) -> None:
    """A million frames of 1 x 1 pixel, all of which are there."""
    header = _cut_at_pixels(path, NumberOfFrames=MB)
    for keyword in (0x0010, 0x0011):  # Rows, Columns
        mark = struct.pack("<HH2sH", 0x0028, keyword, b"US", 2)
        at = header.index(mark) + len(mark)
        header = header[:at] + struct.pack("<H", 1) + header[at + 2 :]
    path.write_bytes(header + element(0x7FE0, 0x0010, b"OW", bytes(2 * MB)))


def _many_fragments(path: Path) -> None:
    """A million frames in encapsulated fragments without content."""
    header = _cut_at_pixels(path, transfer_syntax=JPEG2000Lossless, NumberOfFrames=MB)
    items = item(b"") * MB
    path.write_bytes(header + element(0x7FE0, 0x0010, b"OB", items, UNDEFINED) + SEQUENCE_END)


def _billion_frames(path: Path) -> None:
    path.write_bytes(_plain(path, NumberOfFrames=2_000_000_000))


def _deflate_bomb(path: Path) -> None:
    """A gigabyte of zeros in a private element."""
    plain = _plain(path, transfer_syntax=DeflatedExplicitVRLittleEndian)
    start = plain.index(DeflatedExplicitVRLittleEndian.encode())
    start += len(DeflatedExplicitVRLittleEndian) + len(DeflatedExplicitVRLittleEndian) % 2
    # What follows the transfer syntax in the file meta information goes with it.
    while plain[start : start + 2] == b"\x02\x00":
        (length,) = struct.unpack_from("<H", plain, start + 6)
        start += 8 + length
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    packed = packer.compress(struct.pack("<HH2s2xI", 9, 0x10, b"OB", 1 << 30))
    for _ in range(1024):
        packed += packer.compress(bytes(MB))
    path.write_bytes(plain[:start] + packed + packer.flush())


def _many_elements(path: Path) -> None:
    """A million empty elements of private groups before the pixels."""
    content = _cut_at_pixels(path)
    groups = [
        b"".join(struct.pack("<HH2sH", group, n, b"LO", 0) for n in range(0x10, 0xFFFF))
        for group in range(0x2001, 0x2001 + 2 * 16, 2)
    ]
    head = content[: content.index(struct.pack("<HH", 0x0028, 0x0002))]
    path.write_bytes(head + b"".join(groups) + PIXELS)


def _many_items(path: Path) -> None:
    """Functional groups of four million empty items."""
    groups = element(*PER_FRAME, b"SQ", item(b"") * (4 * MB))
    path.write_bytes(_cut_at_pixels(path, NumberOfFrames=2) + groups + PIXELS)


def _many_elements_in_groups(path: Path) -> None:
    """One item of four million elements of 8 bytes."""
    inner = struct.pack("<HH2sH", 0x0020, 0x9056, b"SH", 0) * (4 * MB)
    groups = element(*PER_FRAME, b"SQ", item(inner))
    path.write_bytes(_cut_at_pixels(path) + groups + PIXELS)


def _groups_in_a_sparse_file(path: Path) -> None:
    """Functional groups of 3 GiB, of which the disk holds nothing."""
    head = _cut_at_pixels(path) + element(*PER_FRAME, b"SQ", b"", 3 << 30)
    path.write_bytes(head)
    os.truncate(path, len(head) + (3 << 30) + 4096)


def _endless_sequence_in_a_sparse_file(path: Path) -> None:
    """A sequence of undefined length in implicit VR, then a terabyte of zeros."""
    content = _cut_at_pixels(path, transfer_syntax="1.2.840.10008.1.2")
    head = content + struct.pack("<HHI", *PER_FRAME, UNDEFINED)
    path.write_bytes(head)
    os.truncate(path, 1 << 40)


def _big_endian_in_a_sparse_file(path: Path) -> None:
    """A file that pydicom has to read, then a terabyte of zeros."""
    content = _cut_at_pixels(path)
    path.write_bytes(content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0"))
    os.truncate(path, 1 << 40)


def _zeros_behind_the_preamble(path: Path) -> None:
    path.write_bytes(bytes(128) + b"DICM")
    os.truncate(path, 1 << 40)


def _deep_sequences(path: Path) -> None:
    """A hundred thousand sequences, each in an item of the one before."""
    opened = struct.pack("<HH2s2xI", 0x0008, 0x1140, b"SQ", UNDEFINED) + item(b"", UNDEFINED)
    groups = element(*PER_FRAME, b"SQ", item(b"", UNDEFINED) + opened * 100_000, UNDEFINED)
    path.write_bytes(_cut_at_pixels(path) + groups)


def _deep_sequences_for_pydicom(path: Path) -> None:
    opened = struct.pack("<HH2s2xI", 0x0008, 0x1140, b"SQ", UNDEFINED) + item(b"", UNDEFINED)
    content = _cut_at_pixels(path)
    head = content.replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.2\0")
    path.write_bytes(head + opened * 100_000)


def _giant_texts(path: Path) -> None:
    """Texts of 16 MB in elements that are read."""
    content = _cut_at_pixels(path)
    head = content[: content.index(struct.pack("<HH", 0x0018, 0x0050))]
    more = [
        element(0x0020, number, b"UT", b"1.2\\" * (4 * MB))
        for number in (0x000D, 0x000E, 0x0032, 0x0037, 0x0052)
    ]
    path.write_bytes(head + b"".join(more) + PIXELS)


def _giant_matrix(path: Path) -> None:
    """65535 x 65535 pixels of 64 bits in 4 billion samples, in each of many frames."""
    content = _plain(path, NumberOfFrames=16_000)
    for number in (0x0002, 0x0010, 0x0011, 0x0100):
        mark = struct.pack("<HH2sH", 0x0028, number, b"US", 2)
        at = content.index(mark) + len(mark)
        content = content[:at] + b"\xff\xff" + content[at + 2 :]
    path.write_bytes(content)


def _giant_matrix_compressed(path: Path) -> None:
    content = _plain(path, transfer_syntax=JPEG2000Lossless)
    for number in (0x0010, 0x0011):
        mark = struct.pack("<HH2sH", 0x0028, number, b"US", 2)
        at = content.index(mark) + len(mark)
        content = content[:at] + b"\xff\xff" + content[at + 2 :]
    path.write_bytes(content)


TOO_LARGE: dict[str, Callable[[Path], None]] = {
    "frames of a pixel": _many_frames_of_a_pixel,
    "fragments": _many_fragments,
    "a billion frames": _billion_frames,
    "deflate bomb": _deflate_bomb,
    "elements": _many_elements,
    "items": _many_items,
    "elements in groups": _many_elements_in_groups,
    "groups in a sparse file": _groups_in_a_sparse_file,
    "endless sequence": _endless_sequence_in_a_sparse_file,
    "big endian": _big_endian_in_a_sparse_file,
    "zeros": _zeros_behind_the_preamble,
    "matrix": _giant_matrix,
    "compressed matrix": _giant_matrix_compressed,
}
"""Name → writer of a file that is refused as too large."""

OTHERS: dict[str, Callable[[Path], None]] = {
    "deep sequences": _deep_sequences,
    "deep sequences for pydicom": _deep_sequences_for_pydicom,
    "texts": _giant_texts,
}
"""Name → writer of a file that is read or refused in another way, at once."""
