"""Check a config against its JSON schema, and say what is wrong in sentences for users.

Only the workflow needs this: ``jsonschema`` comes with Snakemake.
"""

import difflib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator, ValidationError

from ..codes import Code
from ..errors import Private, SettingsError
from ..report.decisions import read_decisions
from ..run.config_schema import config_schema
from ..run.option_kinds import PATH, PATH_OR_NONE
from ..run.option_values import config_name, wrong_value
from ..run.options import OPTIONS, config_defaults, config_options
from ..run.output_places import check_no_braces, check_outside


def checked_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with defaults filled in and text turned into typed values.

    Text is what nested values of ``snakemake --config`` are, such as ``'chunks=[64,64,64]'``.

    Raises
    ------
    SettingsError
        The config does not fit the schema; one line for each key that is wrong.
    """
    config = {str(key): value for key, value in config.items()}
    kinds = {option.name: option.kind for option in config_options()}
    given = {
        key: kinds[key].from_text(value) if key in kinds else value
        for key, value in config.items()
        if value is not None
    }
    validator = Draft202012Validator(config_schema())
    problems = {
        str(problem): problem
        for error in validator.iter_errors(given)
        for problem in _problems(error, given)
    }
    if problems:
        raise _together(list(problems.values()))
    _refuse_braces(given)
    return {**config_defaults(), **given}


def _refuse_braces(config: Mapping[str, Any]) -> None:
    """Check that no path has braces, which Snakemake takes for wildcards."""
    for option in config_options():
        value = config.get(option.name)
        if option.kind in (PATH, PATH_OR_NONE) and value and {"{", "}"}.intersection(value):
            raise wrong_value(config_name(option.name), value, "a path without { and }")


def _together(problems: list[SettingsError]) -> SettingsError:
    """One error with a line for each problem."""
    if len(problems) == 1:
        return problems[0]
    return SettingsError(Code.SETTING_WRONG, "{problems}", problems=tuple(problems))


def _problems(error: ValidationError, config: Mapping[str, Any]) -> Iterator[SettingsError]:
    if error.absolute_path:
        key = str(error.absolute_path[0])
        yield wrong_value(config_name(key), config[key], OPTIONS[key].kind.allowed)
        return
    # The only rule of the schema that is not about one known key: additionalProperties.
    known = [option.name for option in config_options()]
    for key in config:
        if key not in known:
            yield _unknown_key(key, known)


def _unknown_key(key: str, known: list[str]) -> SettingsError:
    close = difflib.get_close_matches(key, known, n=1)
    if close:
        return SettingsError(
            Code.SETTING_WRONG,
            "config: unknown key '{key}'; did you mean '{known}'?",
            key=Private(key),
            known=close[0],
        )
    return SettingsError(
        Code.SETTING_WRONG,
        "config: unknown key '{key}'; config/README.md lists the known ones",
        key=Private(key),
    )


def require_folders(config: Mapping[str, Any]) -> None:
    """Check the folders, the decisions and the key that a config needs, and create nothing.

    Raises
    ------
    SettingsError
        No dataset is named, a folder is missing, ``deidentify`` has no key, the decisions cannot be
        used, or an output cannot be written or lies in a dataset.
    """
    _require_datasets(config["datasets"])
    if config.get("deidentify"):
        from ..convert.withdrawal import require_outside
        from ..dicom.deidentification import key_from_environment

        key_from_environment()
        require_outside(Path(config["manifest_dir"]), Path(config["out_root"]))
    if config.get("decisions"):
        read_decisions(Path(config["decisions"]))
    for key in ("manifest_dir", "out_root"):
        folder = Path(config[key])
        check_no_braces(config_name(key), folder)
        check_outside(config_name(key), folder, config["datasets"])
        _require_writable(key, folder)


def _require_datasets(datasets: Mapping[str, str]) -> None:
    if not datasets:
        raise SettingsError(
            Code.SETTING_MISSING,
            "config: datasets is empty; name at least one folder of DICOM files in "
            "config/config.yaml, such as {example}",
            example="{v1: /data/ct}",
        )
    for name, folder in datasets.items():
        place = Path(folder).expanduser()
        if place.exists() and not place.is_dir():
            raise SettingsError(
                Code.SETTING_WRONG,
                "config: the folder of dataset '{dataset}' is a file: {path}; name the folder that "
                "holds the files",
                path=folder,
                dataset=Private(name),
            )
        if not place.is_dir():
            raise SettingsError(
                Code.SETTING_WRONG,
                "config: the folder of dataset '{dataset}' does not exist: {path}",
                path=folder,
                dataset=Private(name),
            )
        if not os.access(place, os.R_OK | os.X_OK):
            raise SettingsError(
                Code.SETTING_WRONG,
                "config: the folder of dataset '{dataset}' may not be read by this user: {path}",
                path=folder,
                dataset=Private(name),
            )


def _require_writable(key: str, folder: Path) -> None:
    """Check that a folder can be made, or written where it exists."""
    wanted = folder.absolute()
    nearest = next(place for place in (wanted, *wanted.parents) if place.exists())
    if not nearest.is_dir():
        raise SettingsError(
            Code.SETTING_WRONG,
            "config: {setting} cannot be {path}: {nearest} is not a folder",
            path=folder,
            setting=key,
            nearest=nearest,
        )
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise SettingsError(
            Code.SETTING_WRONG,
            "config: {setting} cannot be {path}: {nearest} is not writable",
            path=folder,
            setting=key,
            nearest=nearest,
        )


def require_absolute(config: Mapping[str, Any]) -> None:
    """Check that paths mean the same everywhere: jobs in pods start in folders of their own.

    Raises
    ------
    SettingsError
        A path of the config is relative to the working directory.
    """
    named = {f"the folder of dataset '{name}'": path for name, path in config["datasets"].items()}
    named |= {
        option.name: config[option.name]
        for option in config_options()
        if option.kind in (PATH, PATH_OR_NONE)
    }
    for name, path in named.items():
        if path and not Path(path).expanduser().is_absolute():
            raise SettingsError(
                Code.SETTING_WRONG,
                "config: {name} is {path}; with a default storage provider, jobs run elsewhere: "
                "give a path that begins with / on the volume that all jobs share",
                path=path,
                name=Private(name),
            )
