"""The decoder with imagecodecs gives the values of each of its syntaxes."""

import struct

import imagecodecs
import pytest

from ct2zarr.dicom.decoders import with_imagecodecs as decoder
from ct2zarr.dicom.decoders.layout import FrameLayout
from ct2zarr.dicom.transfer_syntaxes import RLE
from ct2zarr.errors import FileError
from encoded_frames import check_decoder, encodable, encoded_frame


@pytest.mark.parametrize("syntax", encodable(decoder))
def test_every_syntax_is_decoded_to_the_stored_values(tmp_path, syntax):
    check_decoder(decoder, tmp_path, syntax)


def test_it_is_installed_with_the_packages_that_it_names():
    assert decoder.is_available()


@pytest.mark.parametrize("lost", [2, 40])
def test_an_rle_segment_that_ends_early_is_refused_as_damage(tmp_path, lost):
    encoded, layout, _ = encoded_frame(tmp_path, RLE)
    with pytest.raises((FileError, imagecodecs.PackbitsError)):
        decoder.decode(encoded.rstrip(b"\0")[:-lost], layout)


@pytest.mark.parametrize("padding", [b"", b"\0"])
def test_a_padded_segment_is_decoded_as_one_without_padding(padding):
    header = struct.pack("<16L", 1, 64, *[0] * 14)
    plane = decoder.decode(header + bytes([254, 7]) + padding, FrameLayout(RLE, 1, 3, 8, 8, 0))
    assert plane.tolist() == [[7, 7, 7]]
