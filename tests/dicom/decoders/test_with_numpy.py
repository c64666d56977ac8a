"""The decoder with numpy gives the values of each of its syntaxes."""

import struct

import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom.decoders import with_numpy as decoder
from ct2zarr.dicom.decoders.layout import FrameLayout
from ct2zarr.dicom.transfer_syntaxes import RLE
from ct2zarr.errors import FileError
from encoded_frames import check_decoder, encodable, encoded_frame


@pytest.mark.parametrize("syntax", encodable(decoder))
def test_every_syntax_is_decoded_to_the_stored_values(tmp_path, syntax):
    check_decoder(decoder, tmp_path, syntax)


def test_it_is_installed_with_the_packages_that_it_names():
    assert decoder.is_available()


@pytest.mark.parametrize("lost", [1, 40])
def test_a_segment_that_ends_early_is_refused(tmp_path, lost):
    encoded, layout, _ = encoded_frame(tmp_path, RLE)
    with pytest.raises(FileError) as raised:
        decoder.decode(encoded.rstrip(b"\0")[:-lost], layout)
    assert raised.value.code is Code.TRUNCATED


def test_packets_are_literals_runs_and_nothing():
    packed = bytes([2, 1, 2, 3, 254, 7, 128, 0, 9])
    header = struct.pack("<16L", 1, 64, *[0] * 14)
    plane = decoder.decode(header + packed, FrameLayout(RLE, 1, 7, 8, 8, 0))
    assert plane.tolist() == [[1, 2, 3, 7, 7, 7, 9]]
