"""Remove what no manifest names; `snakemake -n tidy` lists it and removes nothing."""


rule tidy:
    """Remove volumes, summaries and temporary files that the manifest does not name."""
    input:
        # Without one: a dry run calls the function too, which then lists what is to be removed.
        list_unplanned,
    log:
        shared(RUN.log("tidy")),
    conda:
        "../envs/ct2zarr.yaml"
    script:
        "../scripts/tidy_results.py"
