"""One file to its frames, as its header describes them; pixels are never read.

Values are parsed here from the raw bytes of ``elements``: an element that cannot be parsed costs
itself alone and is counted in ``bad_elements``. Nothing that is wrong with a file raises: its
``Instance`` has the role and the reason.
"""

import errno
import math
import os
import stat
import struct
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from pydicom.charset import convert_encodings, decode_bytes
from pydicom.dataset import Dataset

from .elements import (
    CHARACTER_SET,
    FUNCTIONAL_GROUPS,
    PIXEL_DATA,
    ByteSource,
    OpenFile,
    RawHeader,
    read_header,
)
from .errors import FileError
from .model import Instance
from .vocabulary import Role

CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
CT_CLASSES = frozenset({CT_IMAGE, f"{CT_IMAGE}.1", f"{CT_IMAGE}.2"})
"""CT, Enhanced CT and Legacy Converted Enhanced CT Image Storage (PS3.4 B.5)."""
_SECONDARY = "1.2.840.10008.5.1.4.1.1.7"
SECONDARY_CLASSES = frozenset({_SECONDARY, *(f"{_SECONDARY}.{i}" for i in range(1, 5))})
"""Secondary Capture and the four multi-frame Secondary Capture classes (PS3.4 B.5)."""

CANNOT_OPEN = "cannot be opened"
"""Start of the reason where the operating system refuses; such files are tried at every scan."""

_LOSSY_SYNTAXES = frozenset(
    {f"1.2.840.10008.1.2.4.{i}" for i in (50, 51, 52, 53, 54, 55, 56, 81)}
    | {f"1.2.840.10008.1.2.4.{i}" for i in (100, 101, 102, 103, 104, 105, 106, 107, 108, 111)}
)
"""JPEG baseline, extended and the retired DCT processes, JPEG-LS near-lossless, MPEG, JPEG XL
recompression (PS3.6 table A-1)."""
_WAVELET_SYNTAXES = frozenset({f"1.2.840.10008.1.2.4.{i}" for i in (91, 93, 203)})
"""JPEG 2000 and HTJ2K syntaxes that may be lossless or not: the codestream tells."""
_ENCAPSULATED = "1.2.840.10008.1.2.4."
_RLE = "1.2.840.10008.1.2.5"

_COLOUR_422 = frozenset({"YBR_FULL_422", "YBR_PARTIAL_422"})

_LONG = 1 << 62
"""Integers beyond this cannot be what a header means."""

_FORMATS = {
    "US": "H", "SS": "h", "UL": "I", "SL": "i", "UV": "Q", "SV": "q", "FL": "f", "FD": "d",
}  # fmt: skip

_Parser = Callable[[str, bytes, RawHeader], Any]


def _text(vr: str, raw: bytes, header: RawHeader) -> str:
    """Text in the character set of the file, components joined by a backslash."""
    if vr in _FORMATS or vr == "SQ":
        raise ValueError(vr)
    if raw.isascii() and b"\x1b" not in raw:
        text = raw.decode("ascii")
    else:
        names = header.values.get(CHARACTER_SET, ("", b""))[1].decode("ascii", "replace")
        encodings = convert_encodings([name.strip(" \0") for name in names.split("\\")])
        text = decode_bytes(raw, encodings, {ord("\\")})
    return "\\".join(part.strip(" \0\r\n\t") for part in text.split("\\")).replace("\0", "")


def _code(vr: str, raw: bytes, header: RawHeader) -> str:
    return _text(vr, raw, header).upper()


def _floats(vr: str, raw: bytes, header: RawHeader) -> tuple[float | None, ...]:
    """Numbers of a DS, or of a binary VR where the file says so; empty components are ``None``."""
    values: tuple[float | None, ...]
    if vr in _FORMATS:
        values = _binary(_FORMATS[vr], raw, header)
    else:
        text = raw.decode("ascii").strip(" \0")
        if not text:
            return ()
        values = tuple(
            float(part.replace("_", "x")) if part.strip(" \0") else None
            for part in text.split("\\")
        )
    if not all(value is None or math.isfinite(value) for value in values):
        raise ValueError("not finite")
    return values


def _binary(letter: str, raw: bytes, header: RawHeader) -> tuple[float, ...]:
    order = "<" if header.little_endian else ">"
    return struct.unpack(f"{order}{len(raw) // struct.calcsize(letter)}{letter}", raw)


def _float(vr: str, raw: bytes, header: RawHeader) -> float | None:
    values = _floats(vr, raw, header)
    if len(values) > 1:
        raise ValueError("more than one value")
    return values[0] if values else None


def _vector(count: int) -> _Parser:
    def parse(vr: str, raw: bytes, header: RawHeader) -> tuple[float, ...] | None:
        values = _floats(vr, raw, header)
        if not any(value is not None for value in values):
            return None
        if len(values) != count or None in values:
            raise ValueError(f"not {count} values")
        return values  # type: ignore[return-value]

    return parse


def _integer(vr: str, raw: bytes, header: RawHeader) -> int | None:
    """The first number of an IS or a binary VR; decimals such as 12.0 are taken."""
    values = _floats(vr, raw, header)
    if not values or values[0] is None:
        return None
    number = values[0]
    if number != int(number) or abs(number) > _LONG:
        raise ValueError("not a whole number")
    return int(number)


def _short(vr: str, raw: bytes, header: RawHeader) -> int:
    """A US that describes the pixels: also where the encoding does not state the VR."""
    number = _integer(vr if vr and vr != "UN" else "US", raw, header)
    if number is not None and number < 0:
        raise ValueError("negative")
    return number or 0


def _yes(vr: str, raw: bytes, header: RawHeader) -> bool:
    return _code(vr, raw, header) == "YES"


def _double(vr: str, raw: bytes, header: RawHeader) -> float | None:
    return _float(vr if vr and vr != "UN" else "FD", raw, header)


def _index(vr: str, raw: bytes, header: RawHeader) -> int | None:
    """A US or UL, which the length tells apart where the encoding does not state the VR."""
    return _integer(vr if vr and vr != "UN" else "US" if len(raw) == 2 else "UL", raw, header)


_FIELDS: dict[int, tuple[str, _Parser]] = {
    0x00080016: ("sop_class_uid", _text),
    0x00080018: ("sop_instance_uid", _text),
    0x0020000E: ("series_uid", _text),
    0x0020000D: ("study_uid", _text),
    0x00200052: ("frame_of_reference_uid", _text),
    0x00080060: ("modality", _code),
    0x00080008: ("image_type", _code),
    0x00200013: ("instance_number", _integer),
    0x00200012: ("acquisition_number", _integer),
    0x00200100: ("temporal_position", _integer),
    0x00181060: ("trigger_time", _float),
    0x00181210: ("kernel", _text),
    0x00209056: ("stack_id", _text),
    0x00180086: ("echo_number", _integer),
    0x00280010: ("rows", _short),
    0x00280011: ("columns", _short),
    0x00200032: ("position", _vector(3)),
    0x00200037: ("orientation", _vector(6)),
    0x00280030: ("pixel_spacing", _vector(2)),
    0x00180050: ("slice_thickness", _float),
    0x00180088: ("spacing_between_slices", _float),
    0x00181120: ("gantry_tilt", _float),
    0x00185100: ("patient_position", _code),
    0x00180060: ("kvp", _float),
    0x00080070: ("manufacturer", _text),
    0x00081090: ("manufacturer_model", _text),
    0x00280002: ("samples_per_pixel", _short),
    0x00280004: ("photometric", _code),
    0x00280100: ("bits_allocated", _short),
    0x00280101: ("bits_stored", _short),
    0x00280102: ("high_bit", _short),
    0x00280103: ("pixel_representation", _short),
    0x00281053: ("rescale_slope", _float),
    0x00281052: ("rescale_intercept", _float),
    0x00281054: ("rescale_type", _text),
    0x00280301: ("burned_in", _yes),
}
"""Tag → field of ``Instance`` and how its bytes are read."""
_FRAMES, _PADDING, _LOSSY = 0x00280008, 0x00280120, 0x00282110
_WANTED = frozenset(_FIELDS) | FUNCTIONAL_GROUPS | {_FRAMES, _PADDING, _LOSSY, CHARACTER_SET}

_GROUP_FIELDS: tuple[tuple[str, int, int, _Parser], ...] = (
    ("position", 0x00209113, 0x00200032, _vector(3)),
    ("orientation", 0x00209116, 0x00200037, _vector(6)),
    ("pixel_spacing", 0x00289110, 0x00280030, _vector(2)),
    ("slice_thickness", 0x00289110, 0x00180050, _float),
    ("spacing_between_slices", 0x00289110, 0x00180088, _float),
    ("stack_id", 0x00209111, 0x00209056, _text),
    ("temporal_position", 0x00209111, 0x00209128, _index),
    ("acquisition_number", 0x00209111, 0x00209156, _index),
    ("rescale_slope", 0x00289145, 0x00281053, _float),
    ("rescale_intercept", 0x00289145, 0x00281052, _float),
    ("rescale_type", 0x00289145, 0x00281054, _text),
    ("image_type", 0x00189329, 0x00089007, _code),
    ("kernel", 0x00189314, 0x00181210, _text),
    ("trigger_time", 0x00189118, 0x00209153, _double),
    ("kvp", 0x00189325, 0x00180060, _float),
    ("gantry_tilt", 0x00189304, 0x00181120, _float),
    ("acquisition_number", 0x00209170, 0x00200012, _integer),
    ("acquisition_number", 0x00209171, 0x00200012, _integer),
    ("kernel", 0x00209170, 0x00181210, _text),
    ("kernel", 0x00209171, 0x00181210, _text),
    ("gantry_tilt", 0x00209170, 0x00181120, _float),
    ("gantry_tilt", 0x00209171, 0x00181120, _float),
    ("kvp", 0x00209170, 0x00180060, _float),
)
"""Field, macro sequence, element in it (PS3.3 C.7.6.16.2 and C.8.15.3), and its parser. The last
ones are the converted attributes of Legacy Converted Enhanced CT (PS3.3 C.7.6.16.2.25)."""


def read_instances(dataset: str, root: str, path: str) -> list[Instance]:
    """Read the header of one file.

    Returns one ``Instance`` a frame for what may be a CT volume and one in all for any other
    file. Their role is ``not_dicom``, ``unreadable`` or ``not_image`` where that is certain, with
    the reason for the first two, and otherwise ``slice`` until ``roles.assign_role`` decides.
    Never raises for what is wrong with the file.
    """
    size = mtime_ns = 0
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(descriptor)
            size, mtime_ns = status.st_size, status.st_mtime_ns
            if not stat.S_ISREG(status.st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            source: ByteSource = OpenFile(descriptor, size)
            with warnings.catch_warnings():
                # A warning of pydicom may hold a value of the header; errors are counted instead.
                warnings.simplefilter("ignore")
                header, source = read_header(source, _WANTED)
                return _instances(dataset, root, path, mtime_ns, size, header, source)
        finally:
            os.close(descriptor)
    except FileError as error:
        role = Role.NOT_DICOM if error.reason == "not_dicom" else Role.UNREADABLE
        reason = f"the file {error}"
    except OSError as error:
        role, reason = Role.UNREADABLE, f"{CANNOT_OPEN}: {error.strerror or 'input/output error'}"
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, MemoryError) as error:
        role = Role.UNREADABLE
        reason = f"the file has a header that cannot be interpreted ({type(error).__name__})"
    return [Instance(dataset, root, path, size, mtime_ns, role, reason)]


def _instances(
    dataset: str,
    root: str,
    path: str,
    mtime_ns: int,
    size: int,
    header: RawHeader,
    source: ByteSource,
) -> list[Instance]:
    fields: dict[str, Any] = {}
    bad = header.bad_elements
    for tag, (vr, raw) in header.values.items():
        known = _FIELDS.get(tag)
        if known is None:
            continue
        try:
            value = known[1](vr, raw, header)
        except (ValueError, OverflowError, LookupError, struct.error):
            bad += 1
            continue
        if value is not None:
            fields[known[0]] = value
    frames, wrong = _frame_count(header)
    bad += wrong
    padding, wrong = _padding(header, fields.get("pixel_representation", 0))
    bad += wrong
    fields["sop_class_uid"] = fields.get("sop_class_uid") or header.media_sop_class
    fields["sop_instance_uid"] = fields.get("sop_instance_uid") or header.media_sop_instance
    missing = _pixels_missing(header, source, frames, fields)
    role, reason = (Role.NOT_IMAGE, "") if missing is None else (Role.SLICE, "")
    if header.problem:
        role, reason = Role.UNREADABLE, f"the file {header.problem}"
    instance = Instance(
        dataset=dataset,
        root=root,
        path=path,
        bytes=size,
        mtime_ns=mtime_ns,
        role=role,
        reason=reason,
        frames=frames,
        transfer_syntax_uid=header.transfer_syntax,
        padding_value=padding,
        lossy=missing is not None and _is_lossy(header, source),
        bad_elements=bad,
        pixels_missing=missing or 0,
        **fields,
    )
    if missing is None or missing > 0 or not _may_be_ct(instance):
        return [instance]
    if frames == 1 and not header.groups:
        return [instance]
    return list(_frames(instance, header))


def _may_be_ct(instance: Instance) -> bool:
    """Whether a setting could make planes of this object; then each frame needs its own row."""
    if instance.sop_class_uid:
        return instance.sop_class_uid in CT_CLASSES | SECONDARY_CLASSES
    return instance.modality == "CT"


def _frame_count(header: RawHeader) -> tuple[int, int]:
    vr, raw = header.values.get(_FRAMES, ("", b""))
    try:
        frames = _integer(vr, raw, header)
    except (ValueError, OverflowError, struct.error):
        return 1, 1
    return (1, 0) if frames is None else (max(frames, 1), int(frames < 1))


def _padding(header: RawHeader, pixel_representation: int) -> tuple[int | None, int]:
    """PixelPaddingValue as a stored integer, and whether it could not be parsed.

    Its VR is to follow PixelRepresentation, but transcoders write US into signed images: 63536
    there is -2000. The bytes are right, so they are read as the pixels are (PS3.3 C.7.5.1.1.2).
    """
    vr, raw = header.values.get(_PADDING, ("", b""))
    if not raw:
        return None, 0
    try:
        if len(raw) == 2 and vr not in ("IS", "DS"):
            letter = "h" if pixel_representation == 1 else "H"
            return int(_binary(letter, raw, header)[0]), 0
        return _integer(vr, raw, header), 0
    except (ValueError, OverflowError, struct.error):
        return None, 1


def _pixels_missing(
    header: RawHeader, source: ByteSource, frames: int, fields: dict[str, Any]
) -> int | None:
    """Bytes of pixel data that the file lacks; ``None`` where it has no pixel data at all.

    Uncompressed pixels are held against rows x columns x samples x frames. Of compressed ones
    only the fragments are counted: a fragment that ends behind the file's end lacks the
    difference, and fewer fragments than frames lack the uncompressed size of those frames.
    """
    place = header.pixels
    if place is None or place.length == 0:
        return None
    allocated = fields.get("bits_allocated", 0)
    if place.tag != PIXEL_DATA:
        allocated = 64 if place.tag == 0x7FE00009 else 32
    rows, columns = fields.get("rows", 0), fields.get("columns", 0)
    bits: int = rows * columns * fields.get("samples_per_pixel", 1) * allocated
    if fields.get("photometric") in _COLOUR_422:
        bits = bits * 2 // 3
    expected = (bits * frames + 7) // 8
    syntax = header.transfer_syntax
    encapsulated = syntax.startswith(_ENCAPSULATED) or syntax == _RLE
    if place.length is not None:
        present = min(place.length, header.size - place.offset)
        cut: int = place.length - present
        return cut if encapsulated else max(cut, expected - present, 0)
    fragments = _Fragments(header, source, frames if encapsulated else None)
    if fragments.missing:
        return fragments.missing
    if encapsulated:
        return max(0, frames - fragments.count) * max((bits + 7) // 8, 1)
    return max(0, expected - fragments.bytes)


class _Fragments:
    """The fragments of encapsulated pixel data (PS3.5 A.4), the first ``limit`` or all.

    Attributes:
        count: fragments behind the offset table. bytes: their length.
        missing: bytes by which the last one reaches beyond the end of the file.
    """

    def __init__(self, header: RawHeader, source: ByteSource, limit: int | None) -> None:
        self.count, self.bytes, self.missing = 0, 0, 0
        position = header.pixels.offset if header.pixels else header.size
        order = "<" if header.little_endian else ">"
        table = True
        while limit is None or self.count < limit:
            item = source.read(position, 8)
            if len(item) < 8:
                return
            group, element, length = struct.unpack(f"{order}HHI", item)
            if (group, element) != (0xFFFE, 0xE000):
                return
            position += 8 + length
            if position > header.size:
                self.missing = position - header.size
                return
            if not table:
                self.count += 1
                self.bytes += length
            table = False


def _is_lossy(header: RawHeader, source: ByteSource) -> bool:
    """Whether the pixels went through lossy compression, as far as header and codestream tell.

    JPEG 2000 syntaxes that allow both are judged by the wavelet of the codestream: the 9-7
    wavelet is irreversible. The reversible one counts as lossless unless the header says 01.
    """
    said = header.values.get(_LOSSY, ("", b""))[1].strip(b" \0")
    if said == b"01" or header.transfer_syntax in _LOSSY_SYNTAXES:
        return True
    if header.transfer_syntax not in _WAVELET_SYNTAXES or header.pixels is None:
        return False
    start = source.read(header.pixels.offset, 4096)
    coding = start.find(b"\xff\x52\x00")
    if coding < 0 or coding + 14 > len(start):
        return said != b"00"
    # Marker 2, length 2, Scod 1, SGcod 4, levels 1, block 2, style 1, then the transformation
    # (ISO/IEC 15444-1 table A.15): 0 is 9-7 irreversible, 1 is 5-3 reversible.
    return start[coding + 13] == 0


def _frames(instance: Instance, header: RawHeader) -> Iterator[Instance]:
    """One ``Instance`` a frame, from the shared and the per-frame functional groups."""
    shared_items = header.groups.get(0x52009229, [])
    own_items = header.groups.get(0x52009230, [])
    shared, bad = _macro_values(shared_items[0], header) if shared_items else ({}, 0)
    if instance.frames > 1:
        # One position at the top level cannot be that of every frame.
        instance = replace(instance, position=None)
    instance = replace(instance, bad_elements=instance.bad_elements + bad, **shared)
    for number in range(1, instance.frames + 1):
        own: dict[str, Any] = {}
        bad = 0
        if number <= len(own_items):
            own, bad = _macro_values(own_items[number - 1], header)
        yield replace(instance, frame=number, bad_elements=instance.bad_elements + bad, **own)


def _macro_values(item: Dataset, header: RawHeader) -> tuple[dict[str, Any], int]:
    """Fields that one functional group item gives, and how many elements could not be parsed."""
    values: dict[str, Any] = {}
    bad = 0
    opened: dict[int, Dataset | None] = {}
    for field, macro, tag, parse in _GROUP_FIELDS:
        if macro not in opened:
            try:
                sequence = item[macro].value if macro in item else None
                opened[macro] = sequence[0] if sequence else None
            except Exception:  # noqa: BLE001 - pydicom raises many kinds; the element is counted
                opened[macro] = None
                bad += 1
        inner = opened[macro]
        if inner is None or tag not in inner:
            continue
        try:
            element: Any = inner.get_item(tag)
            value = parse(element.VR or "", element.value or b"", header)
        except Exception:  # noqa: BLE001 - pydicom raises many kinds; the element is counted
            bad += 1
            continue
        if value not in (None, ""):
            values[field] = value
    return values, bad
