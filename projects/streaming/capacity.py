"""The number of shards that a load needs, without Pulumi."""

from math import ceil

SHARD_BYTES = 1024 * 1024
SHARD_RECORDS = 1000
"""Bytes and records that a shard takes each second (Kinesis Data Streams Developer Guide, "Quotas and limits")."""

LARGEST_RECORD = 1024 * 1024
"""Bytes of the largest record that a stream takes by default (same page)."""


def shards_needed(transactions_per_minute: int, bytes_per_transaction: int) -> int:
    """Return the shards for a load spread evenly over keys; 1,000 transactions of 1 KiB a minute use 1.7 % of one."""
    per_second = transactions_per_minute / 60
    return max(1, ceil(per_second * bytes_per_transaction / SHARD_BYTES), ceil(per_second / SHARD_RECORDS))
