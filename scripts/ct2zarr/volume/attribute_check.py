"""Whether the group attribute ``ct2zarr`` is one that a conversion writes, before it is relied on.

A member may be absent, since stores of earlier versions lack some. One that is there has its type,
its length, and numbers that are numbers.
"""

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import FileError
from ..version import FORMAT_VERSION
from ..vocabulary import StoreType

MOST_LEVELS = 64
MOST_FACTOR = 1 << 22
FARTHEST_MM = 1e15
"""Far beyond any position that a header gives, and its cube still is a number."""

_HASH = re.compile(r"[0-9a-f]{32}")
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
_NUMBERS = frozenset({int, float})
_ORIENTATIONS = ((2, 3), (6,))


def check_attributes(path: Path, attrs: Mapping[str, Any]) -> None:
    """Raise ``FileError`` unless the attribute can be that of a volume.

    Raises
    ------
    FileError
        A member is none that a conversion writes (``store_damaged``), or a later version of
        ct2zarr wrote the store (``newer_format``).
    """
    version = attrs.get("format_version", 1)
    if not _is_whole(version) or version < 1:
        raise _wrong(path, "format_version")
    if version > FORMAT_VERSION:
        raise FileError(
            Code.NEWER_FORMAT,
            "{path} has the format version {found}, and this ct2zarr reads versions up to {known};"
            " install the version of ct2zarr that wrote it, or a later one",
            path=path,
            found=version,
            known=FORMAT_VERSION,
        )
    for name, fits in _MEMBERS.items():
        if name in attrs and not fits(attrs[name]):
            raise _wrong(path, name)


def check_name(path: Path, attrs: Mapping[str, Any]) -> None:
    """Raise ``FileError`` if the file is named as a conversion names it, but for another volume."""
    named, _, rest = path.name.partition(".")
    found = attrs.get("series_hash")
    if found is None or found == named or _HASH.fullmatch(named) is None:
        return
    if f".{rest}" in {kind.suffix for kind in StoreType}:
        raise FileError(
            Code.OTHER_VOLUME,
            "{path} holds the volume {found}, not the one that its name says; two stores were"
            " swapped, or a copy has the wrong name",
            path=path,
            found=found,
        )


def check_planes(path: Path, attrs: Mapping[str, Any], planes: int) -> None:
    """Raise ``FileError`` unless there is a position for each plane of level 0, or for none."""
    origins = attrs.get("slice_origins_lps")
    if origins is not None and len(origins) != planes:
        raise FileError(
            Code.STORE_DAMAGED,
            "{path} has {planes} planes and positions of {found}; copy or convert this volume"
            " again",
            path=path,
            planes=planes,
            found=len(origins),
        )


def _wrong(path: Path, name: str) -> FileError:
    return FileError(
        Code.STORE_DAMAGED,
        "{path}: the member {name} of the attribute ct2zarr is none that ct2zarr writes; copy or"
        " convert this volume again",
        path=path,
        name=name,
    )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    # An int of hundreds of digits is a number that no float can hold.
    return abs(value) <= FARTHEST_MM if isinstance(value, int) else math.isfinite(value)


def _is_length(value: Any) -> bool:
    return _is_number(value) and abs(value) <= FARTHEST_MM


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _or_null(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: value is None or fits(value)


def _has_shape(value: Any, shape: tuple[int, ...]) -> bool:
    """Whether lists hold lengths in this shape; -1 stands for any number of at least one."""
    if not isinstance(value, list) or not value or shape[0] not in (-1, len(value)):
        return False
    if len(shape) > 1:
        return all(_has_shape(one, shape[1:]) for one in value)
    # JSON has no other numbers than these two types; opening a volume looks at thousands.
    return all(type(one) in _NUMBERS and abs(one) <= FARTHEST_MM for one in value)


def _are_flags(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _are_values(value: Any) -> bool:
    """``kind`` and ``units`` are texts, the others numbers or null."""
    if not isinstance(value, dict):
        return False
    texts = all(value.get(name) is None or _is_text(value[name]) for name in ("kind", "units"))
    numbers = ("slope", "intercept", "minimum", "maximum", "padding_value")
    return texts and all(value.get(name) is None or _is_number(value[name]) for name in numbers)


def _are_levels(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= MOST_LEVELS and all(map(_is_level, value))


def _is_level(value: Any) -> bool:
    """``path`` names an array directly in the group, so that no ``..`` leaves the store."""
    if not isinstance(value, dict):
        return False
    path, factors = value.get("path"), value.get("factors")
    if not isinstance(path, str) or _NAME.fullmatch(path) is None:
        return False
    if not isinstance(factors, list) or len(factors) != len("zyx"):
        return False
    return all(_is_whole(one) and 1 <= one <= MOST_FACTOR for one in factors)


_MEMBERS: dict[str, Callable[[Any], bool]] = {
    "series_hash": lambda value: _is_text(value) and _HASH.fullmatch(value) is not None,
    "source_fingerprint": _is_text,
    "flags": _are_flags,
    "values": _are_values,
    "levels": _or_null(_are_levels),
    "spacing": lambda value: _has_shape(value, (3,)),
    "orientation": _or_null(lambda value: any(_has_shape(value, one) for one in _ORIENTATIONS)),
    "index_to_lps": _or_null(lambda value: _has_shape(value, (4, 4))),
    "slice_origins_lps": _or_null(lambda value: _has_shape(value, (-1, 3))),
    "max_position_error_mm": _or_null(_is_length),
    "frame_of_reference_uid": _or_null(_is_text),
}
