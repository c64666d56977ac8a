"""Uncompressed frames, straight from the bytes of the file or through pydicom."""

import io
import os
from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from ..codes import Code
from ..errors import Private
from ..model import Frame
from .decoders.layout import Integers
from .source_files import SourceFile, frame_error, one_line

NATIVE = "native"
"""Decoder name of uncompressed frames that ct2zarr reads itself."""
PYDICOM = "pydicom"
"""Decoder name of uncompressed frames that pydicom reads, for verification."""

_PYDICOM_LIMIT = 1 << 26
"""Bytes; larger files are not read a second time through pydicom, which holds them whole."""

_READABLE_BITS = (8, 16, 32)


def read_native_frame(
    opened: SourceFile, frame: Frame, avoid: Collection[str]
) -> tuple[Integers, str]:
    """One uncompressed frame as unsigned containers, (rows, columns), and the decoder's name.

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
    # Bytes of 8 bits may be swapped in pairs in big endian (PS3.5 A.3): pydicom knows when.
    swapped = size == 1 and not opened.header.little_endian
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
    order = "<" if opened.header.little_endian else ">"
    plane: Integers = np.frombuffer(content, dtype=f"{order}u{size}")
    plane = plane.astype(plane.dtype.newbyteorder("="), copy=False)
    return plane.reshape(frame.rows, frame.columns), NATIVE


def _check_length(opened: SourceFile, frame: Frame) -> tuple[int, int, int]:
    """Bytes per pixel, and where in the pixel data the frame begins and how long it is."""
    if frame.bits_allocated not in _READABLE_BITS:
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
    size = frame.bits_allocated // 8
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


def _read_with_pydicom(opened: SourceFile, frame: Frame) -> Integers:
    """One uncompressed frame through pydicom alone: another parser, another slicing.

    The file is open already; to open it again may take long on a network.
    """
    from pydicom import dcmread
    from pydicom.pixels import get_decoder  # type: ignore[attr-defined]

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
