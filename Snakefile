"""From folders of CT series in DICOM to verified Zarr volumes, a summary and a report."""

from snakemake.utils import min_version

min_version("9.12")


if not workflow.overwrite_configfiles:

    configfile: "config/config.yaml"


report: "report/workflow.rst"


wildcard_constraints:
    shard=r"\d\d+",
    part=r"\d\d+",
    parts=r"\d+",


include: "rules/common.smk"


if config["deidentify"]:

    envvars:
        "CT2ZARR_DEIDENTIFY_KEY",


include: "rules/manifest.smk"
include: "rules/convert.smk"
include: "rules/aggregate.smk"
include: "rules/report.smk"
include: "rules/audit.smk"
include: "rules/terminal.smk"


localrules:
    all,
    aggregate,
    report,
    audit,
    gather_audits,
    retry_failed,


if config["scan_jobs"] > 1:

    # The headers are read by other jobs; what is left is to join them.
    localrules:
        manifest,


rule all:
    """Every shard is converted and summarised, and the report is made."""
    default_target: True
    input:
        # Without a name: Snakemake would hash the whole list for each of its files.
        SHARD_SUMMARIES,
        table=shared(rules.aggregate.output.table),
        report=shared(rules.report.output),


onstart:
    require_writable(MANIFEST_DIR, STORE_ROOT)
    DISPLAY.extend(filter(None, [draw_bars()]))


onsuccess:
    tell_outcome("The run is complete")


onerror:
    tell_outcome("The run has not finished")
