"""The options of a run: their names, what each accepts, and how text becomes a value.

An option has one name: ``num_workers`` in the config is ``NUM_WORKERS`` in the environment. A value
may arrive typed (from YAML) or as text (from the environment or from nested ``--config``); both are
read by the same function here.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..errors import SettingsError
from ..vocabulary import Flag, StoreType

Member = TypeVar("Member", bound=StrEnum)
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off"}


@dataclass(frozen=True, slots=True)
class Option:
    """How one option is read.

    Attributes:
        read: value or text → typed value; raises ``ValueError`` or ``TypeError`` if it is wrong.
        allowed: what it accepts, to follow the words "it must be".
    """

    read: Callable[[Any], Any]
    allowed: str


def _whole(minimum: int, maximum: int | None = None) -> Option:
    def read(value: Any) -> int:
        if isinstance(value, bool | float):
            raise TypeError(value)
        number = int(value)
        if number < minimum or (maximum is not None and number > maximum):
            raise ValueError(value)
        return number

    if maximum is None:
        return Option(read, f"a whole number, at least {minimum}")
    return Option(read, f"a whole number from {minimum} to {maximum}")


def _choice(*allowed: str) -> Option:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(value)
        return str(value)

    return Option(read, _one_of(allowed))


def _one_of(words: tuple[str, ...]) -> str:
    return "one of " + ", ".join(words)


def _items(value: Any) -> list[Any]:
    if isinstance(value, str):
        return [item.strip() for item in value.strip("[]() ").split(",") if item.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    raise TypeError(value)


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise TypeError(value)
    return Path(value).expanduser()


def _switch(value: Any) -> bool:
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise ValueError(value)
    return text in _TRUE


def _slices(value: Any) -> int | Literal["all"]:
    if value == "all":
        return "all"
    return int(_whole(0).read(value))


def _zarr_format(value: Any) -> Literal["auto", 2, 3]:
    if value == "auto":
        return "auto"
    return 2 if _whole(2, 3).read(value) == 2 else 3


def _chunks(value: Any) -> tuple[int, int, int]:
    z, y, x = (_whole(1).read(item) for item in _items(value))
    return z, y, x


def _member(kind: type[Member], code: Any) -> Member:
    for member in kind:
        if member == code:
            return member
    raise ValueError(code)


def _store_type(value: Any) -> StoreType:
    return _member(StoreType, value)


def _flags(value: Any) -> frozenset[Flag]:
    return frozenset(_member(Flag, item) for item in _items(value))


def _image_types(value: Any) -> tuple[str, ...]:
    return tuple(str(item).upper() for item in _items(value))


def _keywords(value: Any) -> tuple[str, ...]:
    from pydicom.datadict import tag_for_keyword  # only runs with extra tags pay for the dictionary

    keywords = tuple(str(item) for item in _items(value))
    if any(tag_for_keyword(keyword) is None for keyword in keywords):
        raise ValueError(value)
    return keywords


def _series(value: Any) -> tuple[str, ...]:
    return tuple(str(item).strip() for item in _items(value))


def _optional_path(value: Any) -> Path | None:
    return None if value == "" else _path(value)


def _seconds(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError(value)
    seconds = float(value)
    if not 0 < seconds < float("inf"):
        raise ValueError(value)
    return seconds


def _suffix(value: Any) -> str:
    text = str(value)
    if "/" in text or "\0" in text:
        raise ValueError(value)
    return text


def _datasets(value: Any) -> dict[str, Path]:
    if not isinstance(value, Mapping) or not value:
        raise TypeError(value)
    return {str(name): _path(folder) for name, folder in value.items()}


PATH = Option(_path, "a path")
BOOLEAN = Option(_switch, "true or false (1 or 0)")
_KEYWORDS = Option(_keywords, "a list of DICOM keywords, such as [Exposure, XRayTubeCurrent]")

OPTIONS: Mapping[str, Option] = {
    "datasets": Option(_datasets, "at least one name with its folder, such as {v1: /data/ct}"),
    "manifest_dir": PATH,
    "out_root": PATH,
    "store_type": Option(_store_type, _one_of(tuple(StoreType))),
    "num_shards": _whole(1),
    "max_depth": _whole(0),
    "num_workers": _whole(1),
    "verify_slices": Option(_slices, "a whole number, at least 0, or all"),
    "overwrite": BOOLEAN,
    "num_samples": _whole(0),
    "sample_series": Option(_series, "a list of series_hash or SeriesInstanceUID, each in quotes"),
    "decisions": Option(_optional_path, "a path, or empty for none"),
    "values": _choice("hu", "stored"),
    "zarr_format": Option(_zarr_format, "one of auto, 2, 3"),
    "chunks": Option(_chunks, "three whole numbers of at least 1 (z, y, x), such as [64, 64, 64]"),
    "compression_level": _whole(0, 9),
    "pyramid_levels": _whole(1, 16),
    "deidentify": BOOLEAN,
    "reject_flags": Option(_flags, "a list with any of " + ", ".join(Flag)),
    "on_bad_slice": _choice("fail", "drop"),
    "include_secondary_capture": BOOLEAN,
    "exclude_image_types": Option(_image_types, "a list of ImageType values, such as [MIP]"),
    "extra_series_tags": _KEYWORDS,
    "extra_slice_tags": _KEYWORDS,
    "series_timeout": Option(_seconds, "a number of seconds greater than 0"),
    "series_memory": _whole(0),
    "retry_failed": BOOLEAN,
    "scan_jobs": _whole(1),
}
"""Every option of a config, in the order in which the documentation lists them."""

JOB_OPTIONS: Mapping[str, Option] = {
    "out_dir": PATH,
    "dataset_version": Option(str, "all, or versions such as v1 or v1,v2"),
    "input_csv": PATH,
    "shard_id": _whole(0),
    "scan_part": _whole(0),
    "summary_suffix": Option(_suffix, 'text without "/"'),
    "converted_root": PATH,
    "output_html": PATH,
}
"""What only the environment variables name; in a workflow the rules know it."""


@dataclass(frozen=True, slots=True)
class Values:
    """Raw values by option, from one source.

    Attributes:
        raw: option → value or text; an option that is not set is absent.
        show: option → its name where the user wrote it, for error sentences.
    """

    raw: Mapping[str, Any]
    show: Callable[[str], str]

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "Values":
        """Values from a flat config."""
        return cls({key: value for key, value in config.items() if value is not None}, _config_name)

    @classmethod
    def of_environ(cls, environ: Mapping[str, str]) -> "Values":
        """Values from environment variables; an empty variable counts as not set."""
        names = {**OPTIONS, **JOB_OPTIONS}
        raw = {name: environ[name.upper()] for name in names if environ.get(name.upper())}
        return cls(raw, str.upper)

    def given(self, *names: str) -> dict[str, Any]:
        """The typed values of those of ``names`` that are set.

        Raises:
            SettingsError: a value is wrong; the sentence names the option and what it must be.
        """
        return {name: self._read(name) for name in names if name in self.raw}

    def required(self, name: str, purpose: str) -> Any:
        """The typed value of ``name``.

        Raises:
            SettingsError: it is not set (``purpose`` says what it is for) or wrong.
        """
        if name not in self.raw:
            raise SettingsError(f"{self.show(name)} is missing: set it to {purpose}")
        return self._read(name)

    def _read(self, name: str) -> Any:
        option = OPTIONS.get(name) or JOB_OPTIONS[name]
        value = self.raw[name]
        try:
            return option.read(value)
        except (TypeError, ValueError) as error:
            raise SettingsError(wrong_value(self.show(name), value, option.allowed)) from error


def wrong_value(name: str, value: Any, allowed: str) -> str:
    """The sentence for a wrong value."""
    shown = f"'{value}'" if isinstance(value, str) else f"{value}"
    return f"{name} is {shown}; it must be {allowed}"


def _config_name(key: str) -> str:
    return f"config: {key}"
