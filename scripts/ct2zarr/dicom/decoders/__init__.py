"""Decoders of compressed frames: one small module per package, the same names in each.

A decoder module has ``NAME``, ``SYNTAXES``, ``is_available()`` and ``decode(encoded, layout)``.
They are called directly rather than through pydicom's runner, which copies a frame twice, hides a
plugin's error in the log, and cannot take one frame out of an encapsulated file without walking
all of them.

A test compares every decoder with the others on real files. None was seen to give other values on
a sound stream; ``_SOUND_STREAMS_ONLY`` and ``layout.is_complete`` say what some do with damaged
ones.
"""

from collections.abc import Collection
from functools import cache
from typing import Protocol

from ..transfer_syntaxes import (
    DEFLATED_FRAME,
    ENCAPSULATED_UNCOMPRESSED,
    HTJ2K,
    HTJ2K_LOSSLESS,
    HTJ2K_LOSSLESS_RPCL,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_EXTENDED,
    JPEG_LOSSLESS,
    JPEG_LOSSLESS_SV1,
    JPEG_LS,
    JPEG_LS_NEAR,
    JPEG_XL,
    JPEG_XL_LOSSLESS,
    JPEG_XL_RECOMPRESSION,
    RLE,
)
from . import with_gdcm, with_imagecodecs, with_numpy, with_pylibjpeg, with_python
from .layout import FrameLayout, Integers


class Decoder(Protocol):
    """The names that a decoder module has."""

    NAME: str
    SYNTAXES: tuple[str, ...]

    def is_available(self) -> bool:
        """Whether the package is installed."""
        ...

    def decode(self, encoded: bytes, layout: FrameLayout) -> Integers:
        """Decode one frame to (rows, columns)."""
        ...


_LOSSLESS_JPEG = (with_imagecodecs, with_gdcm, with_pylibjpeg)
_JPEG_LS = (with_imagecodecs, with_gdcm, with_pylibjpeg)
_JPEG_2000 = (with_imagecodecs, with_pylibjpeg, with_gdcm)
_HTJ2K = (with_imagecodecs, with_pylibjpeg)

_PREFERENCE: dict[str, tuple[Decoder, ...]] = {
    JPEG_BASELINE: (with_imagecodecs, with_gdcm, with_pylibjpeg),
    JPEG_EXTENDED: (with_imagecodecs, with_pylibjpeg),
    JPEG_LOSSLESS: _LOSSLESS_JPEG,
    JPEG_LOSSLESS_SV1: _LOSSLESS_JPEG,
    JPEG_LS: _JPEG_LS,
    JPEG_LS_NEAR: _JPEG_LS,
    JPEG_2000_LOSSLESS: _JPEG_2000,
    JPEG_2000: _JPEG_2000,
    HTJ2K_LOSSLESS: _HTJ2K,
    HTJ2K_LOSSLESS_RPCL: _HTJ2K,
    HTJ2K: _HTJ2K,
    JPEG_XL_LOSSLESS: (with_imagecodecs,),
    JPEG_XL_RECOMPRESSION: (with_imagecodecs,),
    JPEG_XL: (with_imagecodecs,),
    RLE: (with_imagecodecs, with_pylibjpeg, with_numpy),
    DEFLATED_FRAME: (with_python, with_imagecodecs),
    ENCAPSULATED_UNCOMPRESSED: (with_python,),
}
"""Fastest first, by CPU time on 512 x 512 frames of 16 bits. Milliseconds on one core: JPEG
lossless imagecodecs 3.0, gdcm 9.5, pylibjpeg 16; JPEG-LS imagecodecs 5.2, gdcm 11,
pylibjpeg 29; JPEG 2000 imagecodecs 35, pylibjpeg 36, gdcm 46; HTJ2K imagecodecs 4.2, pylibjpeg
4.8; RLE imagecodecs 0.18, pylibjpeg 0.30, numpy 12. GDCM has no JPEG Extended of 12 bits. The two
lossy JPEG processes differ between decoders by one unit, which T.83 allows; all others agree to the
bit."""

_SOUND_STREAMS_ONLY: frozenset[tuple[str, str]] = frozenset(
    {(with_pylibjpeg.NAME, JPEG_LS), (with_pylibjpeg.NAME, JPEG_LS_NEAR)}
    | {(with_gdcm.NAME, syntax) for syntax in with_gdcm.SYNTAXES}
)
"""Decoders that are correct on sound streams, so they may verify, but never follow one that failed.
pylibjpeg gives an image of a damaged JPEG-LS stream without an error. GDCM ends the whole process
on some damaged headers (an exception of C++ that nothing catches: 9 of 1200 streams that were
damaged at random, each refused by imagecodecs and pylibjpeg with an error)."""


def is_known(syntax: str) -> bool:
    """Whether ct2zarr knows how to decode this compressed transfer syntax."""
    return syntax in _PREFERENCE


def takes_damaged(decoder: Decoder, syntax: str) -> bool:
    """Whether a decoder may be given a stream that another one could not decode."""
    return (decoder.NAME, syntax) not in _SOUND_STREAMS_ONLY


def decoders_for(syntax: str, avoid: Collection[str] = ()) -> tuple[Decoder, ...]:
    """The installed decoders of a compressed syntax, best first, avoided ones last."""
    installed = _installed(syntax)
    return tuple(sorted(installed, key=lambda one: one.NAME in avoid)) if avoid else installed


@cache
def _installed(syntax: str) -> tuple[Decoder, ...]:
    return tuple(one for one in _PREFERENCE.get(syntax, ()) if one.is_available())
