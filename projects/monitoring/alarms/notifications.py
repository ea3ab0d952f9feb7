"""Alarms on the way of notifications: from alarms and rules by the alerts topic to its subscribers."""

from collections.abc import Sequence

from pulumi import Output

from projects.monitoring.alarms.model import ONCE, Alarm, Expression, Metric, above
from shared.contracts import DataContract
from shared.names import HEARTBEAT

BEAT_MINUTES = 30
"""The heartbeat's alarm begins in the first half of an hour and ends in the second."""


def notification_alarms(data: DataContract, topic_name: Output[str], rule_names: Sequence[str]) -> list[Alarm]:
    """Describe the heartbeat, and the alarms on deliveries that fail, which do not use the topic that has failed.

    Metrics: the CloudWatch pages of the SNS Developer Guide and of the EventBridge User Guide.
    """
    # A formula needs a metric. PostgreSQL sends this one every minute.
    clock = Metric("AWS/RDS", "CPUUtilization", {"DBInstanceIdentifier": data.rds_identifier}, "SampleCount")
    failed = {
        name.replace("-", "_"): Metric("AWS/Events", "FailedInvocations", {"RuleName": name}, "Sum")
        for name in rule_names
    }
    return [
        Alarm(
            HEARTBEAT,
            Expression(f"IF(MINUTE(clock) < {BEAT_MINUTES}, 1, 0)", {"clock": clock}),
            above(0, ONCE, missing="missing"),
            f"All is well: the way of every alarm works. The dead man's switch hears of it every {BEAT_MINUTES}"
            " minutes, and reports when it does not. Then look at the history of this alarm: it says which action"
            " failed, as after a change of the topic's policy or of the telemetry key. It is silent, too, without"
            " PostgreSQL, whose metric is its clock.",
            audience="switch",
        ),
        Alarm(
            "notifications-failed",
            Metric("AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": topic_name}, "Sum"),
            above(0, ONCE),
            "Somebody was not told of an alarm. Look at the topic's subscriptions: an address is gone, or an endpoint"
            " refuses.",
            audience="fallback",
        ),
        Alarm(
            "rules-failed",
            Expression(f"SUM([{', '.join(failed)}])", failed),
            above(0, ONCE),
            "EventBridge could not tell the topic of an API call. Look at the topic's policy and at the telemetry"
            " key; deploy security, then monitoring, to restore them. CloudTrail has the call.",
            audience="fallback",
        ),
    ]
