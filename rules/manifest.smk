"""Dataset folders in, the manifest out: an index, and a CSV and a parquet file per shard."""


checkpoint manifest:
    """Read every header below the dataset folders, and divide the volumes into shards."""
    input:
        # The shares are temporary, so a manifest that is made again reads the folders again.
        shares=[shared(path) for path in RUN.scan_shares()],
    output:
        # The shard files beside it are rewritten only when their content changes: undeclared,
        # they keep their time, and a shard that gained nothing is not converted again.
        index=shared(RUN.index),
    log:
        shared(RUN.manifest_log("manifest")),
    benchmark:
        shared(RUN.manifest_benchmark("manifest"))
    conda:
        "../envs/ct2zarr.yaml"
    threads: 16  # reading headers waits for the disk; --cores is the limit
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
    params:
        options=changing_options(config, Output.MANIFEST),
    script:
        "../scripts/generate_manifest.py"


rule scan_part:
    """Read the headers of one share of the dataset folders, where scan_jobs asks for several."""
    output:
        facts=temp(shared(RUN.scan_folder / "share_{part}_of_{parts}.json")),
        rows=temp(shared(RUN.scan_folder / "share_{part}_of_{parts}.arrow")),
    log:
        shared(RUN.manifest_log("scan_part_{part}_of_{parts}")),
    benchmark:
        shared(RUN.manifest_benchmark("scan_part_{part}_of_{parts}"))
    conda:
        "../envs/ct2zarr.yaml"
    threads: 4  # reading headers waits for the disk; --cores is the limit
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
    params:
        part=lambda wildcards: int(wildcards.part),
        options=changing_options(config, Output.SCAN_PART),
    script:
        "../scripts/generate_manifest.py"
