"""A few items are taken out of a Blosc frame as they stand in it, whatever built it."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numcodecs import Blosc

from ct2zarr.store.blosc_frames import check_frame, frame_of_items

UNPACKED_SIZE_AT = 4
"""Where the header of a frame says how many bytes it unpacks to (c-blosc, README_CHUNK_FORMAT)."""
BLOCK_OFFSET_AT = 16
"""Where a frame of one block says at which byte the block is."""
ZSTD_MAGIC = bytes.fromhex("28b52ffd")  # RFC 8878, 3.1.1
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
    found = np.frombuffer(Blosc().decode(thin), values.dtype)
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
    with pytest.raises(ValueError, match="8192 bytes; 8190 were expected"):
        check_frame(frame, values.nbytes - 2)


def test_limits_within_a_group_of_items_leave_the_frame_whole():
    values = ramp("<i2", 4096)
    frame = encoded(values)
    scratch = np.empty(values.nbytes, np.uint8)
    assert len(frame_of_items(frame, 16, 32, scratch)) < len(frame)
    for start, stop in [(14, 32), (16, 30), (2, 4)]:
        assert frame_of_items(frame, start, stop, scratch) is frame


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("<i2", {"cname": "lz4"}),
        ("<i2", {"cname": "zlib"}),
        ("<i2", {"blocksize": 4096}),
        ("<i2", {"shuffle": Blosc.NOSHUFFLE}),
        ("i1", {}),
    ],
)
def test_a_frame_that_is_built_in_another_way_is_left_whole(dtype, options):
    values = ramp(dtype, 4096)
    frame = encoded(values, **options)
    assert frame_of_items(frame, 0, 1024, np.empty(values.nbytes, np.uint8)) is frame


def test_a_block_that_is_stored_unpacked_is_left_whole():
    values = ramp("<i2", 4096)
    scratch = np.empty(values.nbytes, np.uint8)
    thin = frame_of_items(encoded(values), 0, 1024, scratch)  # its block is not packed
    assert frame_of_items(thin, 0, 512, scratch[:1024]) is thin


def block_of(frame: bytes) -> tuple[int, int]:
    """Where the only block of a frame is: its first byte after the length, and its length."""
    (offset,) = struct.unpack_from("<I", frame, BLOCK_OFFSET_AT)
    (length,) = struct.unpack_from("<I", frame, offset)
    return offset + 4, length


def test_a_block_that_is_cut_or_lies_beyond_the_frame_is_an_error():
    values = ramp("<i2", 4096)
    frame = encoded(values)
    scratch = np.empty(values.nbytes, np.uint8)
    place, length = block_of(frame)
    shorter = bytearray(frame)
    struct.pack_into("<I", shorter, place - 4, length - 1)
    with pytest.raises(RuntimeError):
        frame_of_items(bytes(shorter), 0, 1024, scratch)
    for offset in (len(frame) - 3, len(frame), 2**32 - 1):
        beyond = bytearray(frame)
        struct.pack_into("<I", beyond, BLOCK_OFFSET_AT, offset)
        with pytest.raises(ValueError, match="beyond the end"):
            frame_of_items(bytes(beyond), 0, 1024, scratch)


def test_a_block_whose_packing_is_damaged_is_an_error():
    values = ramp("<i2", 4096)
    frame = encoded(values)
    place, _ = block_of(frame)
    magic = frame[place : place + 4]
    assert magic == ZSTD_MAGIC
    damaged = frame.replace(magic, b"\0" * 4, 1)
    with pytest.raises(RuntimeError, match="Zstd"):
        frame_of_items(damaged, 0, 1024, np.empty(values.nbytes, np.uint8))


@given(place=st.integers(16, 400), value=st.integers(0, 255))
def test_a_changed_byte_is_an_error_or_gives_as_many_items_as_are_due(place, value):
    """Zstandard has no checksum here, so some changes can only be found by the MD5 of the plane."""
    values = ramp("<i2", 4096)
    damaged = bytearray(encoded(values))
    place = min(place, len(damaged) - 1)
    changed = damaged[place] != value
    damaged[place] = value
    refused, thin = "", b""
    try:
        thin = frame_of_items(bytes(damaged), 0, 1024, np.empty(values.nbytes, np.uint8))
    except (RuntimeError, ValueError) as error:
        refused = str(error)
    if refused:
        assert changed
        return
    if bytes(thin) == bytes(damaged):
        assert changed  # taken for a frame that is built in another way, and left whole
        return
    assert struct.unpack_from("<I", thin, UNPACKED_SIZE_AT) == (1024,)
    found = np.frombuffer(Blosc().decode(thin), "<i2")
    assert len(found) == 512
    if not changed:
        np.testing.assert_array_equal(found, values[:512])
