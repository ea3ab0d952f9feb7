"""The queue for batches of transactions that failed for good."""

import pulumi_aws as aws
from pulumi import Input

from shared.iam import deny_without_tls, document
from shared.stack import StackContext

LONGEST_RETENTION = 14 * 24 * 60 * 60
"""Seconds, the most that SQS keeps a message (API reference of SetQueueAttributes)."""

DATA_KEY_REUSE = 300
"""Seconds for which SQS reuses a data key before it asks KMS again; its default."""


def dead_letter_queue(stack: StackContext, *, key_arn: Input[str]) -> aws.sqs.Queue:
    """Encrypted, TLS only. A message tells which records of the stream failed, not what they hold."""
    queue = aws.sqs.Queue(
        stack.names.logical("dead-letter-queue"),
        name=stack.names.physical("dead_letter_queue"),
        message_retention_seconds=LONGEST_RETENTION,
        kms_master_key_id=key_arn,
        kms_data_key_reuse_period_seconds=DATA_KEY_REUSE,
        tags=stack.name_tag("dead-letter-queue"),
        opts=stack.stateful,
    )
    aws.sqs.QueuePolicy(
        stack.names.logical("dead-letter-queue-policy"),
        queue_url=queue.url,
        policy=document(deny_without_tls(["sqs:*"], queue.arn)),
        opts=stack.opts,
    )
    return queue
