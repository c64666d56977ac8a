"""The cheapest code for the unavoidable steps of a conversion, and nothing else.

Read every file, find its pixel data, decode with the fastest decoder of each encoding, add the
intercept, hash every plane, compress 64 x 64 x 64 chunks with Blosc, append them to one file. It
interprets no headers, checks nothing and records nothing: whatever ct2zarr takes beyond this is the
price of correctness.
"""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

import imagecodecs
import numpy as np
from numcodecs import Blosc

CHUNK = 64
PIXEL_DATA = b"\xe0\x7f\x10\x00"
ITEM = b"\xfe\xff\x00\xe0"


def native_pixels(data: bytes) -> memoryview:
    """Bytes of an explicit little endian PixelData element."""
    start = data.index(PIXEL_DATA + b"OW\x00\x00")
    (length,) = struct.unpack_from("<I", data, start + 8)
    return memoryview(data)[start + 12 : start + 12 + length]


def encapsulated_pixels(data: bytes) -> memoryview:
    """The one fragment of an encapsulated single-frame PixelData element (PS3.5 A.4)."""
    start = data.index(PIXEL_DATA + b"OB\x00\x00\xff\xff\xff\xff") + 12
    (offset_table,) = struct.unpack_from("<I", data, start + 4)
    start += 8 + offset_table
    (length,) = struct.unpack_from("<I", data, start + 4)
    return memoryview(data)[start + 8 : start + 8 + length]


def decode_native(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return np.frombuffer(native_pixels(data), "<i2").reshape(shape)


def decode_jpeg(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return imagecodecs.jpeg_decode(encapsulated_pixels(data)).reshape(shape)


def decode_jpegls(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return imagecodecs.jpegls_decode(encapsulated_pixels(data)).reshape(shape)


def decode_rle(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    encoded = encapsulated_pixels(data)
    _, high, low = struct.unpack_from("<3I", encoded)
    samples = unpack_bits(encoded[high:low], shape).astype(np.uint16)
    samples <<= 8
    samples |= unpack_bits(encoded[low:], shape)
    return samples


def unpack_bits(segment: memoryview, shape: tuple[int, int]) -> np.ndarray:
    """One byte of each pixel; a segment of odd length has a 0 behind it (PS3.5 G.3.1)."""
    out = np.empty(shape, np.uint8)
    try:
        imagecodecs.packbits_decode(segment, out=out.reshape(-1))
    except imagecodecs.ImcdError:
        imagecodecs.packbits_decode(segment[:-1], out=out.reshape(-1))
    return out


def decode_jpeg2000(data: bytes, shape: tuple[int, int]) -> np.ndarray:
    return imagecodecs.jpeg2k_decode(encapsulated_pixels(data)).reshape(shape)


DECODERS: dict[str, Callable[[bytes, tuple[int, int]], np.ndarray]] = {
    "uncompressed": decode_native,
    "jpeg_lossless": decode_jpeg,
    "jpeg_ls": decode_jpegls,
    "jpeg_2000": decode_jpeg2000,
    "rle": decode_rle,
}


def convert(
    paths: list[Path], encoding: str, shape: tuple[int, int], intercept: int, out: Path
) -> None:
    """Convert one series; ``paths`` in plane order."""
    decode = DECODERS[encoding]
    codec = Blosc("zstd", clevel=1, shuffle=Blosc.BITSHUFFLE, blocksize=CHUNK**3 * 2)
    slab = np.empty((CHUNK, *shape), np.int16)
    with out.open("wb") as sink:
        for first in range(0, len(paths), CHUNK):
            planes = paths[first : first + CHUNK]
            for index, path in enumerate(planes):
                stored = decode(path.read_bytes(), shape).view(np.int16)
                np.add(stored, np.int16(intercept), out=slab[index])
                hashlib.md5(slab[index], usedforsecurity=False).hexdigest()
            for y in range(0, shape[0], CHUNK):
                for x in range(0, shape[1], CHUNK):
                    chunk = np.ascontiguousarray(slab[: len(planes), y : y + CHUNK, x : x + CHUNK])
                    sink.write(codec.encode(chunk))
