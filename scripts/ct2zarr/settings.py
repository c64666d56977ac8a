"""Settings of the four steps, a frozen record each, from a config or the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .vocabulary import Flag, StoreType

ALL_SLICES: Literal["all"] = "all"
"""Value of ``verify_slices`` that means every slice."""


@dataclass(frozen=True, slots=True)
class SelectionSettings:
    """Which files may become planes (design 4.2)."""

    include_secondary_capture: bool = False
    exclude_image_types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class EncodingSettings:
    """What changes the bytes of a volume."""

    store_type: StoreType = StoreType.SQLITE
    values: Literal["hu", "stored"] = "hu"
    zarr_format: Literal["auto", 2, 3] = "auto"
    chunks: tuple[int, int, int] = (64, 64, 64)
    compression_level: int = 1

    @property
    def format_number(self) -> Literal[2, 3]:
        """The Zarr format to write: 2 for sqlite and 3 for dir and zip unless it is set."""
        if self.zarr_format == "auto":
            return 2 if self.store_type is StoreType.SQLITE else 3
        return self.zarr_format


@dataclass(frozen=True, slots=True)
class MetadataSettings:
    """What changes the sidecars."""

    deidentify: bool = False
    extra_series_tags: tuple[str, ...] = ()
    extra_slice_tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ManifestSettings:
    """Scan dataset roots and write the manifest. ``workers`` are processes that read headers."""

    datasets: Mapping[str, Path]
    manifest_dir: Path
    num_shards: int = 16
    max_depth: int = 3
    workers: int = 1
    selection: SelectionSettings = field(default_factory=SelectionSettings)


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """Convert the volumes of one shard.

    ``series_timeout_seconds``: a series that takes longer is a failed row.
    """

    input_csv: Path
    out_root: Path
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    metadata: MetadataSettings = field(default_factory=MetadataSettings)
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    num_workers: int = 1
    shard_id: int | None = None
    num_shards: int | None = None
    max_depth: int = 3
    overwrite: bool = False
    verify_slices: int | Literal["all"] = 3
    summary_suffix: str = ""
    reject_flags: frozenset[Flag] = frozenset()
    on_bad_slice: Literal["fail", "drop"] = "fail"
    series_timeout_seconds: float = 3600.0

    @property
    def store_root(self) -> Path:
        """``OUT_ROOT/zarr_{store}``, with ``data/``, ``meta/`` and the summaries."""
        return self.out_root / f"zarr_{self.encoding.store_type}"


@dataclass(frozen=True, slots=True)
class AggregateSettings:
    """Join the shard summaries. ``summaries``: the CSVs to join; empty for all that lie there."""

    out_root: Path
    store_type: StoreType = StoreType.SQLITE
    summaries: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Make the verification report. ``output_html`` None: beside the summary."""

    converted_root: Path
    store_type: StoreType = StoreType.SQLITE
    output_html: Path | None = None
    num_samples: int = 10
    seed: int = 0
