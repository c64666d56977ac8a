"""One frame of one file to the integers that its header means.

Uncompressed frames are taken straight from the file's bytes, compressed ones go through a decoder
of ``decoders``. Then the bits are put right (``stored_values``): what lies above BitsStored is
masked, signs are extended, and codestreams that disagree with the header are repaired.
"""

import hashlib
import io
import os
import struct
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID

from ..errors import FileError
from ..model import Frame
from .decoders import decoders_for, is_known, takes_damaged
from .decoders.layout import (
    Codestream,
    FrameLayout,
    Integers,
    is_complete,
    read_codestream,
)
from .header.raw_header import (
    CHARACTER_SET,
    FUNCTIONAL_GROUPS,
    PIXEL_DATA,
    ByteSource,
    OpenFile,
    PixelPlace,
    RawHeader,
)
from .header.walk import read_header

NATIVE = "native"
"""Decoder name of uncompressed frames that ct2zarr reads itself."""
PYDICOM = "pydicom"
"""Decoder name of uncompressed frames that pydicom reads, for verification."""

CANNOT_DECODE = "cannot_decode"
TRUNCATED = "truncated"
GONE = "source_gone"
UNREADABLE = "unreadable"
NO_PIXELS = "no_pixels"
SOURCE_CHANGED = "source_changed"

_SOP_INSTANCE = 0x00080018
_ALWAYS = frozenset({_SOP_INSTANCE, CHARACTER_SET}) | FUNCTIONAL_GROUPS
_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_EXTENDED_OFFSETS = 0x7FE00001
_SPAN = 1 << 16
"""Bytes read beside a fragment header while fragments are listed."""
_ENCAPSULATED_ROOT = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"
_PREVIEW_BLOCKS = 32
"""Blocks of a preview along a side: enough to tell neighbouring anatomy, cheap to send."""
_PYDICOM_LIMIT = 1 << 26
"""Files beyond this size are not read a second time through pydicom, which takes them whole."""


@dataclass
class StoredFrame:
    """A decoded frame.

    Attributes:
        stored: (rows, columns), the exact stored values, as int16 or uint16 (or narrower or wider
            where the file has 8 or 32 bits a pixel). May be a read-only view.
        header: the wanted elements of the file, unparsed.
        decoder: name of the decoder that was used.
    """

    stored: Integers
    header: RawHeader
    decoder: str

    @cached_property
    def dataset(self) -> Dataset:
        """The wanted elements as a pydicom data set; each is parsed when it is asked for."""
        return as_dataset(self.header)


@dataclass(slots=True)
class _OpenSource:
    """A file that is open, with what is known of it; ``fragments`` are listed when needed."""

    path: str
    descriptor: int
    source: ByteSource
    header: RawHeader
    place: PixelPlace
    frames: list[list[tuple[int, int]]] | None = None


class SourceReader:
    """Reads frames; a multi-frame file stays open and is parsed once for all its frames.

    Args:
        wanted: tags that ``StoredFrame.header`` is to hold, beside those that reading needs.
        avoid: names of decoders to use only where there is no other: those that the conversion
            used, when a verifier asks.
    """

    def __init__(self, wanted: Iterable[int] = (), avoid: Collection[str] = ()) -> None:
        self._wanted = _ALWAYS | frozenset(wanted)
        self._avoid = frozenset(avoid)
        self._open: _OpenSource | None = None

    def read(self, frame: Frame) -> StoredFrame:
        """Decode one frame.

        Raises:
            FileError: the sentence names the file; the reason is ``source_gone``, ``unreadable``,
                ``source_changed``, ``no_pixels``, ``truncated`` or ``cannot_decode``.
        """
        name = Path(frame.path).name
        try:
            opened = self._opened(frame)
            stored, decoder = self._decode(opened, frame)
        except FileError as error:
            message = f"{name} {error}"
            if frame.frames > 1:
                message = f"{name} (frame {frame.frame_number}) {error}"
            raise FileError(message, error.reason) from error
        except FileNotFoundError as error:
            raise FileError(f"{name} is gone since the manifest was made", GONE) from error
        except OSError as error:
            reason = error.strerror or "input/output error"
            raise FileError(f"{name} cannot be read: {reason}", UNREADABLE) from error
        finally:
            if frame.frames == 1:
                self.close()
        return StoredFrame(stored, opened.header, decoder)

    def close(self) -> None:
        """Close the file that is open, if there is one."""
        if self._open is not None:
            os.close(self._open.descriptor)
            self._open = None

    def __enter__(self) -> "SourceReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, frame: Frame) -> _OpenSource:
        if self._open is not None and self._open.path == frame.path:
            return self._open
        self.close()
        descriptor = os.open(frame.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if (status.st_size, status.st_mtime_ns) != (frame.bytes, frame.mtime_ns):
                raise FileError(
                    "has changed since the manifest was made; make the manifest again",
                    SOURCE_CHANGED,
                )
            source: ByteSource = OpenFile(descriptor, status.st_size)
            try:
                header, source = read_header(source, self._wanted)
            except FileError as error:
                raise FileError(str(error), TRUNCATED) from error
            _check_identity(header, frame)
            place = header.pixels
            if place is None or place.length == 0:
                raise FileError("has no pixel data", NO_PIXELS)
            if place.tag != PIXEL_DATA:
                raise FileError(
                    "has floating point pixels, which CT objects have not", CANNOT_DECODE
                )
            opened = _OpenSource(frame.path, descriptor, source, header, place)
        except BaseException:
            os.close(descriptor)
            raise
        self._open = opened
        return opened

    def _decode(self, opened: _OpenSource, frame: Frame) -> tuple[Integers, str]:
        if frame.samples_per_pixel != 1:
            raise FileError(
                f"has {frame.samples_per_pixel} samples a pixel; only grey images can become"
                " a volume",
                CANNOT_DECODE,
            )
        if not frame.rows * frame.columns:
            raise FileError(
                f"has {frame.rows} Rows and {frame.columns} Columns: no pixels", NO_PIXELS
            )
        if not 0 < frame.bits_stored <= frame.bits_allocated:
            raise FileError(
                f"has BitsStored {frame.bits_stored} of BitsAllocated"
                f" {frame.bits_allocated}, which means nothing",
                CANNOT_DECODE,
            )
        syntax = opened.header.transfer_syntax
        compressed = syntax == _RLE or syntax.startswith(_ENCAPSULATED_ROOT)
        if not compressed:
            plane, decoder = self._native(opened, frame)
            return stored_values(plane, frame), decoder
        if opened.place.length is not None:
            raise FileError(
                "declares compressed pixels, but they are not encapsulated", CANNOT_DECODE
            )
        if not is_known(syntax):
            raise FileError(f"is in {syntax_name(syntax)}, which cannot be decoded", CANNOT_DECODE)
        return self._compressed(opened, frame)

    def _native(self, opened: _OpenSource, frame: Frame) -> tuple[Integers, str]:
        if frame.bits_allocated not in (8, 16, 32):
            raise FileError(
                f"has BitsAllocated {frame.bits_allocated}; 8, 16 and 32 can be read",
                CANNOT_DECODE,
            )
        size = frame.bits_allocated // 8
        due = frame.rows * frame.columns * size
        length = opened.place.length
        if length is None:
            raise FileError(
                "has encapsulated pixels although its transfer syntax is uncompressed",
                CANNOT_DECODE,
            )
        start = (frame.frame_number - 1) * due
        if start + due > length:
            raise FileError(
                f"has {max(length - start, 0)} bytes of pixels where {due} are due", TRUNCATED
            )
        # Bytes of 8 bits may be swapped in pairs in big endian (PS3.5 A.3): pydicom knows when.
        swapped = size == 1 and not opened.header.little_endian
        if swapped or (NATIVE in self._avoid and opened.source.size <= _PYDICOM_LIMIT):
            try:
                return _read_with_pydicom(opened, frame), PYDICOM
            except Exception as error:
                if swapped:
                    message = f"cannot be read by pydicom ({_one_line(error)})"
                    raise FileError(message, CANNOT_DECODE) from error
        content = opened.source.read(opened.place.offset + start, due)
        if len(content) != due:
            raise FileError(
                f"ends after {len(content)} of {due} bytes of pixels: it was cut short", TRUNCATED
            )
        order = "<" if opened.header.little_endian else ">"
        plane: Integers = np.frombuffer(content, dtype=f"{order}u{size}")
        plane = plane.astype(plane.dtype.newbyteorder("="), copy=False)
        return plane.reshape(frame.rows, frame.columns), NATIVE

    def _compressed(self, opened: _OpenSource, frame: Frame) -> tuple[Integers, str]:
        syntax = opened.header.transfer_syntax
        encoded = _encoded_frame(opened, frame)
        if not is_complete(encoded, syntax):
            raise FileError(
                f"has a {syntax_name(syntax)} stream without its end: it was cut short", TRUNCATED
            )
        layout = FrameLayout(
            syntax=syntax,
            rows=frame.rows,
            columns=frame.columns,
            bits_allocated=frame.bits_allocated,
            bits_stored=frame.bits_stored,
            pixel_representation=frame.pixel_representation,
        )
        failures: list[str] = []
        for decoder in decoders_for(syntax, self._avoid):
            if failures and not takes_damaged(decoder, syntax):
                continue
            try:
                plane = decoder.decode(encoded, layout)
                stored = stored_values(plane, frame, read_codestream(encoded, syntax))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - each package raises kinds of its own
                failures.append(f"{decoder.NAME}: {_one_line(error)}")
                continue
            return stored, decoder.NAME
        if not failures:
            raise FileError(
                f"is in {syntax_name(syntax)}, for which no decoder is installed", CANNOT_DECODE
            )
        raise FileError(
            f"is in {syntax_name(syntax)} and no decoder could read it ({'; '.join(failures)})",
            CANNOT_DECODE,
        )


def stored_values(plane: Integers, frame: Frame, codestream: Codestream | None = None) -> Integers:
    """Return the integers that the header means from the containers that were read or decoded.

    A container holds BitsStored bits that end at HighBit; the bits beside them mean nothing
    (PS3.5 section 8.1.1), except that a container equal to PixelPaddingValue is kept as it is: some
    scanners pad with a value outside BitsStored (PS3.3 C.7.5.1.1.2). A codestream of at most
    BitsStored bits holds the values modulo 2^precision, whatever it says of their sign.

    Args:
        plane: (rows, columns), any integer type.
        codestream: what the frame's codestream says; ``None`` for containers as in the file.

    Returns:
        (rows, columns), signed or unsigned by PixelRepresentation; ``plane`` itself, viewed as
        that type, wherever no bit has to change.
    """
    size = plane.dtype.itemsize
    containers = plane.view(f"u{size}")
    signed = frame.pixel_representation == 1
    bits, shift = frame.bits_stored, 0
    if codestream is None or not codestream.precision or codestream.precision > bits:
        shift = min(max(frame.high_bit + 1 - bits, 0), 8 * size - 1)
    else:
        bits = codestream.precision
    declared = containers.view(f"i{size}") if signed else containers
    if shift == 0 and bits >= 8 * size:
        return declared
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    if shift == 0 and declared.min() >= low and declared.max() <= high:
        return declared
    values = (containers >> shift) & ((1 << bits) - 1)
    if signed:
        values = values.astype(containers.dtype)
        values <<= 8 * size - bits
        values = values.view(f"i{size}") >> (8 * size - bits)
    else:
        values = values.astype(containers.dtype)
    padding = frame.padding_value
    if padding is not None and not low <= padding <= high:
        np.copyto(values, declared, where=declared == padding)
    return values


def pixel_digest(frame: Frame) -> str:
    """Return the MD5 of a frame's stored values and rescale: equal for equal images.

    Raises:
        FileError: as ``SourceReader.read``.
    """
    with SourceReader() as reader:
        stored = reader.read(frame).stored
    digest = hashlib.md5(stored.astype("<i4").tobytes(), usedforsecurity=False)
    rescale = (float(frame.rescale_slope or 1.0), float(frame.rescale_intercept or 0.0))
    digest.update(repr((stored.shape, rescale)).encode())
    return digest.hexdigest()


def preview(frame: Frame) -> NDArray[np.float64]:
    """Return a frame's rescaled values in coarse blocks, at most 32 x 32, to compare frames by.

    Raises:
        FileError: as ``SourceReader.read``.
    """
    with SourceReader() as reader:
        stored = reader.read(frame).stored
    slope = 1.0 if frame.rescale_slope is None else frame.rescale_slope
    height, width = (max(size // _PREVIEW_BLOCKS, 1) for size in stored.shape)
    rows, columns = stored.shape[0] // height, stored.shape[1] // width
    blocks = stored[: rows * height, : columns * width].reshape(rows, height, columns, width)
    means: NDArray[np.float64] = blocks.mean(axis=(1, 3), dtype=np.float64)
    return means * slope + (frame.rescale_intercept or 0.0)


def syntax_name(syntax: str) -> str:
    """Return a transfer syntax by name and UID, for sentences."""
    name = UID(syntax).name
    return f"transfer syntax {syntax}" if name == syntax else f"{name} ({syntax})"


def as_dataset(header: RawHeader) -> Dataset:
    """Return the elements of a header as a pydicom data set that parses each when it is read."""
    dataset = Dataset()
    for tag, (vr, value) in header.values.items():
        dataset._dict[Tag(tag)] = RawDataElement(
            Tag(tag), vr or None, len(value), value, 0, not vr, header.little_endian
        )
    return dataset


def _check_identity(header: RawHeader, frame: Frame) -> None:
    """Raise where another object lies under the name that the manifest knew."""
    _, raw = header.values.get(_SOP_INSTANCE, ("", b""))
    found = raw.decode("ascii", "replace").strip(" \0") or header.media_sop_instance
    if found != frame.sop_instance_uid:
        raise FileError(
            "holds another SOPInstanceUID than when the manifest was made; make it again",
            SOURCE_CHANGED,
        )


def _read_with_pydicom(opened: _OpenSource, frame: Frame) -> Integers:
    """One uncompressed frame through pydicom alone: another parser, another slicing.

    The file is open already; to open it again may take long on a network.
    """
    from pydicom import dcmread
    from pydicom.pixels.decoders.base import get_decoder

    with os.fdopen(os.dup(opened.descriptor), "rb") as file:
        file.seek(0)
        dataset = dcmread(file, force=True)
    meta_syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    decoder = get_decoder(meta_syntax or UID(frame.transfer_syntax_uid))
    options: dict[str, Any] = {
        "index": frame.frame_number - 1,
        "raw": True,
        "correct_unused_bits": False,
    }
    source: Any = dataset
    if meta_syntax is None:
        source = io.BytesIO(dataset.PixelData)
        options |= {
            "rows": frame.rows,
            "columns": frame.columns,
            "bits_allocated": frame.bits_allocated,
            "bits_stored": frame.bits_stored,
            "pixel_representation": frame.pixel_representation,
            "samples_per_pixel": 1,
            "photometric_interpretation": "MONOCHROME2",
            "number_of_frames": frame.frames,
            "pixel_keyword": "PixelData",
            "pixel_vr": "OB" if frame.bits_allocated == 8 else "OW",
        }
    plane: NDArray[Any] = decoder.as_array(source, **options)[0]
    native = plane.astype(plane.dtype.newbyteorder("="))
    return native.view(f"u{native.dtype.itemsize}")


def _encoded_frame(opened: _OpenSource, frame: Frame) -> bytes:
    """Bytes of one encoded frame, its fragments joined."""
    if opened.frames is None:
        opened.frames = _list_frames(opened, frame.frames)
    if frame.frame_number > len(opened.frames):
        raise FileError(f"has {len(opened.frames)} encoded frames of {frame.frames}", TRUNCATED)
    parts = [
        opened.source.read(offset, length)
        for offset, length in opened.frames[frame.frame_number - 1]
    ]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _list_frames(opened: _OpenSource, count: int) -> list[list[tuple[int, int]]]:
    """Fragments (offset, length) of each frame of encapsulated pixel data (PS3.5 A.4).

    Which fragments make a frame is told by the Basic Offset Table where it fits, by one fragment a
    frame, or by the end markers of the codestreams.
    """
    table, fragments = _list_fragments(opened)
    if count == 1:
        return [fragments]
    if len(fragments) == count:
        return [[fragment] for fragment in fragments]
    starts = {offset - fragments[0][0]: n for n, (offset, _) in enumerate(fragments)}
    if len(table) == count and all(offset in starts for offset in table):
        edges = [*(starts[offset] for offset in table), len(fragments)]
        return [fragments[a:b] for a, b in pairwise(edges)]
    frames: list[list[tuple[int, int]]] = [[]]
    for offset, length in fragments:
        frames[-1].append((offset, length))
        # A JPEG, JPEG-LS or JPEG 2000 stream ends in FFD9; a fragment may be padded to even length.
        if b"\xff\xd9" in opened.source.read(offset + max(length - 4, 0), min(length, 4)):
            frames.append([])
    if not frames[-1]:
        frames.pop()
    if len(frames) != count:
        raise FileError(
            f"has {len(fragments)} fragments that cannot be told apart into {count} frames",
            CANNOT_DECODE,
        )
    return frames


def _list_fragments(opened: _OpenSource) -> tuple[list[int], list[tuple[int, int]]]:
    """Return the Basic Offset Table and (offset, length) of each fragment."""
    source, position = opened.source, opened.place.offset
    order = "<" if opened.header.little_endian else ">"
    table: list[int] = []
    fragments: list[tuple[int, int]] = []
    first = True
    while True:
        head = source.read(position, 8)
        if len(head) < 8:
            break  # no delimiter; whether the stream is whole is seen by its end marker
        group, element, length = struct.unpack(f"{order}HHI", head)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            break
        if tag != _ITEM:
            raise FileError("has damaged encapsulated pixel data", CANNOT_DECODE)
        if position + 8 + length > source.size:
            raise FileError("ends inside its compressed pixels: it was cut short", TRUNCATED)
        if first:
            raw = source.read(position + 8, length - length % 4)
            table = list(struct.unpack(f"{order}{len(raw) // 4}I", raw))
            first = False
        elif length:
            fragments.append((position + 8, length))
        position += 8 + length
    if not fragments:
        raise FileError("has no encoded frame in its pixel data", NO_PIXELS)
    return table, fragments


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
