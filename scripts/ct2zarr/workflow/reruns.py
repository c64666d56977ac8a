"""Why the workflow runs a step again: what the rules name as params, and Snakemake compares."""

import hashlib
from collections.abc import Mapping

from ..model import Json
from ..run.options import OPTIONS, Output, options_that_change
from ..version import FORMAT_VERSION


def changing_options(config: Mapping[str, Json], output: Output) -> dict[str, Json]:
    """The options that change an output, with their values, and the version of the format."""
    return {"format_version": FORMAT_VERSION, **_values(config, output)}


def report_options(config: Mapping[str, Json]) -> dict[str, Json]:
    """The options that change the report.

    Snakemake shows params in reports of its own, so a value that may identify a patient is replaced
    by its digest.
    """
    return {
        name: digest(value) if OPTIONS[name].private else value
        for name, value in _values(config, Output.REPORT).items()
    }


def _values(config: Mapping[str, Json], output: Output) -> dict[str, Json]:
    return {name: config[name] for name in options_that_change(output)}


def digest(value: object) -> str:
    """16 hex digits that change with the value and do not reveal it."""
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()
