"""Join the audits of all shards into one table and its totals, and print how they ended.

Only Snakemake runs this: for the rule ``gather_audits``, and without outputs for ``audit``.
Alone, audit_volumes.py does both.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ct2zarr.run.entry import explain_alone, run_step
from ct2zarr.run.settings_reading import audit_from_config
from ct2zarr.verify.audit_run import gather_audits, print_result


def gather(config: Mapping[str, Any], audits: list[str]) -> None:
    """Join the audits of shards, each with the label of its shard at the end of its name."""
    labels = [Path(path).stem.rpartition("_")[2] for path in audits]
    gather_audits(audit_from_config(config, workers=1), labels)


if __name__ == "__main__":
    if "snakemake" not in globals():
        explain_alone(__doc__ or "", "audit_volumes.py audits and gathers")
    if snakemake.output:  # noqa: F821
        run_step(
            lambda: gather(snakemake.config, list(snakemake.input.audits)),  # noqa: F821
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_step(
            lambda: print_result(audit_from_config(snakemake.config, workers=1)),  # noqa: F821
            log=snakemake.log[0],  # noqa: F821
        )
