"""All elements of a header as short texts: what may explain why frames share a position.

The scan keeps some dozens of elements. Where these do not tell frames apart, any other element may,
private ones and those of functional groups included. Identifiers never do: every file has its own.
"""

import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache

import pydicom
from pydicom.datadict import dictionary_keyword, dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from ..model import Frame
from .element_values import BINARY_FORMATS, unpack_binary
from .header_text import PADDING
from .tags import PER_FRAME_GROUPS, PIXEL_TAGS

Elements = Mapping[str, str]
"""Name of an element, the DICOM keyword or ``(gggg,eeee)``, to its value as text."""

TEMPORAL_VRS = frozenset({"DA", "DT", "TM"})
TEXT_VRS = frozenset({"CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})

DIMENSION_INDEX_VALUES = "DimensionIndexValues"
"""Its components are elements of their own here: ``DimensionIndexValues[2]``."""

_LONGEST_TEXT = 1024
"""Bytes of a value that are kept as text; longer ones become a digest."""

_DEEPEST = 4
"""Sequences within sequences are followed so far."""

_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")

_PLACE = frozenset({0x00200032, 0x00201041, 0x00200037, 0x00280030})
"""Elements that say where a plane lies, and so cannot say which of two planes there is meant."""


def read_whole_headers(frames: Sequence[Frame]) -> list[Elements]:
    """The elements of each frame; none for a file that cannot be read.

    Elements of sequences and functional groups have the name that they have at the top level. UIDs,
    positions, pixels and group lengths are left out.
    """
    read: list[Elements] = []
    path, dataset, shared = "", Dataset(), {}
    for frame in frames:
        if frame.path != path:
            path, dataset = frame.path, _read(frame.path)
            shared = _flat(dataset, 0)
        own = _per_frame(dataset, frame.frame_number) if frame.frames > 1 else {}
        read.append({**shared, **own})
    return read


@lru_cache(maxsize=4096)
def is_temporal(name: str) -> bool:
    """Whether an element is a date or a time."""
    return _public_vr(name) in TEMPORAL_VRS


@lru_cache(maxsize=4096)
def is_text(name: str) -> bool:
    """Whether an element is public and holds text that no number is meant by."""
    return _public_vr(name) in TEXT_VRS


def _public_vr(name: str) -> str:
    try:
        return dictionary_VR(name)
    except (KeyError, ValueError):
        return ""


def _read(path: str) -> Dataset:
    try:
        return pydicom.dcmread(path, stop_before_pixels=True, force=True)
    except Exception:  # noqa: BLE001 - pydicom raises many kinds; the file then explains nothing
        return Dataset()


def _per_frame(dataset: Dataset, number: int) -> dict[str, str]:
    try:
        items = dataset[PER_FRAME_GROUPS].value if PER_FRAME_GROUPS in dataset else []
        return _flat(items[number - 1], 1) if number <= len(items) else {}
    except Exception:  # noqa: BLE001 - pydicom raises many kinds; the group is lost alone
        return {}


def _flat(dataset: Dataset, depth: int) -> dict[str, str]:
    """Elements of a data set, those of its sequences first, so that the outer ones count."""
    inner: dict[str, str] = {}
    values: dict[str, str] = {}
    for tag in list(dataset.keys()):
        if tag.element == 0 or int(tag) in PIXEL_TAGS | _PLACE or int(tag) == PER_FRAME_GROUPS:
            continue
        try:
            element = dataset.get_item(tag)
            vr = _vr(element.VR, tag)
            if vr == "SQ":
                if depth < _DEEPEST:
                    _add_items(inner, dataset[tag].value, depth + 1)
                continue
            text = _text(vr, element)
        except Exception:  # noqa: BLE001, S112 - pydicom raises many kinds; it is lost alone
            continue
        if text is not None and vr != "UI" and not _UID.fullmatch(text):
            values[_name(tag)] = text
    found = {**inner, **values}
    for number, part in enumerate(found.pop(DIMENSION_INDEX_VALUES, "").split("\\"), start=1):
        if part:
            found[f"{DIMENSION_INDEX_VALUES}[{number}]"] = part
    return found


def _add_items(found: dict[str, str], items: Sequence[Dataset], depth: int) -> None:
    several: dict[str, list[str]] = {}
    for item in items:
        for name, text in _flat(item, depth).items():
            several.setdefault(name, []).append(text)
    for name, texts in several.items():
        found.setdefault(name, "\\".join(texts))


def _vr(vr: str | None, tag: BaseTag) -> str:
    if vr and vr != "UN":
        return vr
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


@lru_cache(maxsize=8192)
def _name(tag: BaseTag) -> str:
    keyword = "" if tag.is_private else _keyword(tag)
    return keyword or f"({tag.group:04x},{tag.element:04x})"


def _keyword(tag: BaseTag) -> str:
    try:
        return dictionary_keyword(tag)
    except KeyError:
        return ""


def _text(vr: str, element: RawDataElement | DataElement) -> str | None:
    """A value as text; ``None`` for one that is empty."""
    value = element.value
    if value is None or value == b"":
        return None
    if not isinstance(element, RawDataElement):  # one that pydicom needs itself, and has parsed
        return str(value).strip(PADDING) or None
    if vr in BINARY_FORMATS:
        try:
            numbers = unpack_binary(
                BINARY_FORMATS[vr], value, little_endian=element.is_little_endian
            )
            return "\\".join(f"{number:g}" for number in numbers[:64]) or None
        except (ValueError, struct.error):
            return value[:_LONGEST_TEXT].hex()
    if len(value) > _LONGEST_TEXT:
        return hashlib.blake2b(value, digest_size=8).hexdigest()
    text = value.decode("latin-1")
    return text.strip(PADDING) or None
