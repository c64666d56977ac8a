"""The summaries of all shards in, one table and its totals out."""


rule aggregate:
    """Join the summaries of all shards."""
    input:
        summaries=SHARD_SUMMARIES,
        # The joined summary names the checksum of the manifest.
        index=shared(RUN.index),
        decisions=shared(config["decisions"]) if config["decisions"] else [],
    output:
        table=shared(RUN.joined_summary.table),
        totals=shared(RUN.joined_summary.totals),
    log:
        shared(RUN.log("aggregate")),
    benchmark:
        shared(RUN.benchmark("aggregate"))
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    script:
        "../scripts/aggregate_summaries.py"
