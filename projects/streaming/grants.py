"""Who may do what with the stream and the queue: grants for the roles that security made, and what nobody may."""

import pulumi_aws as aws

from shared.contracts import SecurityContract
from shared.iam import allow, deny_without_tls, document, use_key
from shared.stack import StackContext

PUT = ("kinesis:PutRecord", "kinesis:PutRecords", "kinesis:DescribeStreamSummary", "kinesis:ListShards")
READ = (
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
"""What AWSLambdaKinesisExecutionRole allows on a stream."""


def require_tls(stack: StackContext, stream: aws.kinesis.Stream) -> None:
    """Nobody puts or reads over plain HTTP, whatever is granted."""
    aws.kinesis.ResourcePolicy(
        stack.names.logical("kinesis-stream-policy"),
        resource_arn=stream.arn,
        policy=document(deny_without_tls(sorted({*PUT, *READ}), stream.arn)),
        opts=stack.opts,
    )


def grant_producer(stack: StackContext, security: SecurityContract, stream: aws.kinesis.Stream) -> None:
    """Put transactions, and encrypt them for this stream only."""
    aws.iam.RolePolicy(
        stack.names.logical("kinesis-producer-policy"),
        role=security.kinesis_producer_role_name,
        policy=document(
            allow("Put", PUT, [stream.arn]),
            use_key(
                "EncryptForStream",
                ["kms:GenerateDataKey"],
                security.stream_key_arn,
                service="kinesis",
                region=stack.region,
                context={"aws:kinesis:arn": stream.arn},
            ),
        ),
        opts=stack.opts,
    )


def grant_consumer(
    stack: StackContext, security: SecurityContract, stream: aws.kinesis.Stream, queue: aws.sqs.Queue
) -> None:
    """Read transactions, and put aside those that fail."""
    aws.iam.RolePolicy(
        stack.names.logical("kinesis-policy"),
        role=security.kinesis_role_name,
        policy=document(
            allow("Read", READ, [stream.arn]),
            allow(
                "FanOut",
                ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
                [stream.arn.apply(lambda arn: f"{arn}/consumer/*")],  # this stream's registered consumers
            ),
            allow("List", ["kinesis:ListStreams"], ["*"]),  # the action knows no resources
            use_key(
                "DecryptStream",
                ["kms:Decrypt"],
                security.stream_key_arn,
                service="kinesis",
                region=stack.region,
                context={"aws:kinesis:arn": stream.arn},
            ),
            allow("PutAside", ["sqs:SendMessage"], [queue.arn]),
            use_key(
                "EncryptForQueue",
                ["kms:GenerateDataKey", "kms:Decrypt"],
                security.telemetry_key_arn,
                service="sqs",
                region=stack.region,
            ),
        ),
        opts=stack.opts,
    )
