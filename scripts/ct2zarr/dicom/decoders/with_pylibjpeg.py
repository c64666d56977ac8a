"""Every compressed syntax by the pylibjpeg packages (libjpeg by Thomas Richter, OpenJPEG, RLE)."""

from importlib.util import find_spec

from ...codes import Code
from ...errors import FileError
from ..transfer_syntaxes import HTJ2K_FAMILY, JPEG_2000_FAMILY, JPEG_FAMILY, JPEG_LS_FAMILY, RLE
from .layout import FrameLayout, Integers, as_plane, read_codestream

NAME = "pylibjpeg"
SYNTAXES: tuple[str, ...] = (*JPEG_FAMILY, *JPEG_LS_FAMILY, *JPEG_2000_FAMILY, *HTJ2K_FAMILY, RLE)
_PANIC = "PanicException"
_VERSION_2 = 2  # of the pylibjpeg plugin interface: bytes in, bytearray out


def is_available() -> bool:
    """Whether the pylibjpeg packages are installed."""
    return all(find_spec(name) is not None for name in ("libjpeg", "openjpeg", "rle"))


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns)."""
    if layout.syntax == RLE:
        return as_plane(_decode_rle(encoded, layout), layout, layout.bits_allocated)
    if layout.syntax in JPEG_FAMILY or layout.syntax in JPEG_LS_FAMILY:
        from libjpeg.utils import decode_pixel_data
    else:
        from openjpeg.utils import decode_pixel_data
    precision = read_codestream(encoded, layout.syntax).precision or layout.bits_stored
    return as_plane(decode_pixel_data(encoded, version=_VERSION_2), layout, precision)


def _decode_rle(encoded: bytes, layout: FrameLayout) -> bytearray | Integers:
    from rle.utils import decode_pixel_data

    try:
        decoded: bytearray | Integers = decode_pixel_data(
            encoded,
            version=_VERSION_2,
            rows=layout.rows,
            columns=layout.columns,
            bits_allocated=layout.bits_allocated,
        )
    except BaseException as error:
        # A panic of Rust, as segments that are too long cause, is no Exception of Python.
        if type(error).__name__ != _PANIC:
            raise
        raise FileError(Code.CANNOT_DECODE, "a segment does not fit the image") from error
    return decoded
