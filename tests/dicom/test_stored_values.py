"""Containers of pixels to the integers that the header means."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ct2zarr.dicom.decoders.layout import Codestream
from ct2zarr.dicom.stored_values import stored_values
from series_of import frame


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
    one = frame(
        1, 0.0, bits_stored=bits, high_bit=high, pixel_representation=int(signed)
    )  # fmt: skip
    (found,) = stored_values(np.array([container], np.uint16), one)
    assert int(found) == meant(container, bits, high, signed)


@pytest.mark.parametrize("signed", [0, 1])
def test_values_within_their_bits_are_not_copied(signed):
    plane = np.array([[0, 2047]], np.uint16)
    found = stored_values(plane, frame(1, 0.0, pixel_representation=signed))
    assert np.shares_memory(found, plane)
    assert found.dtype == (np.int16 if signed else np.uint16)


def test_padding_outside_of_the_bits_is_kept_and_other_stray_bits_are_not():
    containers = np.array([-2000, -3000, 5], np.int16)
    one = frame(1, 0.0, pixel_representation=1, padding_value=-2000)
    assert stored_values(containers.view(np.uint16), one).tolist() == [-2000, 1096, 5]


@pytest.mark.parametrize(
    ("precision", "values"), [(0, [-1, 1]), (12, [-1, 1]), (8, [-1, 1]), (16, [-1, 1])]
)
def test_a_codestream_of_fewer_bits_states_where_the_sign_is(precision, values):
    bits = precision if 0 < precision < 12 else 12
    containers = np.array([(1 << bits) - 1, 1], np.uint16)
    one = frame(1, 0.0, pixel_representation=1)
    assert stored_values(containers, one, Codestream(precision)).tolist() == values
