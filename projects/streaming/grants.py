"""The policies on the stream and the queue: grants to the roles of security, and TLS for everybody."""

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
"""The actions that AWS's policy AWSLambdaKinesisExecutionRole allows on a stream."""


def require_tls(stack: StackContext, stream: aws.kinesis.Stream) -> None:
    """Deny puts and reads over plain HTTP to everybody."""
    aws.kinesis.ResourcePolicy(
        stack.names.logical("kinesis-stream-policy"),
        resource_arn=stream.arn,
        policy=document(deny_without_tls(sorted({*PUT, *READ}), stream.arn)),
        opts=stack.opts,
    )


def grant_producer(stack: StackContext, security: SecurityContract, stream: aws.kinesis.Stream) -> None:
    """Allow the producer to put transactions, and to encrypt them for this stream only."""
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
        opts=stack.attached_to(security.kinesis_producer_role_id),
    )


def grant_consumer(
    stack: StackContext, security: SecurityContract, stream: aws.kinesis.Stream, queue: aws.sqs.Queue
) -> None:
    """Allow the consumer to read transactions, and to send those that fail to the queue."""
    aws.iam.RolePolicy(
        stack.names.logical("kinesis-policy"),
        role=security.kinesis_role_name,
        policy=document(
            allow("Read", READ, [stream.arn]),
            allow(
                "FanOut",
                ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
                [stream.arn.apply(lambda arn: f"{arn}/consumer/*")],  # consumers registered with this stream
            ),
            allow("List", ["kinesis:ListStreams"], ["*"]),  # the action takes no resource
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
        opts=stack.attached_to(security.kinesis_role_id),
    )
