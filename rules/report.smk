"""The joined summary in, the verification report out."""


rule report:
    """Make the report: totals, every volume that needs attention, and sampled volumes."""
    input:
        table=shared(rules.aggregate.output.table),
        totals=shared(rules.aggregate.output.totals),
    output:
        html=report(
            shared(RUN.report),
            caption="../report/verification.rst",
            category="Verification report",
            labels={"content": "totals, volumes to review, samples"},
        ),
        summary=report(
            shared(RUN.exported_summary),
            caption="../report/summary.rst",
            category="Summary",
            labels={"content": "every volume"},
        ),
        plots=report(
            directory(shared(RUN.exported_plots)),
            patterns=["{name}.svg"],
            caption="../report/plots.rst",
            category="Plots",
            labels={"plot": "{name}"},
        ),
    log:
        shared(RUN.log("report")),
    benchmark:
        shared(RUN.benchmark("report"))
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 60 * attempt,
    params:
        **report_options(config),
    script:
        "../scripts/generate_verify_report.py"
