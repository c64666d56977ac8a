"""The joined summary in, the verification report out."""


rule report:
    """Show totals, everything that is not plainly well, and sampled volumes."""
    input:
        table=rules.aggregate.output.table,
        totals=rules.aggregate.output.totals,
    output:
        html=f"{STORE_ROOT}/verify_report.html",
    log:
        f"{STORE_ROOT}/logs/report.log",
    benchmark:
        f"{STORE_ROOT}/logs/report.benchmark.tsv"
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        num_samples=config["num_samples"],
        sample_series=config["sample_series"],
    script:
        "../scripts/generate_verify_report.py"
