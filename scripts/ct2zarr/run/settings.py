"""Settings of the steps, one frozen record each; ``settings_reading`` makes them.

Fields that hold an option name it, see ``options.py`` and ``option_values.py``; the others are what
the workflow or the caller knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ..codes import Code
from ..errors import SettingsError
from ..vocabulary import Flag, StoreType
from . import paths
from .option_values import bound, option

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
