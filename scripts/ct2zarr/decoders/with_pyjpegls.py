"""JPEG-LS by pyjpegls (CharLS)."""

from importlib.util import find_spec

from .layout import JPEG_LS_FAMILY, FrameLayout, Integers, as_plane

NAME = "pyjpegls"
SYNTAXES: tuple[str, ...] = JPEG_LS_FAMILY
PACKAGES: tuple[str, ...] = ("pyjpegls",)


def is_available() -> bool:
    """Return whether pyjpegls is installed."""
    return find_spec("jpeg_ls") is not None


def decode(encoded: bytes, layout: FrameLayout) -> Integers:
    """Decode one frame to (rows, columns)."""
    import jpeg_ls  # type: ignore[import-untyped]

    decoded, info = jpeg_ls.decode_pixel_data(encoded)
    return as_plane(decoded, layout, info["bits_per_sample"])
