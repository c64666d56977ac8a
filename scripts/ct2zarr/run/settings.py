"""Settings of the four steps, a frozen record each, from a config or the environment."""

import logging
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from ..errors import SettingsError
from ..vocabulary import Flag, StoreType
from .options import Values, wrong_value
from .paths import SHARD_CSV, SHARD_SUMMARY

logger = logging.getLogger(__name__)

DEFAULT_SHARDS = 16
MANIFEST_OPTIONS = (
    "datasets",
    "num_shards",
    "max_depth",
    "include_secondary_capture",
    "exclude_image_types",
)
"""Options that change the manifest."""
SCAN_OPTIONS = ("datasets", "max_depth")
"""Options that change what a part of a scan finds."""
CONVERT_OPTIONS = (
    "values",
    "zarr_format",
    "chunks",
    "compression_level",
    "pyramid_levels",
    "deidentify",
    "extra_series_tags",
    "extra_slice_tags",
    "reject_flags",
    "on_bad_slice",
    "verify_slices",
    "overwrite",
)
"""Options that change what a shard gives."""
_MANIFEST_DIR = "the folder for the manifest"
_OUT_ROOT = "the folder for the converted volumes"
_ROOT_VARIABLE = re.compile(r"DATASET_(V\w+)_ROOT")
_VERSION = re.compile(r"v\w+")

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
    pyramid_levels: int = 1

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
    """Scan dataset roots and write the manifest.

    ``workers``: processes that read headers. ``scan_jobs``: parts into which the scan is divided;
    with more than one, ``scan_part`` is the part to scan, or None to make the manifest of them.
    """

    datasets: Mapping[str, Path]
    manifest_dir: Path
    num_shards: int = DEFAULT_SHARDS
    max_depth: int = 3
    workers: int = 1
    selection: SelectionSettings = field(default_factory=SelectionSettings)
    scan_jobs: int = 1
    scan_part: int | None = None


@dataclass(frozen=True, slots=True)
class ConvertSettings:
    """Convert the volumes of one shard.

    ``series_timeout_seconds``: a series that takes longer is a failed row.
    ``series_memory_mb``: so is one that wants more memory than this beyond what an idle worker
    has; 0 for no limit. ``retry_failed``: leave a shard alone in which nothing has failed.
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
    series_memory_mb: int = 4000
    retry_failed: bool = False

    @property
    def store_root(self) -> Path:
        """``OUT_ROOT/zarr_{store}``, with ``data/``, ``meta/`` and the summaries."""
        return self.out_root / f"zarr_{self.encoding.store_type}"


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """Read finished volumes back. ``shard_id`` None: those of every shard."""

    out_root: Path
    store_type: StoreType = StoreType.SQLITE
    shard_id: int | None = None
    num_workers: int = 1
    series_timeout_seconds: float = 3600.0

    @property
    def store_root(self) -> Path:
        """``OUT_ROOT/zarr_{store}``, where the audits are written too."""
        return self.out_root / f"zarr_{self.store_type}"

    def labels(self) -> list[str]:
        """The labels of the shards to audit: those that have a summary, as it names them.

        Raises SettingsError when the shard that is asked for has none.
        """
        found = {
            int(named[1]): named[1]
            for path in self.store_root.glob("summary_shard_*.csv")
            if (named := SHARD_SUMMARY.fullmatch(path.name))
        }
        if self.shard_id is None:
            return [found[number] for number in sorted(found)]
        if self.shard_id not in found:
            raise SettingsError(
                f"SHARD_ID is {self.shard_id}, but {self.store_root} has no summary of that shard; "
                "convert it first"
            )
        return [found[self.shard_id]]


@dataclass(frozen=True, slots=True)
class AggregateSettings:
    """Join the shard summaries.

    Attributes:
        summaries: the CSVs to join; empty for all that lie there.
        manifest_dir: folder of the manifest that the joined summary names; None: as shards say.
        decisions: what people decided on volumes, as the report exports it; None for nothing.
    """

    out_root: Path
    store_type: StoreType = StoreType.SQLITE
    summaries: tuple[Path, ...] = ()
    manifest_dir: Path | None = None
    decisions: Path | None = None


@dataclass(frozen=True, slots=True)
class ReportSettings:
    """Make the verification report.

    Attributes:
        output_html: None for beside the summary.
        num_samples: how many volumes are chosen by flag and dataset.
        exports: folder for the plots as files and for the summary without names, which Snakemake's
            own report takes up; None for none.
        sample_series: series_hash (or its start) or SeriesInstanceUID of volumes to show besides.
    """

    converted_root: Path
    store_type: StoreType = StoreType.SQLITE
    output_html: Path | None = None
    num_samples: int = 10
    sample_series: tuple[str, ...] = ()
    seed: int = 0
    exports: Path | None = None


def manifest_from_config(
    config: Mapping[str, Any], workers: int, scan_part: int | None = None
) -> ManifestSettings:
    """Settings of the manifest step, or of one part of its scan, from a flat config.

    Raises:
        SettingsError: a value is missing or wrong.
    """
    values = Values.of_config(config)
    return ManifestSettings(
        datasets=values.required("datasets", "names with their folders"),
        manifest_dir=values.required("manifest_dir", _MANIFEST_DIR),
        workers=workers,
        selection=_selection(values),
        scan_part=scan_part,
        **values.given("num_shards", "max_depth", "scan_jobs"),
    )


def manifest_from_environ(environ: Mapping[str, str]) -> ManifestSettings:
    """Settings of the manifest step from environment variables.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    values = Values.of_environ(environ)
    folder = values.given("out_dir").get("out_dir") or values.given("manifest_dir").get(
        "manifest_dir"
    )
    given = values.given("num_shards", "max_depth", "scan_jobs", "scan_part")
    part, parts = given.get("scan_part"), given.get("scan_jobs", 1)
    if part is not None and part >= parts:
        raise SettingsError(f"SCAN_PART is {part}; it must be below SCAN_JOBS, which is {parts}")
    return ManifestSettings(
        datasets=_dataset_roots(environ),
        manifest_dir=folder or values.required("out_dir", _MANIFEST_DIR),
        workers=values.given("num_workers").get("num_workers", usable_processors()),
        selection=_selection(values),
        **given,
    )


def convert_from_config(
    config: Mapping[str, Any], input_csv: Path, shard_id: int, workers: int
) -> ConvertSettings:
    """Settings to convert one shard of the manifest, from a flat config.

    Raises:
        SettingsError: a value is missing or wrong.
    """
    values = Values.of_config(config)
    settings = _convert(values, input_csv)
    return replace(settings, shard_id=shard_id, num_workers=workers)


def convert_from_environ(environ: Mapping[str, str]) -> ConvertSettings:
    """Settings to convert one shard from environment variables.

    On a CSV that holds one shard already, SHARD_ID is a check only. On any other it takes the
    rows of that shard out of NUM_SHARDS, by default 16.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    values = Values.of_environ(environ)
    input_csv = values.required("input_csv", "a CSV of series, such as series_shard_00.csv")
    # In a workflow the rules decide which shards run for this; a job of theirs just runs.
    settings = replace(_convert(values, input_csv), **values.given("retry_failed"))
    if settings.shard_id is None:
        return settings
    if sharded := SHARD_CSV.fullmatch(input_csv.name):
        if int(sharded[1]) != settings.shard_id:
            raise SettingsError(
                f"SHARD_ID is {settings.shard_id}, but INPUT_CSV is {input_csv.name}; leave "
                "SHARD_ID out, or give series_all.csv"
            )
        return settings
    num_shards = settings.num_shards or DEFAULT_SHARDS
    if settings.shard_id >= num_shards:
        raise SettingsError(
            f"SHARD_ID is {settings.shard_id}; it must be below NUM_SHARDS, which is {num_shards}"
        )
    return replace(settings, num_shards=num_shards)


def audit_from_config(config: Mapping[str, Any], workers: int) -> AuditSettings:
    """Settings to audit, from a flat config.

    Raises:
        SettingsError: a value is missing or wrong.
    """
    return _audit(Values.of_config(config), num_workers=workers)


def audit_from_environ(environ: Mapping[str, str]) -> AuditSettings:
    """Settings to audit one shard, or all that lie in ``OUT_ROOT``.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    values = Values.of_environ(environ)
    return _audit(values, **values.given("num_workers", "shard_id"))


def _audit(values: Values, **given: Any) -> AuditSettings:
    timeout = values.given("series_timeout")
    return AuditSettings(
        out_root=values.required("out_root", _OUT_ROOT),
        **({"series_timeout_seconds": timeout["series_timeout"]} if timeout else {}),
        **values.given("store_type"),
        **given,
    )


def aggregate_from_config(
    config: Mapping[str, Any], summaries: Sequence[Path]
) -> AggregateSettings:
    """Settings to join the summaries of all shards, from a flat config.

    Raises:
        SettingsError: a value is missing or wrong.
    """
    values = Values.of_config(config)
    return AggregateSettings(
        out_root=values.required("out_root", _OUT_ROOT),
        summaries=tuple(summaries),
        **values.given("store_type", "manifest_dir", "decisions"),
    )


def aggregate_from_environ(environ: Mapping[str, str]) -> AggregateSettings:
    """Settings to join all shard summaries that lie in ``OUT_ROOT``.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    values = Values.of_environ(environ)
    return AggregateSettings(
        out_root=values.required("out_root", _OUT_ROOT),
        **values.given("store_type", "manifest_dir", "decisions"),
    )


def report_from_config(
    config: Mapping[str, Any], output_html: Path, exports: Path | None = None
) -> ReportSettings:
    """Settings of the report from a flat config.

    Raises:
        SettingsError: a value is missing or wrong.
    """
    values = Values.of_config(config)
    return ReportSettings(
        converted_root=values.required("out_root", _OUT_ROOT),
        output_html=output_html,
        exports=exports,
        **values.given("store_type", "num_samples", "sample_series"),
    )


def report_from_environ(environ: Mapping[str, str]) -> ReportSettings:
    """Settings of the report from environment variables.

    Raises:
        SettingsError: a variable is missing or wrong.
    """
    values = Values.of_environ(environ)
    return ReportSettings(
        converted_root=values.required("converted_root", _OUT_ROOT),
        **values.given("store_type", "output_html", "num_samples", "sample_series"),
    )


def usable_processors() -> int:
    """Processors that this process may use; a job scheduler may grant fewer than there are."""
    return len(os.sched_getaffinity(0))


def _selection(values: Values) -> SelectionSettings:
    return SelectionSettings(**values.given("include_secondary_capture", "exclude_image_types"))


def _convert(values: Values, input_csv: Path) -> ConvertSettings:
    encoding = values.given(
        "store_type", "values", "zarr_format", "chunks", "compression_level", "pyramid_levels"
    )
    timeout = values.given("series_timeout")
    memory = values.given("series_memory")
    return ConvertSettings(
        input_csv=input_csv,
        out_root=values.required("out_root", _OUT_ROOT),
        encoding=EncodingSettings(**encoding),
        metadata=MetadataSettings(
            **values.given("deidentify", "extra_series_tags", "extra_slice_tags")
        ),
        selection=_selection(values),
        **({"series_timeout_seconds": timeout["series_timeout"]} if timeout else {}),
        **({"series_memory_mb": memory["series_memory"]} if memory else {}),
        **values.given(
            "num_workers",
            "shard_id",
            "num_shards",
            "max_depth",
            "overwrite",
            "verify_slices",
            "summary_suffix",
            "reject_flags",
            "on_bad_slice",
        ),
    )


def _dataset_roots(environ: Mapping[str, str]) -> dict[str, Path]:
    """Dataset name → root, from ``DATASET_VERSION`` and the ``DATASET_V*_ROOT`` variables."""
    roots = {
        match[1].lower(): Path(root).expanduser()
        for name, root in sorted(environ.items())
        if root and (match := _ROOT_VARIABLE.fullmatch(name))
    }
    wanted = environ.get("DATASET_VERSION") or "all"
    if wanted.lower() == "all":
        if not roots:
            raise SettingsError(
                "DATASET_V1_ROOT is missing: set it, or DATASET_V2_ROOT, to a dataset folder"
            )
        for name in ("v1", "v2"):
            if name not in roots:
                logger.warning("DATASET_%s_ROOT is not set: %s is left out", name.upper(), name)
        return roots
    names = [name.strip().lower() for name in wanted.split(",")]
    for name in names:
        if not _VERSION.fullmatch(name):
            allowed = "all, or versions such as v1 or v1,v2"
            raise SettingsError(wrong_value("DATASET_VERSION", wanted, allowed))
        if name not in roots:
            raise SettingsError(
                f"DATASET_{name.upper()}_ROOT is missing: DATASET_VERSION asks for {name}"
            )
    return {name: roots[name] for name in names}
