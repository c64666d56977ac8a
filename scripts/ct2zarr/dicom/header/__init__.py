"""The header of one file: the bytes of the elements that are wanted, and where the pixels lie.

``read_header`` is the way in. Which of the two parsers behind it read a file makes no difference
to what comes out.
"""

from .raw_header import ByteSource, OpenFile, PixelPlace, RawHeader
from .walk import read_header

__all__ = ["ByteSource", "OpenFile", "PixelPlace", "RawHeader", "read_header"]
