"""From folders of CT series in DICOM to verified Zarr volumes, a summary and a report."""

from snakemake.utils import min_version

min_version("9.12")


include: "rules/config.smk"


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
include: "rules/tidy.smk"


localrules:
    all,
    aggregate,
    report,
    audit,
    gather_audits,
    retry_failed,
    tidy,


if config["scan_jobs"] > 1:

    # The headers are read by other jobs; what is left is to join them.
    localrules:
        manifest,


rule all:
    """Convert and summarise every shard, and make the report."""
    default_target: True
    input:
        # Without a name: Snakemake would hash the whole list for each of its files.
        SHARD_SUMMARIES,
        table=shared(rules.aggregate.output.table),
        report=[shared(path) for path in rules.report.output],


onstart:
    with stop_with_sentence():
        prepare_folder(RUN.manifest_dir)
        prepare_folder(RUN.store_root)
    share_folders()
    DISPLAY.start()


onsuccess:
    DISPLAY.finish(succeeded=True)


onerror:
    DISPLAY.finish(succeeded=False)
