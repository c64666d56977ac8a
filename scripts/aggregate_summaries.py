"""Join the summaries of all shards into one table and its totals.

Snakemake runs this for the rule ``aggregate``. Alone, it takes environment variables:
    OUT_ROOT=converted DECISIONS=decisions.csv python scripts/aggregate_summaries.py
"""

import os
from pathlib import Path

from ct2zarr.run.entry import run_alone, run_step
from ct2zarr.run.settings import AggregateSettings
from ct2zarr.run.settings_reading import aggregate_from_config, aggregate_from_environ


def join_summaries(settings: AggregateSettings) -> None:
    """Join the summaries that the settings name."""
    # Loaded here, once run_step has seen that there is memory for it.
    from ct2zarr.report.summaries import aggregate

    aggregate(settings)


if __name__ == "__main__":
    if "snakemake" in globals():
        run_step(
            lambda: join_summaries(
                aggregate_from_config(
                    snakemake.config,  # noqa: F821
                    summaries=[Path(path) for path in snakemake.input.summaries],  # noqa: F821
                )
            ),
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_alone(
            __doc__ or "",
            AggregateSettings,
            lambda: join_summaries(aggregate_from_environ(os.environ)),
        )
