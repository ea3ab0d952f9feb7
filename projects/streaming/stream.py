"""The stream of transactions."""

import pulumi_aws as aws
from pulumi import Input, InvokeOutputOptions, Output

from projects.streaming.config import StreamingConfig
from shared.stack import StackContext


def create_stream(stack: StackContext, config: StreamingConfig, *, key_arn: Input[str]) -> aws.kinesis.Stream:
    """Create the stream, provisioned and encrypted."""
    return aws.kinesis.Stream(
        stack.names.logical("kinesis-stream"),
        name=stack.names.physical("kinesis_stream"),
        stream_mode_details={"stream_mode": "PROVISIONED"},
        shard_count=config.shard_count,
        retention_period=config.retention_hours,
        shard_level_metrics=config.shard_metrics,
        encryption_type="KMS",
        kms_key_id=key_arn,
        # Streams have no deletion protection in AWS; a registered consumer that blocks deletion is the closest to it.
        enforce_consumer_deletion=not stack.protect,
        tags=stack.name_tag("kinesis-stream"),
        opts=stack.stateful,
    )


def creation_time(stack: StackContext, stream: aws.kinesis.Stream) -> Output[int]:
    """Return when the stream was created, which tells it from an earlier one of the same name and ARN."""
    name = stream.arn.apply(lambda arn: arn.rpartition("/")[2])  # known only once the stream exists
    found = aws.kinesis.get_stream_output(name=name, opts=InvokeOutputOptions(provider=stack.provider))
    return found.apply(lambda stream: int(stream.creation_timestamp))
