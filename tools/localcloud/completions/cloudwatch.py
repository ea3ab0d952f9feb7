"""Completes CloudWatch's alarms. `wires` lets its older and newer SDKs see all of MiniStack's answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call

OF_ONE_METRIC: Final = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "Unit")


async def _put(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    call.store("_alarms")[call.request["AlarmName"]]["Metrics"] = call.request.get("Metrics")
    return answer


async def _describe(call: Call) -> dict[str, Any]:
    """Show an alarm's metric math, and no statistic that MiniStack made up."""
    answer = await call.proceed()
    for alarm in answer.get("MetricAlarms", ()):
        invented = OF_ONE_METRIC if alarm.get("Metrics") else ("Statistic",) if alarm.get("ExtendedStatistic") else ()
        for name in invented:
            alarm.pop(name, None)
    return answer


COMPLETIONS: Final = (
    Completion(
        "monitoring",
        "the evaluation of alarms once a second, with their dimensions, periods and missing data",
        lacks={
            "cloudwatch.MetricAlarm": "one waits for data for ever if it has a band, a Metrics Insights query or "
            "a metric of another service than Kinesis, Lambda and SQS, except the CPU of RDS"
        },
    ),
    Completion("monitoring", "the metrics of streams, queues and event source mappings, and the CPU of databases"),
    Completion("monitoring", "alarms of metric math", {"PutMetricAlarm": _put, "DescribeAlarms": _describe}),
)
