"""Uncompressed frames, straight from the bytes of the file or through pydicom."""

import io
import os
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from ..codes import Code
from ..errors import Private
from ..model import Frame
from .decoders.layout import Pixels
from .frame_errors import frame_error, one_line
from .source_files import SourceFile
from .tags import DOUBLE_FLOAT_PIXEL_DATA, FLOAT_PIXEL_DATA
from .transfer_syntaxes import BIG_ENDIAN_PIXELS, GE_BIG_PIXELS, NATIVE_SYNTAXES

NATIVE = "native"
"""Decoder name of uncompressed frames that ct2zarr reads itself."""
PYDICOM = "pydicom"
"""Decoder name of uncompressed frames that pydicom reads, for verification."""

_PYDICOM_LIMIT = 1 << 26
"""Bytes; larger files are not read a second time through pydicom, which holds them whole."""

_READABLE_BITS = (8, 16, 32)
_FLOAT_SIZES = {FLOAT_PIXEL_DATA: 4, DOUBLE_FLOAT_PIXEL_DATA: 8}
"""Bytes per pixel of the elements that hold floating point numbers (PS3.3 C.7.6.24, C.7.6.25)."""


def is_raw(opened: SourceFile, frame: Frame) -> bool:
    """Whether pixel data in one piece have exactly the length of uncompressed frames."""
    due = frame.frames * frame.rows * frame.columns * frame.bits_allocated // 8
    return opened.pixels.length is not None and opened.pixels.length - due in (0, due % 2)


def read_native_frame(
    opened: SourceFile, frame: Frame, avoid: Collection[str]
) -> tuple[Pixels, str]:
    """One uncompressed frame, (rows, columns), and the decoder's name.

    Integers come as unsigned containers, floating point numbers as they are.

    Parameters
    ----------
    avoid
        Decoders to use only where there is no other.

    Raises
    ------
    FileError
        The pixels are not there, or not in a form that can be read.
    """
    size, start, due = _check_length(opened, frame)
    big = opened.header.transfer_syntax in BIG_ENDIAN_PIXELS or not opened.header.little_endian
    # Bytes of 8 bits may be swapped in pairs in big endian (PS3.5 A.3): pydicom knows when.
    swapped = size == 1 and big
    if swapped or (NATIVE in avoid and opened.source.size <= _PYDICOM_LIMIT):
        try:
            return _read_with_pydicom(opened, frame), PYDICOM
        except Exception as error:
            if swapped:
                raise frame_error(
                    frame,
                    Code.CANNOT_DECODE,
                    "{file} cannot be read by pydicom ({problem})",
                    problem=Private(one_line(error)),
                ) from error
    content = opened.source.read(opened.pixels.offset + start, due)
    if len(content) != due:
        raise frame_error(
            frame,
            Code.TRUNCATED,
            "{file} ends after {found} of {due} bytes of pixels: it was cut short",
            found=len(content),
            due=due,
        )
    kind = "f" if opened.pixels.tag in _FLOAT_SIZES else "u"
    plane: Pixels = np.frombuffer(content, dtype=f"{'>' if big else '<'}{kind}{size}")
    native: Any = plane.astype(plane.dtype.newbyteorder("="), copy=False)
    return native.reshape(frame.rows, frame.columns), NATIVE


def _check_length(opened: SourceFile, frame: Frame) -> tuple[int, int, int]:
    """Bytes per pixel, and where in the pixel data the frame begins and how long it is."""
    size = _FLOAT_SIZES.get(opened.pixels.tag, frame.bits_allocated // 8)
    if opened.pixels.tag not in _FLOAT_SIZES and frame.bits_allocated not in _READABLE_BITS:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} has BitsAllocated {bits}; 8, 16 and 32 can be read",
            bits=frame.bits_allocated,
        )
    length = opened.pixels.length
    if length is None:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} has encapsulated pixels although its transfer syntax is uncompressed",
        )
    due = frame.rows * frame.columns * size
    start = (frame.frame_number - 1) * due
    if start + due > length:
        raise frame_error(
            frame,
            Code.TRUNCATED,
            "{file} has {found} bytes of pixels; {due} were expected",
            found=max(length - start, 0),
            due=due,
        )
    return size, start, due


def _read_with_pydicom(opened: SourceFile, frame: Frame) -> Pixels:
    """One uncompressed frame through pydicom alone: another parser, another slicing.

    The file is open already; to open it again may take long on a network.
    """
    from pydicom import dcmread
    from pydicom.pixels import get_decoder  # type: ignore[attr-defined]

    with os.fdopen(os.dup(opened.descriptor), "rb") as file:
        file.seek(0)
        dataset = dcmread(file, force=True)
    meta_syntax = getattr(dataset, "file_meta", Dataset()).get("TransferSyntaxUID")
    syntax = UID(meta_syntax or frame.transfer_syntax_uid)
    keyword = next(name for name in _PIXEL_KEYWORDS if name in dataset)
    options: dict[str, Any] = {
        "index": frame.frame_number - 1,
        "raw": True,
        "correct_unused_bits": False,
    }
    source: Any = dataset
    if meta_syntax is None or syntax not in _PYDICOM_SYNTAXES or not frame.bits_stored:
        # pydicom is told what the file says wrongly, or in a way that it does not know.
        big = syntax in (ExplicitVRBigEndian, GE_BIG_PIXELS)
        syntax = ExplicitVRBigEndian if big else ExplicitVRLittleEndian
        source = io.BytesIO(dataset[keyword].value)
        options |= {
            "rows": frame.rows,
            "columns": frame.columns,
            "bits_allocated": frame.bits_allocated,
            "bits_stored": frame.bits_stored or frame.bits_allocated,
            "pixel_representation": frame.pixel_representation,
            "samples_per_pixel": 1,
            "photometric_interpretation": "MONOCHROME2",
            "number_of_frames": frame.frames,
            "pixel_keyword": keyword,
            "pixel_vr": _PIXEL_KEYWORDS[keyword] or ("OB" if frame.bits_allocated == 8 else "OW"),
        }
    plane: NDArray[Any] = get_decoder(syntax).as_array(source, **options)[0]
    native = plane.astype(plane.dtype.newbyteorder("="))
    return native if native.dtype.kind == "f" else native.view(f"u{native.dtype.itemsize}")


_PIXEL_KEYWORDS = {"PixelData": "", "FloatPixelData": "OF", "DoubleFloatPixelData": "OD"}
"""Elements that hold pixels and their VR, which of PixelData depends on the bits."""
_PYDICOM_SYNTAXES = frozenset(NATIVE_SYNTAXES - {GE_BIG_PIXELS})
