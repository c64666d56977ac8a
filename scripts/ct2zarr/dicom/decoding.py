"""One frame of one file to the integers that its header means.

Uncompressed frames are taken straight from the file's bytes, compressed ones go through a decoder
of ``decoders``. Then the bits are put right (``stored_values``): what lies above BitsStored is
masked, signs are extended, and codestreams that disagree with the header are repaired.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from ..codes import Code
from ..model import Frame
from ..run.machine import raise_lack
from .decoders import is_known
from .decoders.layout import Codestream, Pixels
from .element_values import ABSENT
from .encapsulated_frames import read_encapsulated_frame
from .frame_errors import frame_error
from .header import RawHeader
from .native_frames import is_raw, read_native_frame
from .source_files import SourceFile
from .stored_values import AS_THE_HEADER_SAYS, Assumed, StoredPixels, stored_values
from .tags import CHARACTER_SET, FUNCTIONAL_GROUPS, OVERLAY_BIT_POSITION, SOP_INSTANCE_UID
from .transfer_syntaxes import NATIVE_SYNTAXES, syntax_name

_ALWAYS = frozenset({SOP_INSTANCE_UID, CHARACTER_SET, OVERLAY_BIT_POSITION}) | FUNCTIONAL_GROUPS
"""Elements that reading a frame needs, whatever else is wanted."""


@dataclass
class StoredFrame:
    """A decoded frame.

    Attributes
    ----------
    stored
        (rows, columns), the exact stored values, as int16 or uint16 (or narrower or wider where the
        file has 8 or 32 bits per pixel, or floating point). May be a read-only view.
    header
        The wanted elements of the file, unparsed.
    decoder
        Name of the decoder that was used.
    found
        What the bits of the frame show.
    plane
        (rows, columns), the containers as read or decoded, before ``stored`` is made.
    codestream
        What the frame's codestream says of them; ``None`` for uncompressed frames.
    raw_in_compressed
        The pixels are uncompressed although the transfer syntax is not.
    refused_by
        Names of the decoders that could not read the compressed frame.
    """

    stored: Pixels
    header: RawHeader
    decoder: str
    found: StoredPixels | None = None
    plane: Pixels | None = None
    codestream: Codestream | None = None
    raw_in_compressed: bool = False
    refused_by: tuple[str, ...] = ()

    @cached_property
    def dataset(self) -> Dataset:
        """The wanted elements as a pydicom data set, which parses each when it is asked for."""
        little = self.header.little_endian
        return Dataset(
            {
                Tag(tag): RawDataElement(Tag(tag), vr or None, len(raw), raw, 0, not vr, little)
                for tag, (vr, raw) in self.header.values.items()
            }
        )


class SourceReader:
    """Reads frames; a multi-frame file stays open and is parsed once for all its frames.

    Parameters
    ----------
    wanted
        Tags that ``StoredFrame.header`` is to hold, beside those that reading needs.
    avoid
        Names of decoders to use only where there is no other: those that the conversion used, when
        a verifier asks.
    assumed
        How the bits lie in planes that do not tell.
    """

    def __init__(
        self,
        wanted: Iterable[int] = (),
        avoid: Collection[str] = (),
        assumed: Assumed = AS_THE_HEADER_SAYS,
    ) -> None:
        self._wanted = _ALWAYS | frozenset(wanted)
        self._avoid = frozenset(avoid)
        self._assumed = assumed
        self._open: SourceFile | None = None

    def read(self, frame: Frame) -> StoredFrame:
        """Decode one frame.

        Raises
        ------
        FileError
            With ``path`` and ``frame``; the code is one of ``source_gone``, ``unreadable``,
            ``source_changed``, ``no_pixels``, ``truncated`` and ``cannot_decode``.
        """
        try:
            opened = self._opened(frame)
            return self._decode(opened, frame)
        except OSError as error:
            raise_lack(error)
            raise frame_error(
                frame,
                Code.UNREADABLE,
                "{file} cannot be read: {problem}",
                problem=error.strerror or "input/output error",
            ) from error
        finally:
            if frame.frames == 1:
                self.close()

    def close(self) -> None:
        """Close the file that is open, if there is one."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _opened(self, frame: Frame) -> SourceFile:
        if self._open is None or self._open.path != frame.path:
            self.close()
            self._open = SourceFile.open(frame, self._wanted)
        return self._open

    def _decode(self, opened: SourceFile, frame: Frame) -> StoredFrame:
        _check_description(frame)
        header, syntax = opened.header, opened.header.transfer_syntax
        if syntax not in NATIVE_SYNTAXES and not is_known(syntax):
            raise frame_error(
                frame,
                Code.CANNOT_DECODE,
                "{file} is in {syntax}, which cannot be decoded",
                syntax=syntax_name(syntax),
            )

        def interpret(plane: Pixels, codestream: Codestream | None) -> StoredPixels:
            return stored_values(
                plane, frame, codestream, assumed=self._assumed, overlay=_has_overlay(header)
            )

        if syntax not in NATIVE_SYNTAXES and not is_raw(opened, frame):
            one = read_encapsulated_frame(opened, frame, self._avoid, interpret)
            return StoredFrame(
                one.stored.values,
                header,
                one.decoder,
                one.stored,
                one.plane,
                one.codestream,
                refused_by=one.refused_by,
            )
        plane, decoder = read_native_frame(opened, frame, self._avoid)
        found = interpret(plane, None)
        raw = syntax not in NATIVE_SYNTAXES
        return StoredFrame(found.values, header, decoder, found, plane, raw_in_compressed=raw)


def _has_overlay(header: RawHeader) -> bool:
    """Whether an overlay lies in bits of the pixels, beside their values (PS3.3 C.9.2, retired)."""
    raw = header.values.get(OVERLAY_BIT_POSITION, ABSENT)[1]
    return any(raw.strip(b" 0"))


def _check_description(frame: Frame) -> None:
    """Raise where the header does not describe an image that could be a plane."""
    if frame.samples_per_pixel != 1:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} has {samples} samples per pixel; only grey images can become a volume",
            samples=frame.samples_per_pixel,
        )
    if not frame.rows * frame.columns:
        raise frame_error(
            frame,
            Code.NO_PIXELS,
            "{file} has {rows} Rows and {columns} Columns: no pixels",
            rows=frame.rows,
            columns=frame.columns,
        )
    if frame.bits_stored > frame.bits_allocated:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} has BitsStored {stored} of BitsAllocated {allocated}, which makes no sense",
            stored=frame.bits_stored,
            allocated=frame.bits_allocated,
        )
