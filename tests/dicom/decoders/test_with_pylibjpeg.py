"""The decoder with pylibjpeg gives the values of each of its syntaxes."""

import struct
from dataclasses import replace

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.decoders import with_pylibjpeg as decoder
from ct2zarr.dicom.decoders.layout import FrameLayout
from ct2zarr.dicom.transfer_syntaxes import JPEG_2000_LOSSLESS, RLE
from ct2zarr.errors import FileError
from encoded_frames import check_decoder, encodable, encoded_frame


@pytest.mark.parametrize("syntax", encodable(decoder))
def test_every_syntax_is_decoded_to_the_stored_values(tmp_path, syntax):
    check_decoder(decoder, tmp_path, syntax)


def test_it_is_installed_with_the_packages_that_it_names():
    assert decoder.is_available()


@pytest.mark.parametrize("signed", [False, True])
def test_jpeg_2000_has_the_precision_of_its_codestream(tmp_path, signed):
    encoded, layout, stored = encoded_frame(tmp_path, JPEG_2000_LOSSLESS, signed)
    plane = decoder.decode(encoded, replace(layout, bits_stored=16))
    assert np.array_equal(plane.astype(int) & 0xFFF, stored & 0xFFF)


@pytest.mark.parametrize("long", [0, 1])
def test_a_segment_that_is_too_long_is_an_error_of_the_file(long):
    """The decoder is written in Rust, and panics, which is no Exception."""
    layout = FrameLayout(RLE, 4, 4, 16, 16, 0)
    segments = [b"\xf1\x00", b"\xf1\x05"]
    segments[long] = b"\xe0\x00"
    header = struct.pack("<16L", 2, 64, 64 + len(segments[0]), *[0] * 13)
    with pytest.raises(FileError, match="does not fit") as caught:
        decoder.decode(header + b"".join(segments), layout)
    assert caught.value.code is Code.CANNOT_DECODE
