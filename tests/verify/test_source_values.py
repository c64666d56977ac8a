"""Two ways from containers to values, the conversion's and the verification's, agree."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from ct2zarr.dicom.decoders.layout import Codestream
from ct2zarr.dicom.decoding import StoredFrame
from ct2zarr.dicom.header import RawHeader
from ct2zarr.dicom.source_headers import FrameHeader, PixelHeader
from ct2zarr.dicom.stored_values import Assumed, stored_values
from ct2zarr.model import Frame
from ct2zarr.verify.source_values import possible_values
from ct2zarr.vocabulary import Role


def both(plane, bits, high, signed, padding=None, overlay=False, precision=None, assumed=None):
    """The values of the conversion, and those that the verification allows."""
    frame = Frame(
        "v1", "/", "/a.dcm", 0, 0, Role.SLICE, bits_allocated=8 * plane.dtype.itemsize,
        bits_stored=bits, high_bit=high, pixel_representation=int(signed), padding_value=padding,
    )  # fmt: skip
    stream = None if precision is None else Codestream(precision)
    found = stored_values(plane, frame, stream, assumed=assumed or Assumed(), overlay=overlay)
    header = RawHeader(0, {}, {}, True, "", "", "", None)
    source = StoredFrame(found.values, header, "native", found, plane, stream)
    told = PixelHeader(bits, high, signed, padding, overlay)
    return found, list(possible_values(source, FrameHeader("", None, 1.0, 0.0, True, told)))


@given(
    seed=st.integers(0, 1000),
    spread=st.integers(1, 16),
    shift=st.integers(0, 8),
    bits=st.integers(2, 16),
    below=st.integers(0, 4),
    signed=st.booleans(),
    padding=st.none() | st.integers(-2000, 2000),
    overlay=st.booleans(),
    precision=st.none() | st.integers(2, 16),
    assumed=st.builds(Assumed, st.booleans(), st.booleans()),
)
@example(1, 12, 0, 12, 3, False, None, False, None, Assumed())
@example(1, 12, 0, 12, 0, True, None, False, None, Assumed())
def test_the_conversion_writes_what_the_verification_allows(
    seed, spread, shift, bits, below, signed, padding, overlay, precision, assumed
):
    random = np.random.default_rng(seed)
    plane = (random.integers(0, 1 << spread, (8, 8)) << shift).astype("u2")
    if signed and seed % 2:
        plane = (random.integers(-(1 << spread - 1), 1 << spread - 1, (8, 8)) << shift).astype("u2")
    high = min(bits - 1 + below, 15)
    padding = padding if signed or padding is None else abs(padding)
    found, allowed = both(plane, bits, high, signed, padding, overlay, precision, assumed)
    assert any(np.array_equal(found.values, values) for values in allowed)
    if not found.undecided:
        assert len(allowed) == 1


def test_a_plane_that_tells_has_one_reading():
    plane = np.arange(64, dtype="u2").reshape(8, 8) * 61
    found, allowed = both(plane, 12, 15, False)
    assert found.right_aligned is True
    assert len(allowed) == 1
    np.testing.assert_array_equal(allowed[0], plane)
    found, allowed = both(plane << 4, 12, 15, False)
    assert found.right_aligned is False
    assert len(allowed) == 1
    np.testing.assert_array_equal(allowed[0], plane)


def test_floating_point_numbers_are_their_own_values():
    plane = np.array([[0.25, np.nan]], np.float32)
    _, (values,) = both(plane, 0, 0, False)
    np.testing.assert_array_equal(values, plane)


def check_both(plane, bits, high, signed, padding=None):
    found, allowed = both(plane, bits, high, signed, padding)
    assert any(np.array_equal(found.values, values) for values in allowed)
    assert len(allowed) == (2 if found.undecided else 1)


@given(
    counts=st.tuples(*[st.integers(0, 8)] * 4),
    zeros=st.sampled_from([0, 1, 60, 200]),
    padding=st.sampled_from([None, -3000, 3000, 5]),
    ends=st.sampled_from([(-3000, 3000), (-2049, 2048), (-2048, 2047)]),
)
@example((3, 4, 8, 2), 0, None, (-3000, 3000))
@example((4, 4, 8, 2), 0, None, (-3000, 3000))
@example((0, 6, 6, 6), 0, None, (-3000, 3000))
@example((0, 6, 7, 6), 0, None, (-3000, 3000))
@example((0, 6, 0, 4), 60, None, (-3000, 3000))
@example((0, 0, 0, 8), 152, None, (-3000, 3000))
@example((0, 0, 0, 8), 151, None, (-3000, 3000))
@example((0, 8, 0, 1), 0, None, (-3000, 3000))
@example((0, 12, 3, 5), 0, None, (-3000, 3000))
def test_both_agree_on_what_larger_signed_numbers_are(counts, zeros, padding, ends):
    values = np.repeat([ends[0], -5, 5, ends[1]], counts)
    plane = np.concatenate((values, np.zeros(zeros, int))).astype("u2")
    if len(plane):
        check_both(plane[None], 12, 11, signed=True, padding=padding)


@given(
    odd=st.integers(13, 18),
    even=st.integers(12, 22),
    zeros=st.sampled_from([0, 9]),
    top=st.sampled_from([0x0FF0, 0x1000, 0x8000]),
    signed=st.booleans(),
    padding=st.sampled_from([None, 0x1000, 0]),
)
@example(16, 15, 0, 0x1000, False, None)
@example(16, 16, 0, 0x1000, False, None)
@example(15, 12, 0, 0x1000, False, None)
@example(15, 12, 0, 0x0FF0, False, None)
def test_both_agree_on_where_values_begin(odd, even, zeros, top, signed, padding):
    numbers = np.repeat([0x0101, 0x0100, 0, top], [odd, even - 1, zeros, 1])
    check_both(numbers.astype("u2")[None], 12, 15, signed=signed, padding=padding)
