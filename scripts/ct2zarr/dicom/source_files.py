"""A source file that is open for reading its frames, and that is still the one scanned."""

import os
from dataclasses import dataclass
from typing import Self

from ..codes import Code
from ..errors import FileError
from ..model import Frame
from .element_values import sop_instance_uid
from .fragments import Place
from .frame_errors import frame_error
from .header import ByteSource, OpenFile, PixelPlace, RawHeader, read_header


@dataclass(slots=True)
class SourceFile:
    """An open file with its header.

    Attributes
    ----------
    source
        The bytes that ``pixels.offset`` counts in.
    fragments
        Of each encoded frame; ``None`` until they are listed.
    """

    path: str
    descriptor: int
    source: ByteSource
    header: RawHeader
    pixels: PixelPlace
    fragments: list[list[Place]] | None = None

    @classmethod
    def open(cls, frame: Frame, wanted: frozenset[int]) -> Self:
        """Open the file of a frame.

        Parameters
        ----------
        wanted
            Tags that ``header`` is to hold.

        Raises
        ------
        FileError
            The file cannot be opened, is not the one that was scanned, or has no pixels.
        """
        try:
            descriptor = os.open(frame.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise frame_error(
                frame, Code.SOURCE_GONE, "{file} is gone since the manifest was made"
            ) from error
        try:
            return cls._of_descriptor(descriptor, frame, wanted)
        except BaseException:
            os.close(descriptor)
            raise

    @classmethod
    def _of_descriptor(cls, descriptor: int, frame: Frame, wanted: frozenset[int]) -> Self:
        status = os.fstat(descriptor)
        if (status.st_size, status.st_mtime_ns) != (frame.bytes, frame.mtime_ns):
            raise frame_error(
                frame,
                Code.SOURCE_CHANGED,
                "{file} has changed since the manifest was made; make the manifest again",
            )
        source: ByteSource = OpenFile(descriptor, status.st_size)
        try:
            header, source = read_header(source, wanted)
        except FileError as error:
            raise frame_error(
                frame, Code.TRUNCATED, "{file} cannot be decoded: {cause}", cause=error
            ) from error
        _check_identity(header, frame)
        pixels = header.pixels
        if pixels is None or pixels.length == 0:
            raise frame_error(frame, Code.NO_PIXELS, "{file} has no pixel data")
        return cls(frame.path, descriptor, source, header, pixels)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def _check_identity(header: RawHeader, frame: Frame) -> None:
    """Raise FileError if the file holds another object than when the manifest was made."""
    try:
        found = sop_instance_uid(header)
    except ValueError:
        found = header.media_sop_instance  # as in the scan, which counts a bad element
    if found != frame.sop_instance_uid:
        raise frame_error(
            frame,
            Code.SOURCE_CHANGED,
            "{file} has another SOPInstanceUID than when the manifest was made;"
            " make the manifest again",
        )
