"""How shards are numbered in file names: the one home for manifest, conversion and workflow.

Numbers count from 0 and have two digits, or as many as the highest number needs, so that names
sort as the shards do.
"""

import re

MINIMUM_DIGITS = 2
SHARD_CSV = re.compile(r"series_shard_(\d+)\.csv")
"""Name of a CSV that holds one shard; its number is group 1."""

SHARD_SUMMARY = re.compile(r"summary_shard_(\d+)\.csv")
"""Name of the summary of a shard, without a suffix of the user's; its number is group 1."""


def shard_label(shard: int, num_shards: int) -> str:
    """The number of a shard as it stands in file names: ``07`` of 16, ``0007`` of 4096."""
    return str(shard).zfill(max(MINIMUM_DIGITS, len(str(num_shards - 1))))


def shard_labels(num_shards: int) -> list[str]:
    """The labels of all shards, in order."""
    return [shard_label(shard, num_shards) for shard in range(num_shards)]
