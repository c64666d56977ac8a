"""Settings of the steps, one frozen record each, from a config or from the environment.

Fields that hold an option name it, see ``options.py`` and ``option_values.py``; the others are what
the workflow or the caller knows. Nothing is read here but the values that are passed in.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..codes import Code
from ..errors import SettingsError
from ..vocabulary import Flag, StoreType
from . import paths
from .dataset_roots import dataset_roots
from .option_values import Values, bound, fill, option
from .options import OPTIONS
from .variable_names import check_variables

ALL_SLICES: Literal["all"] = "all"
"""Value of ``verify_slices`` that means every slice."""


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """Which files may become planes."""

    include_secondary_capture: bool = option("include_secondary_capture")
    exclude_image_types: tuple[str, ...] = option("exclude_image_types")


@dataclass(frozen=True, slots=True)
class EncodingSettings:
    """What changes the bytes of a volume."""

    store_type: StoreType = option("store_type")
    values: Literal["hu", "stored"] = option("values")
    zarr_format: Literal["auto", 2, 3] = option("zarr_format")
    chunks: tuple[int, int, int] = option("chunks")
    compression_level: int = option("compression_level")
    pyramid_levels: int = option("pyramid_levels")

    @property
    def format_number(self) -> Literal[2, 3]:
        """The Zarr format to write: 2 for sqlite and 3 for dir and zip unless it is set."""
        if self.zarr_format == "auto":
            return 2 if self.store_type is StoreType.SQLITE else 3
        return self.zarr_format


@dataclass(frozen=True, slots=True)
class MetadataSettings:
    """What changes the records beside a store."""

    deidentify: bool = option("deidentify")
    extra_series_tags: tuple[str, ...] = option("extra_series_tags")
    extra_slice_tags: tuple[str, ...] = option("extra_slice_tags")


@dataclass(frozen=True, slots=True)
class ManifestSettings:
    """Scan the datasets and write the manifest.

    Attributes
    ----------
    scan_jobs
        Shares into which the scan is divided.
    scan_part
        The share to scan, from 0; None to make the manifest.
    """

    datasets: Mapping[str, Path] = field(
        metadata=bound("datasets", "dataset_v1_root", "dataset_version")
    )
    manifest_dir: Path = field(metadata=bound("manifest_dir", "out_dir", "manifest_dir"))
    num_shards: int = option("num_shards")
    max_depth: int | None = option("max_depth")
    workers: int = option("num_workers")
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    scan_jobs: int = option("scan_jobs")
    scan_part: int | None = option("scan_part")


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """Convert the volumes of one shard.

    Attributes
    ----------
    num_shards
        None where the CSV holds one shard, or all that there are.
    series_timeout_seconds
        A volume that takes longer becomes a failed row.
    series_memory_mb
        So does one that needs more memory than this, beyond that of an idle worker; 0 for no limit.
    retry_failed
        Convert only if something of the shard has failed or was found damaged.
    """

    input_csv: Path = field(metadata=bound("input_csv"))
    out_root: Path = field(metadata=bound("out_root"))
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    metadata: MetadataSettings = field(default_factory=MetadataSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    num_workers: int = option("num_workers")
    shard_id: int | None = option("shard_id")
    num_shards: int | None = field(default=None, metadata=bound("num_shards"))
    max_depth: int | None = option("max_depth")
    overwrite: bool = option("overwrite")
    verify_slices: int | Literal["all"] = option("verify_slices")
    summary_suffix: str = option("summary_suffix")
    reject_flags: frozenset[Flag] = option("reject_flags")
    accept_ambiguous_layers: bool = option("accept_ambiguous_layers")
    on_bad_slice: Literal["fail", "drop"] = option("on_bad_slice")
    series_timeout_seconds: float = option("series_timeout")
    series_memory_mb: int = option("series_memory")
    retry_failed: bool = option("retry_failed")

    @property
    def rejected_flags(self) -> frozenset[Flag]:
        """The flags of volumes that are not converted."""
        if self.accept_ambiguous_layers:
            return self.reject_flags
        return self.reject_flags | {Flag.AMBIGUOUS_LAYERS}

    @property
    def store_root(self) -> Path:
        """``OUT_ROOT/zarr_{store}``, with ``data/``, ``meta/`` and the summaries."""
        return paths.store_root(self.out_root, self.encoding.store_type)


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Read finished volumes back.

    Attributes
    ----------
    shard_id
        None: the volumes of every shard.
    manifest_dir
        Folder of the manifest whose files are checked; None for none.
    """

    out_root: Path = field(metadata=bound("out_root"))
    store_type: StoreType = option("store_type")
    shard_id: int | None = option("shard_id")
    num_workers: int = option("num_workers")
    series_timeout_seconds: float = option("series_timeout")
    manifest_dir: Path | None = field(default=None, metadata=bound("manifest_dir"))

    @property
    def store_root(self) -> Path:
        """``OUT_ROOT/zarr_{store}``, where the audits are written too."""
        return paths.store_root(self.out_root, self.store_type)

    def labels(self) -> list[str]:
        """The labels of the shards to audit: those that have a summary, as it names them.

        Raises
        ------
        SettingsError
            The shard that is asked for has no summary.
        """
        found = {
            int(named[1]): named[1]
            for path in self.store_root.glob("*.csv")
            if (named := paths.SHARD_SUMMARY.fullmatch(path.name))
        }
        if self.shard_id is None:
            return [found[number] for number in sorted(found)]
        if self.shard_id not in found:
            raise SettingsError(
                Code.INPUT_MISSING,
                "SHARD_ID is {shard}, but {folder} has no summary of that shard; convert it first",
                shard=self.shard_id,
                folder=self.store_root,
            )
        return [found[self.shard_id]]


@dataclass(frozen=True, slots=True)
class TidySettings:
    """Remove from the results what the manifest does not name."""

    out_root: Path = field(metadata=bound("out_root"))
    manifest_dir: Path = field(metadata=bound("manifest_dir"))
    store_type: StoreType = option("store_type")
    num_shards: int = option("num_shards")

    @property
    def store_root(self) -> Path:
        """``OUT_ROOT/zarr_{store}``."""
        return paths.store_root(self.out_root, self.store_type)


@dataclass(frozen=True, slots=True)
class AggregateSettings:
    """Join the shard summaries.

    Attributes
    ----------
    summaries
        The CSVs to join; empty for all that are in the folder.
    manifest_dir
        Folder of the manifest that the joined summary names and whose localizers it counts; None
        for the manifest that the shards name, and for the localizers in their rows.
    decisions
        What people decided on volumes, as the report exports it; None for nothing.
    """

    out_root: Path = field(metadata=bound("out_root"))
    store_type: StoreType = option("store_type")
    summaries: tuple[Path, ...] = ()
    manifest_dir: Path | None = field(default=None, metadata=bound("manifest_dir"))
    decisions: Path | None = option("decisions")


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Make the verification report.

    Attributes
    ----------
    output_html
        None for a file beside the summary.
    exports
        Folder for the plots as files and for the summary without names, which Snakemake's own
        report includes; None for none.
    sample_series
        series_hash (or its start) or SeriesInstanceUID of volumes to show as well.
    """

    converted_root: Path = field(metadata=bound("out_root", "converted_root"))
    store_type: StoreType = option("store_type")
    output_html: Path | None = option("output_html")
    num_samples: int = option("num_samples")
    sample_series: tuple[str, ...] = option("sample_series")
    seed: int = 0
    exports: Path | None = None


SCRIPTS: Mapping[str, type] = {
    "generate_manifest.py": ManifestSettings,
    "convert_dicom_to_volume.py": ConvertSettings,
    "aggregate_summaries.py": AggregateSettings,
    "audit_volumes.py": AuditSettings,
    "generate_verify_report.py": ReportSettings,
}
"""Which settings each script that runs alone takes from the environment."""


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
