"""The JSON schema of a config, made from the options."""

from ..model import Json
from .options import Option, config_options


def config_schema() -> dict[str, Json]:
    """The JSON schema of a config."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Options of ct2zarr",
        "description": "Made from scripts/ct2zarr/run/options.py by `make docs`.",
        "type": "object",
        "additionalProperties": False,
        "properties": {option.name: _property(option) for option in config_options()},
    }


def _property(option: Option) -> dict[str, Json]:
    return {"description": option.about, **option.kind.schema, "default": option.default}
