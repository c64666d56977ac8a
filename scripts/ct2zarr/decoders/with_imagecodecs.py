"""JPEG, JPEG-LS and JPEG 2000 by imagecodecs (libjpeg-turbo 3, CharLS, OpenJPEG)."""

from importlib.util import find_spec

from .layout import (
    HTJ2K_FAMILY,
    JPEG_2000_FAMILY,
    JPEG_FAMILY,
    JPEG_LS_FAMILY,
    FrameLayout,
    Integers,
    as_plane,
)

NAME = "imagecodecs"
SYNTAXES: tuple[str, ...] = (*JPEG_FAMILY, *JPEG_LS_FAMILY, *JPEG_2000_FAMILY, *HTJ2K_FAMILY)
PACKAGES: tuple[str, ...] = ("imagecodecs",)


def is_available() -> bool:
    """Return whether imagecodecs is installed."""
    return find_spec("imagecodecs") is not None


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns)."""
    import imagecodecs

    if layout.syntax in JPEG_FAMILY:
        decoded = imagecodecs.jpeg_decode(encoded)
    elif layout.syntax in JPEG_LS_FAMILY:
        decoded = imagecodecs.jpegls_decode(encoded)
    else:
        decoded = imagecodecs.jpeg2k_decode(encoded)
    return as_plane(decoded, layout, 0)
