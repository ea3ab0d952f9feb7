"""Alarms on the dead-letter queue (metrics: the CloudWatch page of the SQS Developer Guide)."""

from projects.monitoring.alarms.model import ONCE, Alarm, Metric, above
from shared.contracts import StreamingContract


def dead_letter_alarms(streaming: StreamingContract) -> list[Alarm]:
    """Describe the alarm on messages in the queue."""
    queue = streaming.dead_letter_queue_arn.apply(lambda arn: arn.rpartition(":")[2])
    return [
        Alarm(
            "dead-letters",
            Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}, "Maximum"),
            above(0, ONCE),
            "A batch of transactions failed for good, and the queue names its shard and sequence numbers:"
            " './inv dead-letters' shows them. Fix the consumer, then run './inv dead-letters --replay' before the"
            " stream's retention ends.",
        )
    ]
