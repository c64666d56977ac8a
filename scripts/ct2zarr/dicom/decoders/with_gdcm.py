"""JPEG, JPEG-LS and JPEG 2000 by GDCM (its own libjpeg for 8, 12 and 16 bits, CharLS, OpenJPEG)."""

from importlib.util import find_spec

from ...codes import Code
from ...errors import FileError
from ..transfer_syntaxes import JPEG_2000_FAMILY, JPEG_EXTENDED, JPEG_FAMILY, JPEG_LS_FAMILY
from .layout import FrameLayout, Integers, as_plane, read_codestream

NAME = "gdcm"
SYNTAXES: tuple[str, ...] = (*JPEG_FAMILY, *JPEG_LS_FAMILY, *JPEG_2000_FAMILY)


def is_available() -> bool:
    """Whether the Python binding of GDCM is installed."""
    return find_spec("gdcm") is not None


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns).

    Raises
    ------
    FileError
        GDCM has no image to give; it writes its reason to stderr.
    """
    import gdcm

    stream = read_codestream(encoded, layout.syntax)
    precision = stream.precision or layout.bits_stored
    if layout.syntax == JPEG_EXTENDED and precision != 8:
        raise FileError(Code.CANNOT_DECODE, "GDCM does not decode JPEG Extended of 12 bits")

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(encoded)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())

    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((layout.columns, layout.rows, 1))
    image.SetDataElement(element)
    monochrome = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(monochrome))
    syntax = gdcm.TransferSyntax.GetTSType(layout.syntax)
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    allocated = 8 if precision <= 8 else 16 if precision <= 16 else 32
    signed = layout.pixel_representation if stream.signed is None else int(stream.signed)
    image.SetPixelFormat(gdcm.PixelFormat(1, allocated, precision, precision - 1, signed))

    # The binding gives char* as str; this is how its bytes come back (as in pydicom's own plugin).
    decoded = image.GetBuffer().encode("utf-8", "surrogateescape")
    return as_plane(decoded, layout, precision)
