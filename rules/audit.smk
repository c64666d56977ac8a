"""Read the finished volumes back into a table of those that are intact; retry what failed."""


rule audit:
    """Report how the audit ended, and fail if a volume is damaged; nothing is converted."""
    input:
        totals=shared(RUN.joined_audit.totals),
    log:
        shared(RUN.log("audit")),
    conda:
        "../envs/ct2zarr.yaml"
    script:
        "../scripts/gather_audits.py"


rule gather_audits:
    """Join the audits of all shards that have a summary."""
    input:
        audits=shard_audits,
    output:
        table=shared(RUN.joined_audit.table),
        totals=shared(RUN.joined_audit.totals),
    log:
        shared(RUN.log("gather_audits")),
    benchmark:
        shared(RUN.benchmark("gather_audits"))
    conda:
        "../envs/ct2zarr.yaml"
    resources:
        mem_mb=lambda wildcards, attempt: 2000 * attempt,
        runtime=lambda wildcards, attempt: 30 * attempt,
    script:
        "../scripts/gather_audits.py"


rule audit_shard:
    """Read every finished volume of a shard back, and compare it with its record."""
    output:
        table=shared(RUN.audit("{shard}").table),
        totals=shared(RUN.audit("{shard}").totals),
    log:
        shared(RUN.log("audit_shard_{shard}")),
    benchmark:
        shared(RUN.benchmark("audit_shard_{shard}"))
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
