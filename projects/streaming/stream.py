"""The stream that transactions come in on."""

import pulumi_aws as aws
from pulumi import Input

from projects.streaming.config import StreamingConfig
from shared.stack import Layer


def transaction_stream(layer: Layer, config: StreamingConfig, *, key_arn: Input[str]) -> aws.kinesis.Stream:
    """Provisioned and encrypted."""
    return aws.kinesis.Stream(
        layer.names.logical("kinesis-stream"),
        name=layer.names.physical("kinesis_stream"),
        stream_mode_details={"stream_mode": "PROVISIONED"},
        shard_count=config.shard_count,
        retention_period=config.retention_hours,
        shard_level_metrics=config.shard_metrics,
        encryption_type="KMS",
        kms_key_id=key_arn,
        # AWS has no deletion protection for streams; a registered consumer is the nearest it knows.
        enforce_consumer_deletion=not layer.protect,
        tags=layer.name_tag("kinesis-stream"),
        opts=layer.stateful,
    )
