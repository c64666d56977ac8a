"""Planes become chunks of one Blosc block each, filled up with zeros beyond the array."""

import struct

import numpy as np
import pytest
from numcodecs import Blosc

from ct2zarr.store.array_writing import ChunkWriter
from ct2zarr.store.zarr_documents import ArrayLayout


class Keys(dict[str, bytes]):
    """A writer that keeps what is put."""

    def put(self, key: str, value: bytes) -> None:
        assert key not in self
        self[key] = value


@pytest.mark.parametrize(("zarr_format", "stem"), [(2, "volume"), (3, "volume/c")])
@pytest.mark.parametrize("dtype", ["int16", "int32", "float32"])
def test_slabs_become_chunks_filled_up_with_zeros(zarr_format, stem, dtype):
    data = np.arange(1, 4 * 5 * 7 + 1).reshape(4, 5, 7).astype(dtype)
    layout = ArrayLayout(zarr_format, data.shape, (2, 3, 4), dtype, 1)
    keys = Keys()
    writer = ChunkWriter(layout, keys)  # type: ignore[arg-type]
    writer.write(data[:2])
    writer.write(data[2:])
    padded = np.zeros((4, 6, 8), dtype)
    padded[:, :5, :7] = data
    assert len(keys) == 8
    for z, y, x in np.ndindex(2, 2, 2):
        chunk = np.frombuffer(Blosc().decode(keys[f"{stem}/{z}/{y}/{x}"]), dtype)
        expected = padded[2 * z : 2 * z + 2, 3 * y : 3 * y + 3, 4 * x : 4 * x + 4]
        np.testing.assert_array_equal(chunk.reshape(2, 3, 4), expected)


def test_a_chunk_is_one_bitshuffled_block_of_zstandard():
    data = np.arange(64**3, dtype="int16").reshape(64, 64, 64)
    keys = Keys()
    ChunkWriter(ArrayLayout(3, data.shape, data.shape, "int16", 1), keys).write(data)  # type: ignore[arg-type]
    (frame,) = keys.values()
    _, _, flags, item, unpacked, block, packed = struct.unpack_from("<BBBBIII", frame)
    assert (item, unpacked, block, packed) == (2, data.nbytes, data.nbytes, len(frame))
    assert flags & 0b101 == 0b100  # shuffled by bits, not by bytes
    assert flags >> 5 == 4  # zstd
