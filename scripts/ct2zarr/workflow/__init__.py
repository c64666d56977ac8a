"""What the Snakemake rules call; the only room that knows Snakemake."""
