"""What the streaming layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class StreamingContract(Contract):
    """The stream of transactions, and the queue for those that could not be processed."""

    layer: ClassVar[str] = "streaming"

    kinesis_stream_name: Annotated[Output[str], OutputSpec("Name of the stream.", "transaction-stream-dev")]
    kinesis_stream_arn: Annotated[
        Output[str],
        OutputSpec("The stream's ARN.", "arn:aws:kinesis:ap-northeast-1:123456789012:stream/transaction-stream-dev"),
    ]
    kinesis_created_at: Annotated[
        Output[int],
        OutputSpec("Unix time of the stream's creation, which a new stream of its name does not share.", 1795000000),
    ]
    kinesis_shard_count: Annotated[
        Output[int], OutputSpec("Number of shards; each accepts 1 MiB/s and 1,000 records/s.", 2)
    ]
    kinesis_retention_hours: Annotated[Output[int], OutputSpec("Hours for which a record can be read.", 24)]
    dead_letter_queue_arn: Annotated[
        Output[str],
        OutputSpec(
            "The queue for batches that could not be processed.",
            "arn:aws:sqs:ap-northeast-1:123456789012:transaction-dead-letters-dev",
        ),
    ]
    dead_letter_queue_url: Annotated[
        Output[str],
        OutputSpec(
            "URL of the same queue.",
            "https://sqs.ap-northeast-1.amazonaws.com/123456789012/transaction-dead-letters-dev",
        ),
    ]
