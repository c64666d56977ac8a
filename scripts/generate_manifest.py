"""Write the manifest: every file below the dataset folders, every volume, divided into shards.

Snakemake runs this for the checkpoint ``manifest``. Alone, it takes environment variables:
    DATASET_V1_ROOT=/data/ct OUT_DIR=manifests python scripts/generate_manifest.py
"""

import os

from ct2zarr.entry import run_step
from ct2zarr.manifest import make_manifest
from ct2zarr.settings import manifest_from_config, manifest_from_environ

if __name__ == "__main__":
    if "snakemake" in globals():
        run_step(
            lambda: make_manifest(manifest_from_config(snakemake.config, snakemake.threads)),  # noqa: F821
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_step(lambda: make_manifest(manifest_from_environ(os.environ)))
