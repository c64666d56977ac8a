"""Containers to integers: which bits count, which are repaired, and what is left alone."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.dicom.decoders.layout import Codestream
from ct2zarr.dicom.stored_values import stored_values
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
    return stored_values(array, frame, codestream)[0].tolist()


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
    assert np.shares_memory(stored_values(containers, plane(12)), containers)


def test_a_container_like_the_padding_is_shifted_where_bits_stored_can_hold_the_padding():
    assert values([0x0010, 0x0020], plane(12, high=15, padding=0x0010)) == [1, 2]
