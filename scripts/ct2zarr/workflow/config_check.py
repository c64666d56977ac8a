"""Check a config against its JSON schema, and say what is wrong in sentences for users.

Only the workflow needs this: ``jsonschema`` comes with Snakemake.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from ..errors import SettingsError
from ..report.decisions import read_decisions
from ..run.options import BOOLEAN, OPTIONS, wrong_value


def checked_config(config: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """The config with the schema's defaults filled in and text turned into the typed values.

    Text is what nested values of ``snakemake --config`` are, such as ``'chunks=[64,64,64]'``.

    Raises:
        SettingsError: the config does not fit the schema; one line for each key that is wrong.
    """
    given = {key: _from_text(key, value) for key, value in config.items() if value is not None}
    errors = Draft202012Validator(schema).iter_errors(given)
    sentences = [sentence for error in errors for sentence in _sentences(error, given)]
    if sentences:
        raise SettingsError("\n".join(dict.fromkeys(sentences)))
    defaults = {key: option["default"] for key, option in schema["properties"].items()}
    return {**defaults, **given}


def require_folders(config: Mapping[str, Any]) -> None:
    """Check what the config names: dataset folders, decisions, where results go; makes nothing.

    Raises:
        SettingsError: no dataset is named, one folder is missing, ``deidentify`` has no key, the
            decisions make no sense, or an output cannot be written.
    """
    if not config["datasets"]:
        raise SettingsError(
            "config: datasets is empty; name at least one folder of DICOM files in "
            "config/config.yaml, such as {v1: /data/ct}"
        )
    for name, folder in config["datasets"].items():
        if not Path(folder).expanduser().is_dir():
            raise SettingsError(f"config: the folder of dataset '{name}' does not exist: {folder}")
    if config.get("deidentify"):
        from ..dicom.deidentification import key_from_environment

        key_from_environment()
    if config.get("decisions"):
        read_decisions(Path(config["decisions"]))
    for key in ("manifest_dir", "out_root"):
        folder = Path(config[key]).absolute()
        nearest = next(place for place in (folder, *folder.parents) if place.exists())
        if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
            problem = "may not be written" if nearest.is_dir() else "is not a folder"
            raise SettingsError(f"config: {key} cannot be {config[key]}: {nearest} {problem}")


def require_absolute(config: Mapping[str, Any]) -> None:
    """Check that paths are the same everywhere: jobs in pods begin in folders of their own.

    Raises:
        SettingsError: a path of the config counts from the working directory.
    """
    paths = {f"the folder of dataset '{name}'": path for name, path in config["datasets"].items()}
    paths |= {key: config[key] for key in ("manifest_dir", "out_root", "decisions")}
    for what, path in paths.items():
        if path and not Path(path).expanduser().is_absolute():
            raise SettingsError(
                f"config: {what} is {path}; with a default storage provider, jobs run elsewhere: "
                "give a path that begins with / on the volume that all jobs share"
            )


def _from_text(key: str, value: Any) -> Any:
    """Expand ``~``, and read what ``--config`` leaves as text: ``true``, numbers in a list."""
    if OPTIONS.get(key) == BOOLEAN and str(value).lower() in ("true", "false", "1", "0"):
        return BOOLEAN.read(value)
    if key == "chunks" and isinstance(value, list):
        return [int(item) if str(item).strip().isdecimal() else item for item in value]
    if key in ("manifest_dir", "out_root", "decisions") and isinstance(value, str) and value:
        return str(Path(value).expanduser())
    if key == "datasets" and isinstance(value, Mapping):
        # {v1:/data}, without a space, arrives as the name "v1:/data" of nothing.
        words = (str(name).partition(":") for name, folder in value.items() if folder == "")
        split = {name: folder for name, _, folder in words}
        return {name: folder for name, folder in value.items() if folder != ""} | split
    return value


def _sentences(error: ValidationError, config: Mapping[str, Any]) -> Iterator[str]:
    if error.absolute_path:
        key = str(error.absolute_path[0])
        yield wrong_value(f"config: {key}", config[key], OPTIONS[key].allowed)
    else:  # the only rule of the schema that is about no single known key: additionalProperties
        for key in config:
            if key not in OPTIONS:
                yield f"config: unknown key '{key}'; {_suggestion(key)}"


def _suggestion(key: str) -> str:
    close = difflib.get_close_matches(key, OPTIONS, n=1)
    return f"did you mean '{close[0]}'?" if close else "config/README.md lists the known ones"
