"""One shard of the manifest in, its volumes and its summary out."""


rule convert_shard:
    """Convert the volumes of a shard; the summary is written last."""
    input:
        unpack(shard_files),
    output:
        # Snakemake deletes declared outputs before a job and after a failed one, so the volumes
        # are not declared: they are published one by one and outlive a job that is killed.
        table=shared(f"{STORE_ROOT}/summary_shard_{{shard}}.csv"),
        totals=shared(f"{STORE_ROOT}/summary_shard_{{shard}}.json"),
    log:
        shared(f"{STORE_ROOT}/logs/convert_shard_{{shard}}.log"),
    benchmark:
        shared(f"{STORE_ROOT}/logs/convert_shard_{{shard}}.benchmark.tsv")
    conda:
        "../envs/ct2zarr.yaml"
    threads: config["num_workers"]
    resources:
        mem_mb=shard_memory,
        runtime=shard_runtime,
    params:
        options=output_changing(CONVERT_OPTIONS),
    script:
        "../scripts/convert_dicom_to_volume.py"
