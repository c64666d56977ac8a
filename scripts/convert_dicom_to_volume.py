"""Convert the volumes of one shard, and write the shard's summary.

Snakemake runs this for the rule ``convert_shard``. Alone, it takes environment variables:
    INPUT_CSV=manifests/shards/series_shard_00.csv OUT_ROOT=converted \
        python scripts/convert_dicom_to_volume.py
"""

import os
from pathlib import Path

from ct2zarr.convert.shard import retry_shard, run_shard
from ct2zarr.run.entry import run_alone, run_step
from ct2zarr.run.settings import ConvertSettings
from ct2zarr.run.settings_reading import convert_from_config, convert_from_environ


def convert_alone() -> None:
    """Convert the shard that the environment names."""
    settings = convert_from_environ(os.environ)
    if settings.retry_failed:
        retry_shard(settings)
    else:
        run_shard(settings)


if __name__ == "__main__":
    if "snakemake" in globals():
        run_step(
            lambda: run_shard(
                convert_from_config(
                    snakemake.config,  # noqa: F821
                    input_csv=Path(snakemake.input.series),  # noqa: F821
                    shard_id=int(snakemake.wildcards.shard),  # noqa: F821
                    workers=snakemake.threads,  # noqa: F821
                )
            ),
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_alone(__doc__ or "", ConvertSettings, convert_alone)
