"""A digest of the keys and values of a store, whatever kind of store keeps them."""

import hashlib

from ..run.checksums import crc32


class StoreDigest:
    """A digest of the keys and values of a store: equal for equal content.

    SHA-1 over the sorted keys, each as UTF-8, a NUL, the length of its value in 8 bytes and the
    CRC-32 of its value in 4 (little-endian). Values may therefore come in any order, and a writer
    need not read back what it wrote. The digest protects against accidents, not against forgery.
    The voxels have MD5s of their own in slices.csv; a second strong hash of every byte would cost
    6 % of a conversion.
    """

    def __init__(self) -> None:
        self._entries: list[bytes] = []

    def add(self, key: str, value: bytes | memoryview) -> None:
        """Add one key, which was not there before."""
        size = memoryview(value).nbytes.to_bytes(8, "little")
        crc = crc32(value).to_bytes(4, "little")
        self._entries.append(key.encode() + b"\0" + size + crc)

    def hexdigest(self) -> str:
        """40 hexadecimal digits."""
        return hashlib.sha1(b"".join(sorted(self._entries)), usedforsecurity=False).hexdigest()
