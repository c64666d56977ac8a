"""Compressed frames: the fragments of each, and the decoder that unpacks them."""

import struct
from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import pairwise

from ..codes import Code
from ..errors import Ct2zarrError, FileError, Private
from ..model import Frame
from .decoders import decoders_for, takes_damaged
from .decoders.layout import Codestream, FrameLayout, Pixels, is_complete, read_codestream
from .fragments import Place, walk_items
from .frame_errors import frame_error, one_line
from .source_files import SourceFile
from .stored_values import StoredPixels, bits_of
from .transfer_syntaxes import syntax_name

_END_OF_IMAGE = b"\xff\xd9"
"""Ends a JPEG, JPEG-LS or JPEG 2000 stream (EOI of T.81, EOC of ISO/IEC 15444-1)."""
_END = 4
"""Bytes at the end of a fragment in which the marker lies; fragments are padded to even length."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """One frame as its decoder gives it.

    Attributes
    ----------
    plane
        (rows, columns).
    codestream
        What the stream says; ``None`` without one.
    stored
        The values that the header means by ``plane``.
    decoder
        Name of the decoder.
    refused_by
        Names of the decoders that were asked before and could not read the frame.
    """

    plane: Pixels
    codestream: Codestream | None
    stored: StoredPixels
    decoder: str
    refused_by: tuple[str, ...] = ()


Interpret = Callable[[Pixels, Codestream | None], StoredPixels]
"""What the header means by a plane."""


def read_encapsulated_frame(
    opened: SourceFile, frame: Frame, avoid: Collection[str], interpret: Interpret
) -> Decoded:
    """One compressed frame.

    Parameters
    ----------
    avoid
        Decoders to use only where there is no other.

    Raises
    ------
    FileError
        The frame is not there, or no decoder can unpack it.
    """
    syntax = opened.header.transfer_syntax
    name = syntax_name(syntax)
    if opened.pixels.length is not None:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} is in {syntax}, but its pixels are neither encapsulated nor as long as"
            " uncompressed ones",
            syntax=name,
        )
    encoded = _encoded_frame(opened, frame)
    if not is_complete(encoded, syntax):
        raise frame_error(
            frame,
            Code.TRUNCATED,
            "{file} has a {syntax} stream without its end: it was cut short",
            syntax=name,
        )
    return _decode(encoded, syntax, frame, avoid, interpret)


def _decode(
    encoded: bytes, syntax: str, frame: Frame, avoid: Collection[str], interpret: Interpret
) -> Decoded:
    """Ask one decoder after the other; those that forgive damage never follow one that failed."""
    layout = FrameLayout(
        syntax=syntax,
        rows=frame.rows,
        columns=frame.columns,
        bits_allocated=frame.bits_allocated,
        bits_stored=bits_of(frame)[0],
        pixel_representation=frame.pixel_representation,
    )
    failures: dict[str, FileError] = {}
    for decoder in decoders_for(syntax, avoid):
        if failures and not takes_damaged(decoder, syntax):
            continue
        try:
            plane = decoder.decode(encoded, layout)
            codestream = read_codestream(encoded, syntax)
            stored = interpret(plane, codestream)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - each package raises kinds of its own
            failures[decoder.NAME] = _failure(decoder.NAME, error)
            continue
        return Decoded(plane, codestream, stored, decoder.NAME, tuple(failures))
    if not failures:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} is in {syntax}, for which no decoder is installed",
            syntax=syntax_name(syntax),
        )
    raise frame_error(
        frame,
        Code.CANNOT_DECODE,
        "{file} is in {syntax} and no decoder could read it ({failures})",
        syntax=syntax_name(syntax),
        failures=tuple(failures.values()),
    )


def _failure(decoder: str, error: Exception) -> FileError:
    """Why one decoder failed; what a package says may repeat what it was given."""
    return FileError(
        Code.CANNOT_DECODE,
        "{decoder}: {problem}",
        decoder=decoder,
        problem=error if isinstance(error, Ct2zarrError) else Private(one_line(error)),
    )


def _encoded_frame(opened: SourceFile, frame: Frame) -> bytes:
    """Bytes of one encoded frame, its fragments joined."""
    if opened.fragments is None:
        opened.fragments = _fragments_by_frame(opened, frame)
    if frame.frame_number > len(opened.fragments):
        raise frame_error(
            frame,
            Code.TRUNCATED,
            "{file} is missing: the file has {found} encoded frames of {due}",
            found=len(opened.fragments),
            due=frame.frames,
        )
    parts = [
        opened.source.read(offset, length)
        for offset, length in opened.fragments[frame.frame_number - 1]
    ]
    return parts[0] if len(parts) == 1 else b"".join(parts)


def _fragments_by_frame(opened: SourceFile, frame: Frame) -> list[list[Place]]:
    """Fragments of each frame of encapsulated pixel data (PS3.5 A.4).

    The Basic Offset Table says which fragments make a frame, where it fits; else there is one
    fragment per frame, or the end markers of the codestreams divide them.
    """
    count = frame.frames
    table, fragments = _list_fragments(opened, frame)
    if count == 1:
        return [fragments]
    if len(fragments) == count:
        return [[fragment] for fragment in fragments]
    starts = {offset - fragments[0][0]: n for n, (offset, _) in enumerate(fragments)}
    if len(table) == count and all(offset in starts for offset in table):
        edges = [*(starts[offset] for offset in table), len(fragments)]
        return [fragments[a:b] for a, b in pairwise(edges)]
    frames: list[list[Place]] = [[]]
    for offset, length in fragments:
        frames[-1].append((offset, length))
        end = min(length, _END)
        if _END_OF_IMAGE in opened.source.read(offset + length - end, end):
            frames.append([])
    if not frames[-1]:
        frames.pop()
    if len(frames) != count:
        raise frame_error(
            frame,
            Code.CANNOT_DECODE,
            "{file} cannot be found: nothing says which of the {fragments} fragments of the file"
            " make each of its {frames} frames",
            fragments=len(fragments),
            frames=count,
        )
    return frames


def _list_fragments(opened: SourceFile, frame: Frame) -> tuple[list[int], list[Place]]:
    """The Basic Offset Table, and the fragments that have bytes."""
    source, little = opened.source, opened.header.little_endian
    items: list[Place] = []
    try:
        for offset, length in walk_items(source, opened.pixels.offset, little_endian=little):
            if offset + length > source.size:
                raise frame_error(
                    frame,
                    Code.TRUNCATED,
                    "{file} ends inside its compressed pixels: it was cut short",
                )
            items.append((offset, length))
    except FileError as error:
        if error.path is not None:
            raise
        raise frame_error(
            frame, error.code, "{file} cannot be decoded: {cause}", cause=error
        ) from error
    fragments = [(offset, length) for offset, length in items[1:] if length]
    if not fragments:
        raise frame_error(frame, Code.NO_PIXELS, "{file} has no encoded frame in its pixel data")
    start, length = items[0]
    raw = source.read(start, length - length % 4)
    order = "<" if little else ">"
    return list(struct.unpack(f"{order}{len(raw) // 4}I", raw)), fragments
