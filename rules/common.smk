"""The checked config, the files of the run, and the functions that rules ask for their inputs."""

import sys

from snakemake.logging import logger
from snakemake_interface_executor_plugins.settings import SharedFSUsage

from ct2zarr.run.atomic_files import prepare_folder
from ct2zarr.run.options import Output
from ct2zarr.run.settings_reading import tidy_from_config
from ct2zarr.workflow.command_line import CommandLine
from ct2zarr.workflow.config_check import (
    checked_config,
    require_absolute,
    require_folders,
)
from ct2zarr.workflow.display import RunDisplay
from ct2zarr.workflow.reruns import changing_options, report_options
from ct2zarr.workflow.run_files import RunFiles

with stop_with_sentence():
    config.update(checked_config(config))


def targets_of_run():
    """The rules and files that the command names; known once the rules are read."""
    return workflow.dag_settings.targets


RUN = RunFiles.of_config(config)
DISPLAY = RunDisplay(logger, RUN, CommandLine(sys.argv, targets_of_run))


def shared(path):
    """A path in folders that every job sees; a default storage provider does not apply to it."""
    return local(str(path))


def share_folders():
    """Tell Snakemake that all jobs see the same files, whatever the executor assumes.

    With a default storage provider, an executor that assumes no shared folders would run each job
    with a `shared` file, which is every job, in the process of the workflow.
    """
    if workflow.storage_settings.default_storage_provider:
        workflow.storage_settings.shared_fs_usage |= {SharedFSUsage.INPUT_OUTPUT}


SHARD_SUMMARIES = [shared(path) for path in RUN.summaries()]


def shard_files(wildcards):
    """The files of the manifest for a shard, once the manifest is made."""
    checkpoints.manifest.get()
    if config["retry_failed"]:
        retried_summaries(wildcards)
    return {name: shared(path) for name, path in RUN.shard(wildcards.shard).items()}


def shard_memory(wildcards, attempt, threads):
    """Megabytes that the conversion of a shard asks for."""
    return RUN.memory_mb(wildcards.shard, threads, attempt)


def shard_runtime(wildcards, attempt, threads):
    """Minutes that the conversion of a shard asks for."""
    return RUN.runtime_minutes(wildcards.shard, threads, attempt)


def summary_time(wildcards):
    """When the summary of a shard was written."""
    return RUN.summary_time(wildcards.shard)


def shard_audits(wildcards):
    """The audits of the shards that are finished."""
    return [shared(path) for path in RUN.audits()]


def retried_summaries(wildcards):
    """The summaries to make again although they exist, as `-R FILE` would ask for."""
    # A job of this run must not look: its own summary is away while it runs.
    if not workflow.is_main_process:
        return []
    with stop_with_sentence():
        summaries = [str(path) for path in RUN.summaries_to_retry()]
    workflow.dag.forcefiles.update(summaries)
    return summaries


def list_unplanned(wildcards):
    """No input; a dry run lists what `tidy` would remove."""
    if workflow.is_main_process and workflow.dryrun:
        from ct2zarr.convert.unplanned import find_unplanned

        with stop_with_sentence():
            DISPLAY.list_unplanned(find_unplanned(tidy_from_config(config)))
    return []


# Jobs of this run do not check again, as they may be on a node that sees less; --lint and --unlock
# need no data.
if workflow.is_main_process and not {"--lint", "--unlock"}.intersection(sys.argv):
    with stop_with_sentence():
        if workflow.storage_settings.default_storage_provider:
            require_absolute(config)
        require_folders(config)
    DISPLAY.watch()
    DISPLAY.mention_manifest()
