"""Who may do what with the stream and the queue, attached to the roles that security made."""

import pulumi_aws as aws

from shared.contracts import SecurityContract
from shared.layer import Layer
from shared.policy import allow, document, use_key


def grant_producer(layer: Layer, security: SecurityContract, stream: aws.kinesis.Stream) -> None:
    """Put transactions, and encrypt them for this stream only."""
    aws.iam.RolePolicy(
        layer.names.logical("kinesis-producer-policy"),
        role=security.kinesis_producer_role_name,
        policy=document(
            allow(
                "Put",
                [
                    "kinesis:PutRecord",
                    "kinesis:PutRecords",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:ListShards",
                ],
                [stream.arn],
            ),
            use_key(
                "EncryptForStream",
                ["kms:GenerateDataKey"],
                security.stream_key_arn,
                service="kinesis",
                region=layer.region,
                context={"aws:kinesis:arn": stream.arn},
            ),
        ),
        opts=layer.opts,
    )


def grant_consumer(
    layer: Layer, security: SecurityContract, stream: aws.kinesis.Stream, queue: aws.sqs.Queue
) -> None:
    """Read transactions, and put aside those that fail.

    The actions are those of AWSLambdaKinesisExecutionRole, on this stream instead of all.
    """
    aws.iam.RolePolicy(
        layer.names.logical("kinesis-policy"),
        role=security.kinesis_role_name,
        policy=document(
            allow(
                "Read",
                [
                    "kinesis:DescribeStream",
                    "kinesis:DescribeStreamSummary",
                    "kinesis:GetRecords",
                    "kinesis:GetShardIterator",
                    "kinesis:ListShards",
                ],
                [stream.arn],
            ),
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
                region=layer.region,
                context={"aws:kinesis:arn": stream.arn},
            ),
            allow("PutAside", ["sqs:SendMessage"], [queue.arn]),
            use_key(
                "EncryptForQueue",
                ["kms:GenerateDataKey", "kms:Decrypt"],
                security.telemetry_key_arn,
                service="sqs",
                region=layer.region,
            ),
        ),
        opts=layer.opts,
    )
