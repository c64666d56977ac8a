"""A few items are taken out of a Blosc frame as they stand in it, whatever built it."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Blosc, blosc

from ct2zarr.store.blosc_frames import check_frame, frame_of_items

UNPACKED_SIZE_AT = 4
"""Where the header of a frame says how many bytes it unpacks to (c-blosc, README_CHUNK_FORMAT)."""
SHUFFLES = (Blosc.NOSHUFFLE, Blosc.SHUFFLE, Blosc.BITSHUFFLE)


def ramp(dtype: str, items: int) -> np.ndarray:
    """Values that differ and pack well."""
    return (np.arange(items) % 1000).astype(dtype)


def encoded(values: np.ndarray, shuffle: int = Blosc.BITSHUFFLE, **options: object) -> bytes:
    options = {"cname": "zstd", "clevel": 1, "blocksize": values.nbytes} | options
    return Blosc(shuffle=shuffle, **options).encode(values)


def items_of(frame: bytes, values: np.ndarray, start: int, stop: int) -> np.ndarray:
    """Items ``start`` to ``stop``, by way of the thin frame or of the whole one."""
    size = values.itemsize
    thin = frame_of_items(frame, start * size, stop * size, np.empty(values.nbytes, np.uint8))
    found = np.frombuffer(blosc.decompress(thin), values.dtype)
    return found if thin is not frame else found[start:stop]


@given(
    dtype=st.sampled_from(["i1", "<i2", "<i4", "<f4", "<f8"]),
    shuffle=st.sampled_from(SHUFFLES),
    cname=st.sampled_from(["zstd", "lz4", "zlib"]),
    block=st.sampled_from([1, 2, 3]),
    items=st.integers(1, 3000),
    limits=st.tuples(st.integers(0, 3000), st.integers(0, 3000)),
)
def test_items_of_a_frame_are_those_of_the_whole(dtype, shuffle, cname, block, items, limits):
    values = ramp(dtype, items)
    start, stop = sorted(min(limit, items) for limit in limits)
    if start == stop:
        return
    frame = encoded(values, shuffle, cname=cname, blocksize=max(values.nbytes // block, 1))
    np.testing.assert_array_equal(items_of(frame, values, start, stop), values[start:stop])


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4"])
@pytest.mark.parametrize("shuffle", [Blosc.SHUFFLE, Blosc.BITSHUFFLE])
def test_a_plane_of_a_chunk_as_ct2zarr_writes_it_is_a_frame_of_its_own_size(dtype, shuffle):
    values = ramp(dtype, 8 * 64 * 64)
    frame = encoded(values, shuffle)
    plane = 64 * 64 * values.itemsize
    thin = frame_of_items(frame, 3 * plane, 4 * plane, np.empty(values.nbytes, np.uint8))
    assert struct.unpack_from("<I", thin, UNPACKED_SIZE_AT) == (plane,)
    found = items_of(frame, values, 3 * 4096, 4 * 4096)
    np.testing.assert_array_equal(found, values[3 * 4096 : 4 * 4096])


def test_noise_that_blosc_stores_as_it_is_comes_back():
    values = np.frombuffer(np.random.default_rng(0).bytes(8192), "<i2")
    frame = encoded(values)
    np.testing.assert_array_equal(items_of(frame, values, 8, 64), values[8:64])


def test_a_frame_of_another_length_or_content_than_due_is_refused():
    values = ramp("<i2", 4096)
    frame = encoded(values)
    check_frame(frame, values.nbytes)
    for wrong in (frame[:-1], frame + b"\0", frame[:9], b""):
        with pytest.raises(ValueError, match=r"header|Blosc"):
            check_frame(wrong, values.nbytes)
    with pytest.raises(ValueError, match="8192 bytes where 8190 are due"):
        check_frame(frame, values.nbytes - 2)


@given(place=st.integers(16, 400), value=st.integers(0, 255))
def test_a_damaged_block_is_an_error_or_another_value_and_never_a_crash(place, value):
    values = ramp("<i2", 4096)
    damaged = bytearray(encoded(values))
    damaged[min(place, len(damaged) - 1)] = value
    scratch = np.empty(values.nbytes, np.uint8)
    try:
        thin = frame_of_items(bytes(damaged), 0, 1024, scratch)
        assert len(blosc.decompress(thin)) in (1024, values.nbytes)
    except (RuntimeError, ValueError):
        pass
