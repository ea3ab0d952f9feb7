"""The queue for batches of transactions that cannot be processed."""

import pulumi_aws as aws
from pulumi import Input

from shared.iam import deny_without_tls, document
from shared.stack import StackContext

LONGEST_RETENTION = 14 * 24 * 60 * 60
"""The most seconds that SQS keeps a message (SQS API reference, SetQueueAttributes)."""

DATA_KEY_REUSE = 300
"""Seconds for which SQS reuses a data key before it calls KMS again: SQS's default."""


def create_queue(stack: StackContext, *, key_arn: Input[str]) -> aws.sqs.Queue:
    """Create the queue, encrypted and TLS only. A message names the failed records and does not contain them."""
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
