"""What a header and a few bytes say about the pixels: how many are missing, and lossy or not."""

import pytest

from byte_source import END, Bytes, item
from ct2zarr.dicom.header import PixelPlace, RawHeader
from ct2zarr.dicom.pixel_facts import is_lossy, pixels_missing
from ct2zarr.dicom.tags import (
    DOUBLE_FLOAT_PIXEL_DATA,
    FLOAT_PIXEL_DATA,
    LOSSY_COMPRESSION,
    PIXEL_DATA,
)
from ct2zarr.dicom.transfer_syntaxes import (
    EXPLICIT_LITTLE,
    HTJ2K,
    JPEG_2000,
    JPEG_2000_LOSSLESS,
    JPEG_BASELINE,
    JPEG_LS,
    JPEG_LS_NEAR,
    RLE,
)

FIELDS = {"rows": 4, "columns": 6, "bits_allocated": 16}
BYTES = 48


def header(
    size: int,
    length: int | None = None,
    *,
    offset: int = 0,
    tag: int = PIXEL_DATA,
    syntax: str = EXPLICIT_LITTLE,
    said: bytes | None = None,
) -> RawHeader:
    values = {} if said is None else {LOSSY_COMPRESSION: ("CS", said)}
    return RawHeader(size, values, {}, True, syntax, "", "", PixelPlace(tag, offset, length))


def missing(content: bytes, length: int | None, frames: int = 1, **options) -> int | None:
    fields = options.pop("fields", FIELDS)
    made = header(len(content), length, **options)
    return pixels_missing(made, Bytes(content), frames, fields)


@pytest.mark.parametrize(
    ("there", "length", "lacking"),
    [(48, 48, 0), (47, 48, 1), (47, 47, 1), (60, 60, 0), (40, 60, 20), (48, 50, 2)],
)
def test_uncompressed_pixels_are_held_against_matrix_and_length(there, length, lacking):
    assert missing(bytes(there), length) == lacking


def test_pixels_that_begin_late_in_the_file_are_counted_from_there():
    assert missing(bytes(60), BYTES, offset=12) == 0
    assert missing(bytes(60), BYTES, offset=13) == 1


def test_each_frame_and_sample_counts():
    assert missing(bytes(BYTES), BYTES, frames=3) == 2 * BYTES
    assert missing(bytes(BYTES), BYTES, fields={**FIELDS, "samples_per_pixel": 3}) == 2 * BYTES


def test_halved_chrominance_needs_two_bytes_instead_of_three():
    colour = {"rows": 4, "columns": 6, "bits_allocated": 8, "samples_per_pixel": 3}
    for photometric, due in (("YBR_FULL_422", 48), ("YBR_FULL", 72), ("RGB", 72)):
        assert missing(bytes(40), 40, fields={**colour, "photometric": photometric}) == due - 40


def test_single_bits_are_rounded_up_to_whole_bytes():
    bits = {"rows": 3, "columns": 3, "bits_allocated": 1}
    assert missing(bytes(1), 1, fields=bits) == 1
    assert missing(bytes(2), 2, fields=bits) == 0


@pytest.mark.parametrize(("tag", "size"), [(FLOAT_PIXEL_DATA, 4), (DOUBLE_FLOAT_PIXEL_DATA, 8)])
def test_floating_point_pixels_have_their_own_size(tag, size):
    due = 24 * size
    assert missing(bytes(due - 1), due - 1, tag=tag) == 1
    assert missing(bytes(due), due, tag=tag) == 0


def test_without_pixel_data_nothing_is_missing_but_all():
    assert missing(b"", 0) is None
    bare = RawHeader(0, {}, {}, True, "", "", "", None)
    assert pixels_missing(bare, Bytes(b""), 1, FIELDS) is None


def test_a_fragment_beyond_the_end_lacks_what_is_beyond():
    content = item(b"") + item(b"abcdef") + END
    assert missing(content, None, syntax=JPEG_LS) == 0
    assert missing(content[:-8], None, syntax=JPEG_LS) == 0
    assert missing(content[:-9], None, syntax=JPEG_LS) == 1


def test_fewer_fragments_than_frames_lack_the_size_of_those_frames():
    content = item(b"table") + item(b"abcdef") + END
    assert missing(content, None, frames=3, syntax=RLE) == 2 * BYTES
    assert missing(content, None, frames=2, syntax=RLE, fields={}) == 1


def test_no_more_fragments_are_visited_than_there_are_frames():
    content = item(b"") + item(b"abcdef") + item(b"ghijkl")[:-3]
    assert missing(content, None, frames=1, syntax=RLE) == 0
    assert missing(content, None, frames=2, syntax=RLE) == 3


def test_damage_between_fragments_makes_the_rest_missing():
    content = item(b"") + item(b"abcdef") + b"\x10\0\x20\0\x02\0\0\0xx"
    assert missing(content, None, frames=2, syntax=RLE) == BYTES


def test_fragments_of_an_uncompressed_syntax_are_summed():
    content = item(b"") + item(bytes(20)) + item(bytes(27)) + END
    assert missing(content, None) == 1


def test_compressed_pixels_of_stated_length_lack_only_what_the_file_cuts():
    assert missing(bytes(10), 10, syntax=JPEG_LS) == 0
    assert missing(bytes(10), 13, syntax=JPEG_LS) == 3


# Lossy or not ------------------------------------------------------------------------------------


def coding_style(wavelet: int, before: int = 0) -> bytes:
    """The COD segment of a codestream, ``before`` bytes into the pixel data."""
    return bytes(before) + b"\xff\x52\x00\x0c" + bytes(9) + bytes([wavelet])


def lossy(content: bytes, syntax: str, said: bytes | None) -> bool:
    return is_lossy(header(len(content), None, syntax=syntax, said=said), Bytes(content))


@pytest.mark.parametrize("said", [b"01", b"01 ", b"01\0", b" 01"])
def test_a_header_that_says_01_is_believed_however_it_is_padded(said):
    assert lossy(b"", EXPLICIT_LITTLE, said)
    assert lossy(coding_style(1), JPEG_2000, said)


@pytest.mark.parametrize("syntax", [JPEG_BASELINE, JPEG_LS_NEAR])
def test_some_syntaxes_are_always_lossy(syntax):
    assert lossy(b"", syntax, b"00")


@pytest.mark.parametrize("syntax", [EXPLICIT_LITTLE, RLE, JPEG_LS, JPEG_2000_LOSSLESS])
def test_others_never_are(syntax):
    assert not lossy(coding_style(0), syntax, None)


@pytest.mark.parametrize("syntax", [JPEG_2000, HTJ2K])
@pytest.mark.parametrize("said", [None, b"00"])
def test_the_wavelet_decides_where_both_are_possible(syntax, said):
    assert lossy(coding_style(0), syntax, said)
    assert not lossy(coding_style(1), syntax, said)


@pytest.mark.parametrize(("before", "seen"), [(4082, True), (4083, False)])
def test_a_wavelet_out_of_sight_leaves_the_word_to_the_header(before, seen):
    content = coding_style(1, before)
    assert lossy(content, JPEG_2000, None) is not seen
    assert not lossy(content, JPEG_2000, b"00")


def test_a_file_without_pixels_is_not_lossy():
    bare = RawHeader(0, {}, {}, True, JPEG_2000, "", "", None)
    assert not is_lossy(bare, Bytes(b""))
