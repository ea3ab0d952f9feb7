"""Alarms on the applications' logs and on the alerts topic, and the metric filters that count log lines."""

import pulumi_aws as aws
from pulumi import Output

from projects.monitoring.alarms.model import FIVE_MINUTES, ONCE, QUARTER_HOUR, Alarm, Metric, above, below
from projects.monitoring.config import MonitoringConfig
from shared.stack import StackContext

ERRORS, HEARTBEATS = "ApplicationErrors", "ApplicationHeartbeats"

METRIC_FILTERS = {"application-errors": ("ERROR", ERRORS), "application-heartbeats": ("HEARTBEAT", HEARTBEATS)}
"""By resource type: a word in log lines, and the metric that counts the lines with it."""


def application_alarms(stack: StackContext, config: MonitoringConfig, topic_name: Output[str]) -> list[Alarm]:
    """Describe the alarms on the applications' log lines and on failed deliveries of the alerts topic."""

    def counted(name: str) -> Metric:
        return Metric(_namespace(stack), name, {}, "Sum")

    table = [
        Alarm(
            "application-errors",
            counted(ERRORS),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "An application logged an ERROR. Read it with the saved query 'errors' of Logs Insights.",
        ),
        Alarm(
            "notifications-failed",
            Metric("AWS/SNS", "NumberOfNotificationsFailed", {"TopicName": topic_name}, "Sum"),
            above(0, ONCE),
            "Somebody was not told of an alarm. Look at the topic's subscriptions: an address is gone, or an endpoint"
            " refuses.",
        ),
    ]
    if config.expects_traffic:
        silent = Alarm(
            "application-silent",
            counted(HEARTBEATS),
            below(1, QUARTER_HOUR, missing="breaching"),
            "No application has logged a HEARTBEAT for a quarter of an hour: none runs, or none can log, and then no"
            " ERROR is heard of either. Look whether they run, then at their roles and the VPC endpoint of logs.",
        )
        table.append(silent)
    return table


def _namespace(stack: StackContext) -> str:
    """Return the namespace of the metrics that count log lines."""
    return f"TransactionMonitoring/{stack.suffix}"


def count_log_lines(stack: StackContext, log_group_name: Output[str]) -> None:
    """Create the metric filters of `METRIC_FILTERS` on the applications' log group."""
    for resource_type, (word, metric) in METRIC_FILTERS.items():
        aws.cloudwatch.LogMetricFilter(
            stack.names.logical(resource_type),
            log_group_name=log_group_name,
            pattern=word,
            metric_transformation={
                "name": metric,
                "namespace": _namespace(stack),
                "value": "1",
                "default_value": "0",
            },
            opts=stack.opts,
        )
