"""The checked config, the names of files, and the functions that rules ask for their inputs."""

import hashlib
import os
import sys
from datetime import datetime
from functools import cache
from pathlib import Path

import yaml
from snakemake.logging import logger

# A script finds the package beside itself; the rules need its few names too. They may be a module of
# another workflow, so paths count from this file. From GitHub only single files come along, and the
# package has to be installed.
HERE = workflow.current_basedir.get_path_or_uri(secret_free=True)
sys.path.append(str(Path(HERE).parent / "scripts"))

from ct2zarr import FORMAT_VERSION
from ct2zarr.verify.audit_table import needs_retry
from ct2zarr.workflow.config_check import checked_config, require_absolute, require_folders
from ct2zarr.run.entry import stop_with_sentence
from ct2zarr.run.atomic_files import prepare_folder
from ct2zarr.run.settings import CONVERT_OPTIONS, MANIFEST_OPTIONS, SCAN_OPTIONS
from ct2zarr.run.paths import shard_labels
from ct2zarr.plan.shard_needs import memory_mb, runtime_minutes, shard_size

with (
    stop_with_sentence(),
    open(workflow.source_path("../config/config.schema.yaml")) as schema,
):
    config.update(checked_config(config, yaml.safe_load(schema)))


MANIFEST_DIR = config["manifest_dir"]
STORE_ROOT = f"{config['out_root']}/zarr_{config['store_type']}"
SHARDS = shard_labels(config["num_shards"])


def shared(path):
    """A path in folders that every job sees, volumes included, and which no storage stands for."""
    provider = workflow.storage_settings.default_storage_provider
    return local(path) if provider else path


SHARD_SUMMARIES = [
    shared(f"{STORE_ROOT}/summary_shard_{shard}.csv") for shard in SHARDS
]


def output_changing(options):
    """Those options that change an output, with their values: each is a reason to run again."""
    return {"format_version": FORMAT_VERSION, **{key: config[key] for key in options}}


def digest(value):
    """What changes with the value and does not show it."""
    return hashlib.blake2b(repr(value).encode(), digest_size=8).hexdigest()


def shard_files(wildcards):
    """The files of the manifest that say what belongs to a shard."""
    checkpoints.manifest.get()
    if config["retry_failed"]:
        retried_summaries(wildcards)
    shards = f"{MANIFEST_DIR}/shards"
    return {
        "series": shared(f"{shards}/series_shard_{wildcards.shard}.csv"),
        "files": shared(f"{shards}/files_shard_{wildcards.shard}.parquet"),
    }


def scanned_parts(wildcards):
    """The parts of the scan, if it has several; a scan that is asked for again reads them again."""
    parts = config["scan_jobs"]
    if parts == 1:
        return []
    files = [
        shared(f"{MANIFEST_DIR}/scan/share_{part}_of_{parts}.json")
        for part in shard_labels(parts)
    ]
    if any(forced.name == "manifest" for forced in workflow.dag.forcerules):
        workflow.dag.forcefiles.update(files)
    return files


def size_of_shard(wildcards):
    """How much a shard has to convert; nothing while the manifest is not made."""
    return shard_size(
        Path(MANIFEST_DIR) / "shards" / f"series_shard_{wildcards.shard}.csv"
    )


def shard_memory(wildcards, attempt, threads):
    """Megabytes to ask for: more for large planes, and with each attempt."""
    return memory_mb(size_of_shard(wildcards), threads, config["chunks"][0], attempt)


def shard_runtime(wildcards, attempt, threads):
    """Minutes to ask for: more for more bytes, and with each attempt."""
    everything = config["verify_slices"] == "all"
    return runtime_minutes(size_of_shard(wildcards), threads, everything, attempt)


def summary_time(wildcards):
    """When the summary of a shard was written: another one is another thing to audit."""
    return os.stat(f"{STORE_ROOT}/summary_shard_{wildcards.shard}.csv").st_mtime_ns


def shard_audits(wildcards):
    """The audits of the shards that are finished."""
    return [
        shared(f"{STORE_ROOT}/audit_shard_{shard}.csv")
        for shard, summary in zip(SHARDS, SHARD_SUMMARIES)
        if os.path.exists(summary)
    ]


@cache
def summaries_to_retry():
    """The summaries of shards with volumes that failed or were found damaged."""
    return [
        summary
        for shard, summary in zip(SHARDS, SHARD_SUMMARIES)
        if needs_retry(Path(STORE_ROOT), shard)
    ]


def retried_summaries(wildcards):
    """Those summaries, each to be made again although it is there, as `-R FILE` would ask for."""
    # A job of this run must not look: its own summary is away while it runs.
    if not workflow.is_main_process:
        return []
    workflow.dag.forcefiles.update(summaries_to_retry())
    return summaries_to_retry()


def require_writable(*folders):
    """Make the folders, or stop with one sentence."""
    with stop_with_sentence():
        for folder in folders:
            prepare_folder(Path(folder))


def tell_how_to_rescan():
    """Say of when the manifest is: whether folders have grown is seen only by reading them."""
    index = Path(MANIFEST_DIR) / "series_all.csv"
    if index.is_file():
        made = datetime.fromtimestamp(index.stat().st_mtime)
        logger.info(
            f"The manifest is of {made:%Y-%m-%d %H:%M}. To find files that were added to the "
            "datasets since then, add `-R manifest` to the command."
        )


# A job of this run may be on a node that sees less; --lint and --unlock need no data.
if workflow.is_main_process and not {"--lint", "--unlock"}.intersection(sys.argv):
    with stop_with_sentence():
        if workflow.storage_settings.default_storage_provider:
            require_absolute(config)
        require_folders(config)
    tell_how_to_rescan()
