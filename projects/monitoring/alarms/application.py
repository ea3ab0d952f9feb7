"""Alarms on the applications' logs, and the metric filters that count log lines."""

from collections.abc import Mapping

import pulumi_aws as aws
from pulumi import Output

from projects.monitoring.alarms.model import FIVE_MINUTES, ONCE, Alarm, Metric, above
from shared.stack import StackContext

ERRORS = "ApplicationErrors"


def application_alarms(stack: StackContext) -> list[Alarm]:
    """Describe the alarm on the applications' log lines."""
    return [
        Alarm(
            "application-errors",
            Metric(_namespace(stack), ERRORS, {}, "Sum"),
            above(0, ONCE, seconds=FIVE_MINUTES),
            "An application logged an ERROR. Read it with the saved query 'errors' of Logs Insights.",
        )
    ]


def _namespace(stack: StackContext) -> str:
    """Return the namespace of the metrics that count log lines."""
    return f"TransactionMonitoring/{stack.suffix}"


def count_errors(stack: StackContext, log_groups: Mapping[str, Output[str]]) -> None:
    """Create the metric filters that count errors. `log_groups` are names by what logs to them.

    A producer's line counts if it has the word ERROR. The functions' lines are JSON and count by their level, because
    those of the console have the text of queries.
    """
    patterns = {"processing": '{ $.level = "ERROR" }'}
    for source, name in log_groups.items():
        aws.cloudwatch.LogMetricFilter(
            stack.names.logical(f"{source}-errors"),
            log_group_name=name,
            pattern=patterns.get(source, "ERROR"),
            metric_transformation={
                "name": ERRORS,
                "namespace": _namespace(stack),
                "value": "1",
                "default_value": "0",
            },
            opts=stack.opts,
        )
