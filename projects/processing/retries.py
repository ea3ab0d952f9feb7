"""How long Lambda tries a batch again, without Pulumi. `ProcessingConfig` has the arithmetic in words."""

from math import ceil, log2

BATCH_SIZE = 500
"""Records of a batch, which are one INSERT."""

TIMEOUT_SECONDS = 900
"""The longest time-out of a function (Lambda Developer Guide, "Lambda quotas")."""

OUTAGE_SECONDS = 780
"""Seconds that an invocation waits for a store.

The last attempt begins at this time at most. The two minutes after it are more than all its calls may take: 3 s to
connect, 10 s for an answer.
"""

QUARTER_HOUR_SECONDS = 900
"""Seconds after which a record that crashes or hangs the code must no longer hold up its shard."""

LONGEST_PROCESSING_SECONDS = 20

SECONDS_A_RECORD = 0.04
"""What a batch may take longer for each of its records (app/consume.py): 20 s for a whole batch."""

LONGEST_AGE_SECONDS = 7 * 24 * 60 * 60
MOST_ATTEMPTS = 10_000
"""The most that a mapping accepts (Lambda API Reference, CreateEventSourceMapping)."""


def record_age_seconds(retention_hours: int) -> int:
    """Return the age at which Lambda gives a record up: half the stream's retention, a week at most.

    The other half is the time to replay: a message in the dead-letter queue names records and does not contain them.
    """
    return min(retention_hours * 60 * 60 // 2, LONGEST_AGE_SECONDS)


def retry_attempts(retention_hours: int) -> int:
    """Return the attempts that an outage of `record_age_seconds` uses up."""
    return ceil(record_age_seconds(retention_hours) / OUTAGE_SECONDS)


def processing_seconds(attempts: int) -> int:
    """Return the seconds after which processing counts as hanging, so that a hanging record is aside in time."""
    left = QUARTER_HOUR_SECONDS - seconds_until_aside(attempts, 0)
    return max(1, min(LONGEST_PROCESSING_SECONDS, int(left / len(_failing_batches(attempts)))))


def seconds_until_aside(attempts: int, processing: float) -> float:
    """Return how long a record that hangs holds up its shard, if each call may take `processing` seconds."""
    return sum(processing + SECONDS_A_RECORD * records for records in _failing_batches(attempts))


def _failing_batches(attempts: int) -> list[int]:
    """Return the sizes of the batches that fail with a bad record, until it is aside.

    Its batch is bisected, which counts as no attempt (Lambda Developer Guide, "Process records from a stream").
    """
    bisections = ceil(log2(BATCH_SIZE))
    return [*(ceil(BATCH_SIZE / 2**number) for number in range(bisections)), *[1] * (1 + attempts)]
