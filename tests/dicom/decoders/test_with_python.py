"""Frames in fragments without a codec: uncompressed, or deflated."""

import zlib

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.decoders import decoders_for, with_imagecodecs
from ct2zarr.dicom.decoders import with_python as decoder
from ct2zarr.dicom.decoders.layout import FrameLayout
from ct2zarr.dicom.transfer_syntaxes import DEFLATED_FRAME, ENCAPSULATED_UNCOMPRESSED
from ct2zarr.errors import FileError

PIXELS = np.arange(15, dtype="<u2").reshape(3, 5) * 999


def layout(syntax: str, bits: int = 16) -> FrameLayout:
    return FrameLayout(syntax, 3, 5, bits, bits, 0)


def deflate(raw: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    return packer.compress(raw) + packer.flush()


def test_it_needs_no_package_and_comes_first():
    assert decoder.is_available()
    for syntax in decoder.SYNTAXES:
        assert decoders_for(syntax)[0] is decoder


def test_uncompressed_frames_are_little_endian():
    plane = decoder.decode(PIXELS.tobytes(), layout(ENCAPSULATED_UNCOMPRESSED))
    np.testing.assert_array_equal(plane, PIXELS)


def test_an_odd_frame_may_be_padded_by_one_byte():
    eight = PIXELS.astype("u1")
    for raw in (eight.tobytes(), eight.tobytes() + b"\0"):
        for syntax, encoded in ((ENCAPSULATED_UNCOMPRESSED, raw), (DEFLATED_FRAME, deflate(raw))):
            np.testing.assert_array_equal(decoder.decode(encoded, layout(syntax, 8)), eight)


@pytest.mark.parametrize("one", [decoder, with_imagecodecs])
def test_a_deflated_frame_is_what_was_deflated(one):
    plane = one.decode(deflate(PIXELS.tobytes()), layout(DEFLATED_FRAME))
    np.testing.assert_array_equal(plane, PIXELS)


@pytest.mark.parametrize("change", [lambda raw: raw + b"\0\0", lambda raw: raw[:-2]])
@pytest.mark.parametrize("syntax", decoder.SYNTAXES)
def test_a_frame_of_another_size_is_refused(syntax, change):
    raw = change(PIXELS.tobytes())
    encoded = deflate(raw) if syntax == DEFLATED_FRAME else raw
    with pytest.raises(FileError) as caught:
        decoder.decode(encoded, layout(syntax))
    assert caught.value.code is Code.CANNOT_DECODE


def test_a_deflated_frame_without_its_end_is_refused():
    with pytest.raises(FileError) as caught:
        decoder.decode(deflate(PIXELS.tobytes())[:-4], layout(DEFLATED_FRAME))
    assert caught.value.code is Code.TRUNCATED
