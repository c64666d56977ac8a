"""A plan to a published, verified volume; all volumes of a shard."""
