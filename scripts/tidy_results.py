"""Remove volumes, summaries and temporary files that no manifest names.

Only Snakemake runs this, for the rule ``tidy``; a dry run lists what it would remove.
"""

from ct2zarr.convert.unplanned import tidy
from ct2zarr.run.entry import explain_alone, run_step
from ct2zarr.run.settings_reading import tidy_from_config

if __name__ == "__main__":
    if "snakemake" not in globals():
        explain_alone(__doc__ or "", "start `snakemake tidy`, or `snakemake -n tidy` for a list")
    run_step(
        lambda: tidy(tidy_from_config(snakemake.config)),  # noqa: F821
        log=snakemake.log[0],  # noqa: F821
    )
