"""The summaries of all shards in, one table and its totals out."""


rule aggregate:
    """Join the summaries of all shards."""
    input:
        summaries=SHARD_SUMMARIES,
        # The joined summary names the checksum of the manifest.
        index=shared(f"{MANIFEST_DIR}/series_all.csv"),
        decisions=shared(config["decisions"]) if config["decisions"] else [],
    output:
        table=shared(f"{STORE_ROOT}/summary_all.csv"),
        totals=shared(f"{STORE_ROOT}/summary_all.json"),
    log:
        shared(f"{STORE_ROOT}/logs/aggregate.log"),
    benchmark:
        shared(f"{STORE_ROOT}/logs/aggregate.benchmark.tsv")
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    script:
        "../scripts/aggregate_summaries.py"
