"""One shard of the manifest in, its volumes and its summary out."""


rule convert_shard:
    """Convert the volumes of a shard; the summary is written last."""
    input:
        unpack(shard_files),
    output:
        # Snakemake deletes declared outputs before a job and after a failed one, so the volumes
        # are not declared: they are published one by one and outlive a job that is killed.
        table=shared(RUN.summary("{shard}").table),
        totals=shared(RUN.summary("{shard}").totals),
    log:
        shared(RUN.log("convert_shard_{shard}")),
    benchmark:
        shared(RUN.benchmark("convert_shard_{shard}"))
    conda:
        "../envs/ct2zarr.yaml"
    threads: config["num_workers"]
    resources:
        mem_mb=shard_memory,
        runtime=shard_runtime,
    params:
        options=changing_options(config, Output.SHARD),
    script:
        "../scripts/convert_dicom_to_volume.py"
