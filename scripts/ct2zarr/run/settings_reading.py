"""Settings of the steps from a config, or from environment variables.

Nothing is read here but the values that are passed in.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..codes import Code
from ..errors import SettingsError
from . import paths
from .dataset_roots import dataset_roots
from .option_values import Values, fill
from .options import OPTIONS
from .settings import (
    AggregateSettings,
    AuditSettings,
    ConvertSettings,
    ManifestSettings,
    ReportSettings,
    TidySettings,
)
from .variable_names import check_variables

# The manifest -----------------------------------------------------------------------------------


def manifest_from_config(
    config: Mapping[str, Any], workers: int, scan_part: int | None = None
) -> ManifestSettings:
    """Settings of the manifest step, or of one share of its scan, from a flat config.

    Raises
    ------
    SettingsError
        A value is missing or wrong.
    """
    values = Values.of_config(config)
    return fill(ManifestSettings, values, workers=workers, scan_part=scan_part)


def manifest_from_environ(environ: Mapping[str, str]) -> ManifestSettings:
    """Settings of the manifest step from environment variables.

    Raises
    ------
    SettingsError
        A variable is missing or wrong.
    """
    values = _variables(environ, ManifestSettings)
    settings = fill(
        ManifestSettings,
        values,
        datasets=dataset_roots(environ),
        workers=values.get("num_workers", usable_processors()),
    )
    if settings.scan_part is not None and settings.scan_part >= settings.scan_jobs:
        raise _not_below("SCAN_PART", settings.scan_part, "SCAN_JOBS", settings.scan_jobs)
    return settings


# The conversion ---------------------------------------------------------------------------------


def convert_from_config(
    config: Mapping[str, Any], input_csv: Path, shard_id: int, workers: int
) -> ConvertSettings:
    """Settings to convert one shard of the manifest, from a flat config.

    Raises
    ------
    SettingsError
        A value is missing or wrong.
    """
    return fill(
        ConvertSettings,
        Values.of_config(config),
        input_csv=input_csv,
        shard_id=shard_id,
        num_workers=workers,
        retry_failed=False,  # the rules decide which shards run for it; a job of theirs just runs
    )


def convert_from_environ(environ: Mapping[str, str]) -> ConvertSettings:
    """Settings to convert one shard from environment variables.

    On a CSV that holds one shard already, SHARD_ID is a check only. On any other it takes the
    rows of that shard out of NUM_SHARDS, by default 16.

    Raises
    ------
    SettingsError
        A variable is missing or wrong.
    """
    settings = fill(ConvertSettings, _variables(environ, ConvertSettings))
    if settings.shard_id is None:
        return settings
    if sharded := paths.SHARD_CSV.fullmatch(settings.input_csv.name):
        if int(sharded[1]) != settings.shard_id:
            raise SettingsError(
                Code.SETTING_WRONG,
                "SHARD_ID is {shard}, but INPUT_CSV is {file}; leave SHARD_ID out, or give "
                "series_all.csv",
                path=settings.input_csv,
                shard=settings.shard_id,
            )
        return settings
    num_shards: int = settings.num_shards or OPTIONS["num_shards"].typed_default()
    if settings.shard_id >= num_shards:
        raise _not_below("SHARD_ID", settings.shard_id, "NUM_SHARDS", num_shards)
    return replace(settings, num_shards=num_shards)


def _not_below(setting: str, value: int, other: str, limit: int) -> SettingsError:
    return SettingsError(
        Code.SETTING_WRONG,
        "{setting} is {value}; it must be below {other}, which is {limit}",
        setting=setting,
        value=value,
        other=other,
        limit=limit,
    )


# Audit, summary, report -------------------------------------------------------------------------


def audit_from_config(config: Mapping[str, Any], workers: int) -> AuditSettings:
    """Settings to audit, from a flat config.

    Raises
    ------
    SettingsError
        A value is missing or wrong.
    """
    return fill(AuditSettings, Values.of_config(config), num_workers=workers)


def audit_from_environ(environ: Mapping[str, str]) -> AuditSettings:
    """Settings to audit one shard, or all shards in ``OUT_ROOT``.

    Raises
    ------
    SettingsError
        A variable is missing or wrong.
    """
    return fill(AuditSettings, _variables(environ, AuditSettings))


def tidy_from_config(config: Mapping[str, Any]) -> TidySettings:
    """Settings to tidy the results, from a flat config.

    Raises
    ------
    SettingsError
        A value is missing or wrong.
    """
    return fill(TidySettings, Values.of_config(config))


def aggregate_from_config(
    config: Mapping[str, Any], summaries: Sequence[Path]
) -> AggregateSettings:
    """Settings to join the summaries of all shards, from a flat config.

    Raises
    ------
    SettingsError
        A value is missing or wrong.
    """
    return fill(AggregateSettings, Values.of_config(config), summaries=tuple(summaries))


def aggregate_from_environ(environ: Mapping[str, str]) -> AggregateSettings:
    """Settings to join all shard summaries in ``OUT_ROOT``.

    Raises
    ------
    SettingsError
        A variable is missing or wrong.
    """
    return fill(AggregateSettings, _variables(environ, AggregateSettings))


def report_from_config(
    config: Mapping[str, Any], output_html: Path, exports: Path | None = None
) -> ReportSettings:
    """Settings of the report from a flat config.

    Raises
    ------
    SettingsError
        A value is missing or wrong.
    """
    values = Values.of_config(config)
    return fill(ReportSettings, values, output_html=output_html, exports=exports)


def report_from_environ(environ: Mapping[str, str]) -> ReportSettings:
    """Settings of the report from environment variables.

    Raises
    ------
    SettingsError
        A variable is missing or wrong.
    """
    return fill(ReportSettings, _variables(environ, ReportSettings))


def _variables(environ: Mapping[str, str], record: type) -> Values:
    """The values of the environment, once no variable of the script is seen to be misspelt."""
    check_variables(environ, record)
    return Values.of_environ(environ)


def usable_processors() -> int:
    """Processors that this process may use; a job scheduler may grant fewer than there are."""
    return len(os.sched_getaffinity(0))
