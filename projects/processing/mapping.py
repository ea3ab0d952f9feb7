"""The event source mapping: how Lambda reads the stream for the consumer."""

import pulumi_aws as aws
from pulumi import Input, ResourceOptions

from projects.processing.retries import BATCH_SIZE, record_age_seconds
from shared.contracts import StreamingContract
from shared.stack import StackContext


def read_stream(
    stack: StackContext, streaming: StreamingContract, consumer: aws.lambda_.Function, *, attempts: Input[int]
) -> aws.lambda_.EventSourceMapping:
    """Create the mapping. `attempts` are those for a failed batch."""
    return aws.lambda_.EventSourceMapping(
        stack.names.logical("stream-mapping"),
        event_source_arn=streaming.kinesis_stream_arn,
        function_name=consumer.arn,
        enabled=not stack.environment.lacks,  # without a store, transactions wait in the stream
        starting_position="TRIM_HORIZON",  # with LATEST, what comes before the first poll would be lost
        batch_size=BATCH_SIZE,
        # Real time. Lambda polls a shard about once a second anyway, so a window would save no calls.
        maximum_batching_window_in_seconds=0,
        parallelization_factor=1,  # keeps the order of a shard, which carries 60 times the load
        function_response_types=["ReportBatchItemFailures"],  # how the consumer asks for another attempt
        bisect_batch_on_function_error=True,  # finds the record that crashes the code
        maximum_retry_attempts=attempts,
        maximum_record_age_in_seconds=streaming.kinesis_retention_hours.apply(record_age_seconds),
        destination_config={"on_failure": {"destination_arn": streaming.dead_letter_queue_arn}},
        metrics_config={"metrics": ["EventCount"]},
        tags=stack.name_tag("stream-mapping"),
        opts=ResourceOptions(
            provider=stack.provider,
            replacement_trigger=streaming.kinesis_created_at,  # a mapping does not outlive its stream
            delete_before_replace=True,  # AWS refuses a second mapping of a stream to the same function
        ),
    )
