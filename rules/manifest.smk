"""Dataset folders in, the manifest out: one index file, and a CSV and a parquet file a shard."""


checkpoint manifest:
    """Read every header below the dataset folders and divide the volumes into shards."""
    input:
        parts=scanned_parts,
    output:
        # The shard files beside it are rewritten only when their content changes: undeclared,
        # they keep their time, and a shard that gained nothing is not converted again.
        index=shared(f"{MANIFEST_DIR}/series_all.csv"),
    log:
        shared(f"{MANIFEST_DIR}/logs/manifest.log"),
    benchmark:
        shared(f"{MANIFEST_DIR}/logs/manifest.benchmark.tsv")
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


rule scan_part:
    """Read the headers of one part of the dataset folders, where scan_jobs asks for several."""
    output:
        about=shared(f"{MANIFEST_DIR}/scan/share_{{part}}_of_{{parts}}.json"),
        rows=shared(f"{MANIFEST_DIR}/scan/share_{{part}}_of_{{parts}}.arrow"),
    log:
        shared(f"{MANIFEST_DIR}/logs/scan_part_{{part}}_of_{{parts}}.log"),
    benchmark:
        shared(f"{MANIFEST_DIR}/logs/scan_part_{{part}}_of_{{parts}}.benchmark.tsv")
    conda:
        "../envs/ct2zarr.yaml"
    threads: 4  # reading headers waits for the disk; --cores is the limit
    resources:
        mem_mb=lambda wildcards, attempt: 4000 * attempt,
        runtime=lambda wildcards, attempt: 720 * attempt,
    params:
        part=lambda wildcards: int(wildcards.part),
        options=output_changing(SCAN_OPTIONS),
    script:
        "../scripts/generate_manifest.py"
