"""The finished volumes in, a table of which are intact out; and what failed, once more."""


rule audit:
    """Say how the audit ended; fail where a volume is damaged. Nothing is converted."""
    input:
        totals=shared(f"{STORE_ROOT}/audit_all.json"),
    log:
        shared(f"{STORE_ROOT}/logs/audit.log"),
    conda:
        "../envs/ct2zarr.yaml"
    script:
        "../scripts/gather_audits.py"


rule gather_audits:
    """Join the audits of all shards that have a summary."""
    input:
        audits=shard_audits,
    output:
        table=shared(f"{STORE_ROOT}/audit_all.csv"),
        totals=shared(f"{STORE_ROOT}/audit_all.json"),
    log:
        shared(f"{STORE_ROOT}/logs/gather_audits.log"),
    benchmark:
        shared(f"{STORE_ROOT}/logs/gather_audits.benchmark.tsv")
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    script:
        "../scripts/gather_audits.py"


rule audit_shard:
    """Read every finished volume of a shard back, and compare it with its records."""
    output:
        table=shared(f"{STORE_ROOT}/audit_shard_{{shard}}.csv"),
    log:
        shared(f"{STORE_ROOT}/logs/audit_shard_{{shard}}.log"),
    benchmark:
        shared(f"{STORE_ROOT}/logs/audit_shard_{{shard}}.benchmark.tsv")
    conda:
        "../envs/ct2zarr.yaml"
    threads: config["num_workers"]
    resources:
        mem_mb=lambda wildcards, attempt, threads: (1000 + 1000 * threads) * attempt,
        runtime=lambda wildcards, attempt: 240 * attempt,
    params:
        # As an input, a summary that is pending would be made first: an audit converts nothing.
        made=summary_time,
    script:
        "../scripts/audit_volumes.py"


rule retry_failed:
    """Convert again what failed or was found damaged, and nothing else."""
    input:
        retried_summaries,
