"""Join the audits of all shards into one table and its totals, and say how they ended.

Snakemake runs this for the rules ``gather_audits`` and ``audit``; alone, audit_volumes.py does it.
"""

from pathlib import Path

from ct2zarr.run.entry import run_step
from ct2zarr.run.settings import audit_from_config
from ct2zarr.verify.audit_run import gather_audits, print_result

if __name__ == "__main__":
    settings = audit_from_config(snakemake.config, workers=1)  # noqa: F821
    if snakemake.output:  # noqa: F821
        labels = [Path(path).stem.rpartition("_")[2] for path in snakemake.input.audits]  # noqa: F821
        run_step(
            lambda: gather_audits(settings, labels),
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_step(
            lambda: print_result(settings),
            log=snakemake.log[0],  # noqa: F821
        )
