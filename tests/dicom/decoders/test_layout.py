"""What codestreams say of themselves, and what becomes of a decoder's output."""

import struct

import numpy as np
import pytest

from ct2zarr.codes import Code
from ct2zarr.dicom import transfer_syntaxes as syntaxes
from ct2zarr.dicom.decoders.layout import (
    Codestream,
    FrameLayout,
    as_plane,
    is_complete,
    read_codestream,
    rle_segments,
)
from ct2zarr.errors import FileError
from encoded_frames import encoded_frame

LAYOUT = FrameLayout(syntaxes.RLE, 2, 3, 16, 12, 0)
SOI, EOI = b"\xff\xd8", b"\xff\xd9"


@pytest.mark.parametrize(
    ("syntax", "signed", "stated"),
    [
        (syntaxes.JPEG_BASELINE, False, Codestream(8)),
        (syntaxes.JPEG_EXTENDED, False, Codestream(12)),
        (syntaxes.JPEG_LOSSLESS_SV1, False, Codestream(12)),
        (syntaxes.JPEG_LS, False, Codestream(16)),
        (syntaxes.RLE, False, Codestream()),
    ],
)
def test_precision_is_read_from_a_real_codestream(tmp_path, syntax, signed, stated):
    encoded, _, _ = encoded_frame(tmp_path, syntax, signed)
    assert read_codestream(encoded, syntax) == stated


@pytest.mark.parametrize("signed", [False, True])
def test_jpeg_2000_states_its_sign(tmp_path, signed):
    syntax = syntaxes.JPEG_2000_LOSSLESS
    encoded, _, _ = encoded_frame(tmp_path, syntax, signed)
    found = read_codestream(encoded, syntax)
    assert found.precision >= 12
    assert isinstance(found.signed, bool)
    assert read_codestream(encoded[:42], syntax) == Codestream()
    assert read_codestream(b"no codestream", syntax) == Codestream()


@pytest.mark.parametrize(
    ("stream", "precision"),
    [
        (SOI + b"\xff\xc0\x00\x0b\x0c", 12),
        (SOI + b"\xff\xff\xff\xc3\x00\x0b\x10", 16),
        (SOI + b"\xff\xe0\x00\x04ab" + b"\xff\xf7\x00\x0b\x0a", 10),
        (SOI + b"\xff\xc4\x00\x04ab" + b"\xff\xc1\x00\x0b\x0c", 12),
        (SOI + b"\xff\x01\xff\xd0" + b"\xff\xc1\x00\x0b\x0c", 12),
        (SOI + b"ab" * 10, 0),
        (SOI, 0),
        (b"", 0),
    ],
)
def test_the_first_frame_header_of_a_jpeg_has_the_precision(stream, precision):
    assert read_codestream(stream, syntaxes.JPEG_LOSSLESS).precision == precision


def test_a_jpeg_without_its_end_is_not_complete():
    for syntax in (*syntaxes.JPEG_FAMILY, *syntaxes.JPEG_LS_FAMILY):
        assert is_complete(SOI + EOI + b"\0", syntax)
        assert not is_complete(SOI + b"data", syntax)
        assert not is_complete(EOI, syntax)
    assert is_complete(b"", syntaxes.RLE)
    assert is_complete(b"", syntaxes.JPEG_2000)


def test_rle_segments_are_those_of_the_header():
    header = struct.pack("<16L", 2, 64, 67, *[0] * 13)
    assert rle_segments(header + b"abcde", LAYOUT) == [b"abc", b"de"]


@pytest.mark.parametrize(
    ("encoded", "code"),
    [
        (b"\0" * 63, Code.TRUNCATED),
        (struct.pack("<16L", 1, 64, *[0] * 14), Code.CANNOT_DECODE),
        (struct.pack("<16L", 3, 64, 65, 66, *[0] * 12), Code.CANNOT_DECODE),
    ],
)
def test_an_rle_header_that_does_not_fit_is_refused(encoded, code):
    with pytest.raises(FileError) as raised:
        rle_segments(encoded, LAYOUT)
    assert raised.value.code is code


@pytest.mark.parametrize(("bits", "size"), [(8, 1), (9, 2), (16, 2), (17, 4)])
def test_bytes_are_little_endian_samples_of_the_size_that_their_bits_need(bits, size):
    values = np.arange(6, dtype=f"<u{size}")
    plane = as_plane(values.tobytes(), LAYOUT, bits)
    assert plane.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert plane.dtype.itemsize == size


def test_an_array_keeps_its_type():
    plane = as_plane(np.arange(6, dtype=np.int32), LAYOUT, 0)
    assert (plane.dtype, plane.shape) == (np.int32, (2, 3))


@pytest.mark.parametrize(
    ("decoded", "message"),
    [
        (b"12345", "not whole samples"),
        (b"1234", "decoded 2 samples where the header says 2 x 3"),
        (np.zeros((2, 4)), "decoded 8 samples"),
        (np.zeros((3, 2)), "decoded 3 x 2 samples"),
    ],
)
def test_an_output_of_another_size_is_refused(decoded, message):
    with pytest.raises(FileError, match=message):
        as_plane(decoded, LAYOUT, 16)
