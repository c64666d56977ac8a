"""Containers to integers: which bits count, which are repaired, and what is left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.dicom.decoders.layout import Codestream
from ct2zarr.dicom.stored_values import Assumed, BitTally, bits_of, stored_values
from ct2zarr.model import Frame
from ct2zarr.vocabulary import Role


def plane(bits: int, *, signed: bool = False, high: int | None = None, padding=None) -> Frame:
    return Frame(
        "v1",
        "/",
        "/a",
        0,
        0,
        Role.SLICE,
        bits_allocated=16,
        bits_stored=bits,
        high_bit=bits - 1 if high is None else high,
        pixel_representation=int(signed),
        padding_value=padding,
    )


def values(containers: list[int], frame: Frame, codestream: Codestream | None = None) -> list[int]:
    array = np.array([containers], dtype=np.uint16)
    return stored_values(array, frame, codestream).values[0].tolist()


def meant(container: int, bits: int, high: int, signed: bool) -> int:
    """PS3.5 section 8.1.1, one container."""
    value = (container >> (high + 1 - bits)) & ((1 << bits) - 1)
    return value - (1 << bits) if signed and value >> (bits - 1) else value


@given(
    container=st.integers(0, 0xFFFF),
    bits=st.integers(1, 16),
    below=st.integers(0, 15),
    signed=st.booleans(),
)
def test_only_the_bits_that_the_header_names_count(container, bits, below, signed):
    high = min(bits - 1 + below, 15)
    (found,) = values([container], plane(bits, signed=signed, high=high))
    assert found == meant(container, bits, high, signed)


def test_values_above_the_low_bit_are_shifted_down_by_high_bit():
    frame = plane(12, signed=True, high=15)
    assert values([0x8005, 0x7FFF, 0x0010], frame) == [-2048, 2047, 1]


def test_a_high_bit_beyond_the_container_shifts_all_bits_but_one():
    assert values([0x8000, 0x7FFF], plane(12, high=200)) == [1, 0]


def test_a_high_bit_below_the_stored_bits_shifts_nothing():
    assert values([5, 4095], plane(12, high=3)) == [5, 4095]


def test_the_largest_and_smallest_value_need_no_repair_and_the_next_ones_do():
    assert values([0, 4095], plane(12)) == [0, 4095]
    assert values([0, 4096], plane(12)) == [0, 0]
    assert values([0xF800, 2047], plane(12, signed=True)) == [-2048, 2047]
    assert values([0xF7FF, 2047], plane(12, signed=True)) == [2047, 2047]
    assert values([0, 2048], plane(12, signed=True)) == [0, -2048]


def test_the_sign_of_twelve_bits_is_extended():
    assert values([0x0FFF, 0x0800, 0x07FF], plane(12, signed=True)) == [-1, -2048, 2047]


def test_sixteen_bits_are_taken_as_they_are():
    assert values([0xFFFF, 0x8000], plane(16)) == [65535, 32768]
    assert values([0xFFFF, 0x8000], plane(16, signed=True)) == [-1, -32768]


@pytest.mark.parametrize("signed", [False, True])
def test_a_padding_container_outside_bits_stored_is_kept(signed):
    padding = -2000 if signed else 63536
    frame = plane(11 if signed else 12, signed=signed, padding=padding)
    assert values([63536, 5, 0xF005], frame) == [padding, 5, 5]


def test_a_padding_value_inside_bits_stored_is_masked_like_any_other():
    assert values([0x1005, 0xF000], plane(12, padding=5)) == [5, 0]


@pytest.mark.parametrize(("padding", "kept"), [(4095, 4095), (4096, 4096)])
def test_the_first_padding_value_outside_bits_stored_is_kept(padding, kept):
    assert values([padding, 0xF001], plane(12, padding=padding)) == [kept, 1]


def test_a_codestream_of_fewer_bits_gives_values_modulo_its_precision():
    frame = plane(16, signed=True)
    assert values([0x0FFF, 0x07FF], frame, Codestream(12)) == [-1, 2047]


def test_a_codestream_of_more_bits_than_stored_is_shifted_like_a_container():
    frame = plane(12, high=15)
    assert values([0xFFF0], frame, Codestream(16)) == [4095]
    assert values([0x0FFF], frame, Codestream(12)) == [4095]


def test_a_codestream_that_states_nothing_is_a_container():
    assert values([0xFFF0], plane(12, high=15), Codestream()) == [4095]


def test_values_that_need_no_repair_are_not_copied():
    containers = np.array([[0, 4095]], dtype=np.uint16)
    assert np.shares_memory(stored_values(containers, plane(12)).values, containers)


def test_a_container_like_the_padding_is_shifted_where_bits_stored_can_hold_the_padding():
    assert values([0x0010, 0x0020], plane(12, high=15, padding=0x0010)) == [1, 2]


# Headers that the bits contradict -------------------------------------------------------------

NOISE = np.random.default_rng(3).integers(-900, 1200, (16, 16))


def found_in(numbers, frame: Frame, **options):
    return stored_values(np.asarray(numbers).astype(np.uint16), frame, **options)


def test_right_aligned_values_are_not_shifted_whatever_high_bit_says():
    found = found_in(NOISE + 1024, plane(12, high=15))
    assert found.right_aligned is True
    np.testing.assert_array_equal(found.values, NOISE + 1024)


def test_left_aligned_values_are_shifted():
    found = found_in((NOISE + 1024) << 4, plane(12, high=15))
    assert found.right_aligned is False
    np.testing.assert_array_equal(found.values, NOISE + 1024)


def test_a_plane_of_one_value_is_read_as_the_others_of_its_volume():
    blank = np.full((16, 16), 1024)
    found = found_in(blank, plane(12, high=15))
    assert (found.right_aligned, found.undecided, int(found.values[0, 0])) == (None, True, 64)
    found = found_in(blank, plane(12, high=15), assumed=Assumed(right_aligned=True))
    assert int(found.values[0, 0]) == 1024


def test_an_overlay_in_the_low_bits_is_no_contradiction():
    found = found_in(((NOISE + 1024) << 4) | 1, plane(12, high=15), overlay=True)
    assert found.right_aligned is None
    np.testing.assert_array_equal(found.values, NOISE + 1024)


@pytest.mark.parametrize("few", [15, 16])
def test_some_low_bits_are_an_accident_and_many_are_not(few):
    numbers = np.zeros((16, 16), int)
    numbers.ravel()[:few] = 5
    assert found_in(numbers, plane(12, high=15)).right_aligned is (True if few == 16 else None)


def metal_in(numbers: np.ndarray, pixels: int = 8) -> np.ndarray:
    numbers = numbers.copy()
    numbers.ravel()[:pixels] = 3000
    return numbers


def test_extended_signs_show_that_larger_values_are_meant():
    found = found_in(metal_in(NOISE), plane(12, signed=True))
    assert (found.sign_extended, found.beyond) == (True, 8)
    np.testing.assert_array_equal(found.values, metal_in(NOISE))
    assert found_in(NOISE, plane(12, signed=True)).sign_extended is True


def test_without_negative_values_the_other_planes_decide():
    numbers = metal_in(np.abs(NOISE))
    frame = plane(12, signed=True)
    many = found_in(metal_in(np.abs(NOISE), 13), frame)
    assert (many.sign_extended, many.undecided) == (False, False)
    found = found_in(numbers, frame)
    assert (found.sign_extended, found.undecided, int(found.values[0, 0])) == (None, True, -1096)
    found = found_in(numbers, frame, assumed=Assumed(sign_extended=True))
    assert int(found.values[0, 0]) == 3000


def test_signs_that_their_writer_cut_are_no_contradiction():
    found = found_in(NOISE & 0xFFF, plane(12, signed=True))
    assert (found.beyond, found.undecided) == (0, False)
    np.testing.assert_array_equal(found.values, NOISE)


def test_unsigned_values_beyond_bits_stored_are_counted_without_padding():
    numbers = metal_in(np.abs(NOISE)) + 2000
    numbers[8] = 63536
    found = found_in(numbers, plane(12, padding=63536))
    assert found.beyond == 8
    assert int(found.values[8, 0]) == 63536
    assert found_in(numbers, plane(12), overlay=True).beyond == 0


def test_a_tally_assumes_what_all_planes_that_tell_agree_on():
    frame = plane(12, high=15)
    tally = BitTally()
    tally.add(found_in(np.full((16, 16), 1024), frame), frame, raw_in_compressed=False)
    assert tally.assumption() == Assumed()
    tally.add(found_in(NOISE + 1024, frame), frame, raw_in_compressed=False)
    assert tally.assumption() == Assumed(right_aligned=True)
    assert tally.evidence() == {"high_bit_ignored": 1}
    tally.add(found_in((NOISE + 1024) << 4, frame), frame, raw_in_compressed=True)
    assert tally.assumption() == Assumed()
    assert tally.evidence() == {"high_bit_ignored": 1, "not_compressed": 1}


def test_without_bits_stored_all_bits_are_used_whatever_high_bit_says():
    assert bits_of(plane(0, high=5)) == (16, 15)
    assert bits_of(plane(12, high=13)) == (12, 13)


@pytest.mark.parametrize("signed", [False, True])
def test_the_ends_of_values_that_needed_no_repair_are_theirs(signed):
    found = found_in(NOISE if signed else NOISE + 2048, plane(12, signed=signed))
    assert found.ends in (None, (int(found.values.min()), int(found.values.max())))
    small = found_in(np.arange(16).reshape(4, 4), plane(12, signed=signed))
    assert small.ends == (0, 15)
    assert found_in(np.arange(5000).reshape(50, 100), plane(12, signed=signed)).ends is None
