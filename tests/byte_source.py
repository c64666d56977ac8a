"""Bytes in memory where a file is read: for tests of what lies where in them."""


class Bytes:
    """A ``ByteSource`` of the room ``dicom`` that keeps what was asked of it."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``offset``."""
        self.reads.append((offset, length))
        return self.content[offset : offset + length]


def item(content: bytes, order: str = "little") -> bytes:
    """An item of encapsulated pixel data (PS3.5 A.4)."""
    head = b"\xfe\xff\x00\xe0" if order == "little" else b"\xff\xfe\xe0\x00"
    return head + len(content).to_bytes(4, order) + content


END = b"\xfe\xff\xdd\xe0\0\0\0\0"
"""Sequence delimiter in little endian."""
