"""The decoder with gdcm gives the values of each of its syntaxes."""

import numpy as np
import pytest

from ct2zarr.dicom.decoders import with_gdcm as decoder
from ct2zarr.dicom.transfer_syntaxes import JPEG_EXTENDED, JPEG_LS
from ct2zarr.errors import FileError
from encoded_frames import check_decoder, encodable, encoded_frame


@pytest.mark.parametrize("syntax", [one for one in encodable(decoder) if one != JPEG_EXTENDED])
def test_every_syntax_is_decoded_to_the_stored_values(tmp_path, syntax):
    check_decoder(decoder, tmp_path, syntax)


def test_it_is_installed_with_the_packages_that_it_names():
    assert decoder.is_available()


@pytest.mark.parametrize(("signed", "kind"), [(False, "u"), (True, "u")])
def test_the_sign_of_the_header_does_not_change_the_containers(tmp_path, signed, kind):
    encoded, layout, stored = encoded_frame(tmp_path, JPEG_LS, signed)
    plane = decoder.decode(encoded, layout)
    assert plane.dtype.kind == kind
    assert np.array_equal(plane.astype(int) & 0xFFF, stored & 0xFFF)


def test_jpeg_extended_of_12_bits_is_left_to_others(tmp_path):
    encoded, layout, _ = encoded_frame(tmp_path, JPEG_EXTENDED)
    with pytest.raises(FileError, match="12 bits"):
        decoder.decode(encoded, layout)
