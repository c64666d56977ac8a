"""The joined summary in, the verification report out."""


rule report:
    """Show totals, everything that is not plainly well, and sampled volumes."""
    input:
        table=shared(rules.aggregate.output.table),
        totals=shared(rules.aggregate.output.totals),
    output:
        html=report(
            shared(f"{STORE_ROOT}/verify_report.html"),
            caption="../report/verification.rst",
            category="Verification report",
            labels={"content": "totals, volumes to review, samples"},
        ),
        summary=report(
            shared(f"{STORE_ROOT}/report/summary.csv"),
            caption="../report/summary.rst",
            category="Summary",
            labels={"content": "every volume"},
        ),
        plots=report(
            directory(shared(f"{STORE_ROOT}/report/plots")),
            patterns=["{name}.svg"],
            caption="../report/plots.rst",
            category="Plots",
            labels={"plot": "{name}"},
        ),
    log:
        shared(f"{STORE_ROOT}/logs/report.log"),
    benchmark:
        shared(f"{STORE_ROOT}/logs/report.benchmark.tsv")
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        num_samples=config["num_samples"],
        # Params are shown in reports of Snakemake; the list may hold UIDs.
        sample_series=digest(config["sample_series"]),
    script:
        "../scripts/generate_verify_report.py"
