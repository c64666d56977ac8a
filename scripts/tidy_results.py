"""Remove volumes, summaries and temporary files that no manifest names.

Only Snakemake runs this, for the rule ``tidy``; a dry run lists what it would remove.
"""

import sys

from ct2zarr.convert.unplanned import tidy
from ct2zarr.errors import SettingsError
from ct2zarr.run.entry import run_step
from ct2zarr.run.settings import tidy_from_config

ALONE = "error: only Snakemake runs tidy_results.py; use `snakemake -n tidy`, then `snakemake tidy`"

if __name__ == "__main__":
    if "snakemake" not in globals():
        print(__doc__ if "--help" in sys.argv else ALONE, file=sys.stderr)
        sys.exit(0 if "--help" in sys.argv else SettingsError.exit_code)
    run_step(
        lambda: tidy(tidy_from_config(snakemake.config)),  # noqa: F821
        log=snakemake.log[0],  # noqa: F821
    )
