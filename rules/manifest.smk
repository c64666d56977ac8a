"""Dataset folders in, the manifest out: one index file, and a CSV and a parquet file a shard."""


checkpoint manifest:
    """Read every header below the dataset folders and divide the volumes into shards."""
    output:
        # The shard files beside it are rewritten only when their content changes: undeclared,
        # they keep their time, and a shard that gained nothing is not converted again.
        index=f"{MANIFEST_DIR}/series_all.csv",
    log:
        f"{MANIFEST_DIR}/logs/manifest.log",
    benchmark:
        f"{MANIFEST_DIR}/logs/manifest.benchmark.tsv"
    conda:
        "../envs/ct2zarr.yaml"
    threads: 16  # reading headers waits for the disk; --cores is the limit
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
    params:
        options=output_changing(MANIFEST_OPTIONS),
    script:
        "../scripts/generate_manifest.py"
