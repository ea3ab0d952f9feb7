"""The settings of the streaming layer."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from projects.streaming.capacity import LARGEST_RECORD, shards_needed
from shared.config import LayerConfig, Structured

ShardMetric = Literal[
    "IncomingBytes",
    "IncomingRecords",
    "IteratorAgeMilliseconds",
    "OutgoingBytes",
    "OutgoingRecords",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
]


class StreamingConfig(LayerConfig):
    """The load and the size of the stream."""

    transactions_per_minute: Annotated[int, Field(ge=1)] = 1000
    """The highest rate of transactions to size the stream for."""

    bytes_per_transaction: Annotated[int, Field(ge=1, le=LARGEST_RECORD)] = 1024
    """Bytes of a transaction on the stream."""

    shard_count: Annotated[int, Field(ge=1)] = 2
    """Shards. One carries the default load; the second is headroom for a hot key and for resharding."""

    retention_hours: Annotated[int, Field(ge=24, le=8760)] = 168
    """Hours that records can be read, 24 to 8760. A week outlasts a consumer's outage over a weekend."""

    shard_metrics: Annotated[tuple[ShardMetric, ...], Structured] = (
        "IteratorAgeMilliseconds",
        "ReadProvisionedThroughputExceeded",
        "WriteProvisionedThroughputExceeded",
    )
    """Metrics for each shard, which show a hot key; CloudWatch bills them as custom metrics."""

    @model_validator(mode="after")
    def _load_fits(self) -> Self:
        needed = shards_needed(self.transactions_per_minute, self.bytes_per_transaction)
        if self.shard_count < needed:
            raise ValueError(
                f"shardCount {self.shard_count} is too few: {self.transactions_per_minute} transactions a minute of"
                f" {self.bytes_per_transaction} bytes need {needed} shards"
            )
        return self
