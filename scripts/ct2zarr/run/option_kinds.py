"""The kinds of values that options have: how each is read, described, and checked in a config.

A value may arrive typed (from YAML) or as text (from the environment or from nested ``--config``);
both are read by the same function here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from ..model import Json
from ..vocabulary import Flag
from .paths import SHARD_SUFFIX

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


def _unchanged(value: Any) -> Any:
    return value


@dataclass(frozen=True, slots=True)
class Kind:
    """What values an option may have.

    Attributes
    ----------
    read
        Value or text → typed value; raises ``ValueError`` or ``TypeError`` if it is wrong.
    allowed
        What is accepted, to follow the words "it must be".
    schema
        The same as a JSON schema, for the value in a config.
    from_text
        The value of a config that ``snakemake --config`` left as text → the value that the schema
        expects; anything that it does not recognise is returned as it came.
    """

    read: Callable[[Any], Any]
    allowed: str
    schema: Mapping[str, Json]
    from_text: Callable[[Any], Any] = _unchanged


# Numbers and words ----------------------------------------------------------------------------


def whole(minimum: int, maximum: int | None = None) -> Kind:
    """Whole numbers from ``minimum`` to ``maximum``."""

    def read(value: Any) -> int:
        if isinstance(value, bool | float):
            raise TypeError(value)
        number = int(value)
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError(value)
        return number

    schema: dict[str, Json] = {"type": "integer", "minimum": minimum}
    if maximum is None:
        return Kind(read, f"a whole number, at least {minimum}", schema)
    return Kind(read, f"a whole number from {minimum} to {maximum}", {**schema, "maximum": maximum})


def _positive(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    number = float(value)
    if not 0 < number < float("inf"):
        raise ValueError(value)
    return number


def choice(*words: str) -> Kind:
    """One of some words."""

    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(value)
        return str(value)

    return Kind(read, "one of " + ", ".join(words), {"enum": list(words)})


def member_of(codes: type[StrEnum]) -> Kind:
    """One member of an enumeration."""

    def read(value: Any) -> StrEnum:
        return codes(value)

    return Kind(read, "one of " + ", ".join(codes), {"enum": [str(code) for code in codes]})


def _switch(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _switch_from_text(value: Any) -> Any:
    # YAML has typed values for the other words.
    return _switch(value) if str(value).lower() in ("true", "false", "1", "0") else value


def _slices(value: Any) -> int | Literal["all"]:
    return "all" if value == "all" else int(whole(0).read(value))


def _depth(value: Any) -> int | None:
    return None if value == "all" else int(whole(0).read(value))


def _zarr_format(value: Any) -> Literal["auto", 2, 3]:
    if value == "auto":
        return "auto"
    return 2 if whole(2, 3).read(value) == 2 else 3


def _suffix(value: Any) -> str:
    text = str(value)
    if text and SHARD_SUFFIX.fullmatch(text) is None:
        raise ValueError(value)
    return text


# Lists ----------------------------------------------------------------------------------------


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item.strip() for item in value.strip("[]() ").split(",") if item.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(value)


def _list_of(items: Mapping[str, Json]) -> dict[str, Json]:
    return {"type": "array", "uniqueItems": True, "items": dict(items)}


def _chunks(value: Any) -> tuple[int, int, int]:
    z, y, x = (whole(1).read(item) for item in _items(value))
    return z, y, x


def _chunks_from_text(value: Any) -> Any:
    if not isinstance(value, list):
        return value
    return [int(item) if str(item).strip().isdecimal() else item for item in value]


def _flags(value: Any) -> frozenset[Flag]:
    flag = member_of(Flag)
    return frozenset(flag.read(item) for item in _items(value))


def _image_types(value: Any) -> tuple[str, ...]:
    return tuple(str(item).upper() for item in _items(value))


def _keywords(value: Any) -> tuple[str, ...]:
    keywords = tuple(str(item) for item in _items(value))
    if not keywords:
        return ()
    from pydicom.datadict import tag_for_keyword  # only runs with extra tags pay for the dictionary

    if any(tag_for_keyword(keyword) is None for keyword in keywords):
        raise ValueError(value)
    return keywords


def _series(value: Any) -> tuple[str, ...]:
    return tuple(str(item).strip() for item in _items(value))


# Paths ----------------------------------------------------------------------------------------


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise TypeError(value)
    return Path(value).expanduser()


def _path_or_none(value: Any) -> Path | None:
    return None if value == "" else _path(value)


def _path_from_text(value: Any) -> Any:
    return str(Path(value).expanduser()) if isinstance(value, str) and value else value


def _datasets(value: Any) -> dict[str, Path]:
    if not isinstance(value, Mapping) or not value:
        raise TypeError(value)
    return {str(name): _path(folder) for name, folder in value.items()}


def _datasets_from_text(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    # {v1:/data}, without a space, arrives as the name "v1:/data" with an empty folder.
    words = (str(name).partition(":") for name, folder in value.items() if folder == "")
    split = {name: folder for name, _, folder in words}
    return {name: folder for name, folder in value.items() if folder != ""} | split


# The kinds that need no arguments ---------------------------------------------------------------

_WORD: Mapping[str, Json] = {"type": "string", "minLength": 1}

TEXT = Kind(str, "text", {"type": "string"})
SUFFIX = Kind(_suffix, "shard_ and the number of the shard, such as shard_00", {"type": "string"})
PATH = Kind(_path, "a path", _WORD, _path_from_text)
PATH_OR_NONE = Kind(_path_or_none, "a path, or empty for none", {"type": "string"}, _path_from_text)
BOOLEAN = Kind(_switch, "true or false (1 or 0)", {"type": "boolean"}, _switch_from_text)
SECONDS = Kind(
    _positive,
    "a number of seconds greater than 0",
    {"type": "number", "exclusiveMinimum": 0},
)
SLICES = Kind(
    _slices,
    "a whole number, at least 0, or all",
    {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "all"}]},
)
DEPTH = Kind(
    _depth,
    "a whole number, at least 0, or all",
    {"anyOf": [{"type": "integer", "minimum": 0}, {"const": "all"}]},
)
ZARR_FORMAT = Kind(_zarr_format, "one of auto, 2, 3", {"enum": ["auto", 2, 3]})
CHUNKS = Kind(
    _chunks,
    "three whole numbers of at least 1 (z, y, x), such as [64, 64, 64]",
    {
        "type": "array",
        "minItems": 3,
        "maxItems": 3,
        "items": {"type": "integer", "minimum": 1},
    },
    _chunks_from_text,
)
FLAGS = Kind(
    _flags, "a list with any of " + ", ".join(Flag), _list_of({"enum": [str(one) for one in Flag]})
)
IMAGE_TYPES = Kind(_image_types, "a list of ImageType values, such as [MIP]", _list_of(_WORD))
KEYWORDS = Kind(
    _keywords,
    "a list of DICOM keywords, such as [Exposure, XRayTubeCurrent]",
    _list_of({"type": "string", "pattern": "^[A-Z][A-Za-z0-9]*$"}),
)
SERIES = Kind(
    _series, "a list of series_hash or SeriesInstanceUID, each in quotes", _list_of(_WORD)
)
DATASETS = Kind(
    _datasets,
    "at least one name with its folder, such as {v1: /data/ct}",
    {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]*$"},
        "additionalProperties": dict(_WORD),
    },
    _datasets_from_text,
)
