"""The files of one run of the workflow: where they are, and which of them exist."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ..plan.shard_needs import memory_mb, runtime_minutes, shard_size
from ..run import paths
from ..run.settings import ALL_SLICES
from ..verify.audit_table import needs_retry

BENCHMARK_SUFFIX = ".benchmark.tsv"
"""Takes the place of ``.log`` in the name of what Snakemake measures of a job."""


@dataclass(frozen=True, slots=True)
class RunFiles:
    """The files of a run with a checked config.

    Attributes
    ----------
    labels
        The numbers of all shards as in file names.
    scan_jobs
        Number of shares of the scan; with 1 there are none.
    slab_planes
        Depth of a chunk, in planes.
    verify_all
        Whether every plane is read again after the conversion.
    """

    manifest_dir: Path
    store_root: Path
    labels: tuple[str, ...]
    scan_jobs: int
    slab_planes: int
    verify_all: bool

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> "RunFiles":
        """From a checked config."""
        return cls(
            manifest_dir=Path(config["manifest_dir"]),
            store_root=paths.store_root(Path(config["out_root"]), config["store_type"]),
            labels=tuple(paths.shard_labels(config["num_shards"])),
            scan_jobs=config["scan_jobs"],
            slab_planes=config["chunks"][0],
            verify_all=config["verify_slices"] == ALL_SLICES,
        )

    # The manifest

    @property
    def index(self) -> Path:
        """The index of the manifest."""
        return self.manifest_dir / paths.SERIES_ALL

    def manifest_time(self) -> datetime | None:
        """When the manifest was made; None where there is none."""
        try:
            return datetime.fromtimestamp(self.index.stat().st_mtime)
        except OSError:
            return None

    @property
    def scan_folder(self) -> Path:
        """The folder of the shares of a scan."""
        return self.manifest_dir / paths.SCAN_FOLDER

    def scan_shares(self) -> list[Path]:
        """The files that the shares of the scan write; none where one job reads everything."""
        if self.scan_jobs == 1:
            return []
        shares = [
            paths.scan_share_paths(self.manifest_dir, share, self.scan_jobs)
            for share in range(self.scan_jobs)
        ]
        return [path for share in shares for path in (share.facts, share.rows)]

    def shard(self, label: str) -> dict[str, Path]:
        """The files of the manifest that belong to a shard."""
        return {
            "series": paths.series_shard(self.manifest_dir, label),
            "files": paths.files_shard(self.manifest_dir, label),
        }

    def manifest_log(self, job: str) -> Path:
        """The log of a job that makes the manifest or scans a share for it."""
        return self.manifest_dir / paths.LOGS_FOLDER / f"{job}.log"

    def manifest_benchmark(self, job: str) -> Path:
        """What Snakemake measures of that job."""
        return self.manifest_log(job).with_suffix(BENCHMARK_SUFFIX)

    # The results

    def log(self, job: str) -> Path:
        """The log of any other job."""
        return self.store_root / paths.LOGS_FOLDER / f"{job}.log"

    def benchmark(self, job: str) -> Path:
        """What Snakemake measures of that job."""
        return self.log(job).with_suffix(BENCHMARK_SUFFIX)

    def summary(self, label: str) -> paths.TablePaths:
        """The summary of a shard."""
        return paths.shard_summary(self.store_root, label)

    def summaries(self) -> list[Path]:
        """The summaries of all shards, finished or not."""
        return [self.summary(label).table for label in self.labels]

    @property
    def joined_summary(self) -> paths.TablePaths:
        """The summary of all shards."""
        return paths.joined_summary(self.store_root)

    def summary_time(self, label: str) -> int:
        """When the summary of a shard was written, in ns: a later one is to be audited again."""
        return self.summary(label).table.stat().st_mtime_ns

    def summaries_to_retry(self) -> list[Path]:
        """The summaries of shards with volumes that failed or in which an audit found damage."""
        return [
            self.summary(label).table for label in _labels_to_retry(self.store_root, self.labels)
        ]

    def audit(self, label: str) -> paths.TablePaths:
        """The audit of a shard."""
        return paths.shard_audit(self.store_root, label)

    def audits(self) -> list[Path]:
        """The audits of the shards that are finished."""
        return [
            self.audit(label).table for label in self.labels if self.summary(label).table.exists()
        ]

    @property
    def joined_audit(self) -> paths.TablePaths:
        """The audit of all shards."""
        return paths.joined_audit(self.store_root)

    @property
    def report(self) -> Path:
        """The page of the report."""
        return self.store_root / paths.REPORT

    @property
    def exported_summary(self) -> Path:
        """The summary without names, for the report that Snakemake makes."""
        return self.store_root / paths.EXPORTS_FOLDER / paths.EXPORTED_SUMMARY

    @property
    def exported_plots(self) -> Path:
        """The plots as files, for the report that Snakemake makes."""
        return self.store_root / paths.EXPORTS_FOLDER / paths.EXPORTED_PLOTS_FOLDER

    # What a shard needs of a machine

    def memory_mb(self, label: str, workers: int, attempt: int) -> int:
        """Megabytes to ask for: more for large planes, and with each attempt."""
        size = shard_size(self.shard(label)["series"])
        return memory_mb(size, workers, self.slab_planes, attempt)

    def runtime_minutes(self, label: str, workers: int, attempt: int) -> int:
        """Minutes to ask for: more for more bytes, and with each attempt."""
        size = shard_size(self.shard(label)["series"])
        return runtime_minutes(size, workers, self.verify_all, attempt)


@cache  # every shard of a run asks for the same, and the answer takes a look at every summary
def _labels_to_retry(store_root: Path, labels: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(label for label in labels if needs_retry(store_root, label))
