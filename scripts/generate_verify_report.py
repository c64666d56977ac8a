"""Make the verification report: one HTML file with tables, plots and sampled volumes.

Snakemake runs this for the rule ``report``. Alone, it takes environment variables:
    CONVERTED_ROOT=converted python scripts/generate_verify_report.py
"""

import os
from pathlib import Path

from ct2zarr.run.entry import run_alone, run_step
from ct2zarr.run.settings import ReportSettings
from ct2zarr.run.settings_reading import report_from_config, report_from_environ


def report(settings: ReportSettings) -> None:
    """Make the report that the settings describe."""
    from ct2zarr.report.page import make_report  # once run_step has seen that there is memory

    make_report(settings)


if __name__ == "__main__":
    if "snakemake" in globals():
        run_step(
            lambda: report(
                report_from_config(
                    snakemake.config,  # noqa: F821
                    output_html=Path(snakemake.output.html),  # noqa: F821
                    exports=Path(snakemake.output.summary).parent,  # noqa: F821
                )
            ),
            log=snakemake.log[0],  # noqa: F821
        )
    else:
        run_alone(__doc__ or "", ReportSettings, lambda: report(report_from_environ(os.environ)))
