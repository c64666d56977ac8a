"""Read the finished volumes of a shard back, and compare them with what was recorded of them.

Snakemake runs this for the rule ``audit_shard``. Alone, it takes environment variables; without
SHARD_ID it audits every shard, gathers the audits and ends with exit code 4 where it found damage:
    OUT_ROOT=converted NUM_WORKERS=8 python scripts/audit_volumes.py
"""

import os

from ct2zarr.run.entry import run_alone, run_step
from ct2zarr.run.settings import AuditSettings
from ct2zarr.run.settings_reading import audit_from_config, audit_from_environ
from ct2zarr.verify.audit_run import audit_all, audit_shard


def audit_alone() -> None:
    """Audit what the environment names."""
    settings = audit_from_environ(os.environ)
    result = (
        audit_all(settings)
        if settings.shard_id is None
        else audit_shard(settings, settings.labels()[0])
    )
    result.require_intact()


if __name__ == "__main__":
    if "snakemake" in globals():
        run_step(
            lambda: audit_shard(
                audit_from_config(snakemake.config, workers=snakemake.threads),  # noqa: F821
                snakemake.wildcards.shard,  # noqa: F821
            ),
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_alone(__doc__ or "", AuditSettings, audit_alone)
