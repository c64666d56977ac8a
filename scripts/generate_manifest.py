"""Write the manifest: every file below the dataset folders, every volume, divided into shards.

Snakemake runs this for the checkpoint ``manifest`` and the rule ``scan_part``. Alone, it takes
environment variables:
    DATASET_V1_ROOT=/data/ct OUT_DIR=manifests python scripts/generate_manifest.py
With SCAN_JOBS=8 it scans an eighth for each SCAN_PART from 0 to 7; without SCAN_PART it makes the
manifest from all eight.
"""

import os

from ct2zarr.run.entry import run_alone, run_step
from ct2zarr.run.settings import ManifestSettings
from ct2zarr.run.settings_reading import manifest_from_config, manifest_from_environ


def generate_manifest(settings: ManifestSettings) -> None:
    """Scan the share of the datasets that the settings name; without one, make the manifest."""
    # Loaded here, once run_step has seen that there is memory for them.
    from ct2zarr.plan.manifest import make_manifest
    from ct2zarr.scan.shares import scan_share

    if settings.scan_part is None:
        make_manifest(settings)
    else:
        scan_share(settings)


if __name__ == "__main__":
    if "snakemake" in globals():
        run_step(
            lambda: generate_manifest(
                manifest_from_config(
                    snakemake.config,  # noqa: F821
                    snakemake.threads,  # noqa: F821
                    snakemake.params.get("part"),  # noqa: F821
                )
            ),
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_alone(
            __doc__ or "",
            ManifestSettings,
            lambda: generate_manifest(manifest_from_environ(os.environ)),
        )
