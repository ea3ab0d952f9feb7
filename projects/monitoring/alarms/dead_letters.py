"""Alarms on the dead-letter queue (metrics: the CloudWatch page of the SQS Developer Guide)."""

from projects.monitoring.alarms.model import ONCE, Alarm, Expression, Metric, above
from shared.contracts import StreamingContract

REPEAT_HOURS = 4
QUIET_MINUTES = 5
"""CloudWatch does not repeat a notification, and a schedule that does needs a function or a role of its own. Instead
the alarm's formula is 0 for so long every few hours, so that the alarm ends and begins again."""


def dead_letter_alarms(streaming: StreamingContract) -> list[Alarm]:
    """Describe the alarm on messages in the queue, which repeats while there are some.

    "Suppress an alarm with a metric math function" in the AWS Incident Detection and Response User Guide has a
    formula of this kind.
    """
    queue = streaming.dead_letter_queue_arn.apply(lambda arn: arn.rpartition(":")[2])
    messages = Metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": queue}, "Maximum")
    hour = f"HOUR(messages) == {REPEAT_HOURS} * FLOOR(HOUR(messages) / {REPEAT_HOURS})"
    return [
        Alarm(
            "dead-letters",
            Expression(f"IF(MINUTE(messages) < {QUIET_MINUTES} && {hour}, 0, messages)", {"messages": messages}),
            above(0, ONCE),
            "A batch of transactions failed for good, and the queue names its shard and sequence numbers:"
            " './inv dead-letters' shows them. Fix the consumer, then run './inv dead-letters --replay' before the"
            f" stream's retention ends. While there are messages, the alarm pauses for {QUIET_MINUTES} minutes and"
            f" rings again every {REPEAT_HOURS} hours.",
            audience="pager",
        )
    ]
