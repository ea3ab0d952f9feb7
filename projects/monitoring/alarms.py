"""How an alarm is written down in this layer, and made in CloudWatch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi_aws as aws
from pulumi import Input, Output

from shared.stack import StackContext

Missing = Literal["notBreaching", "missing", "breaching"]
"""No data: all is well for a counter, unknown for a gauge, bad for a sign of life."""


@dataclass(frozen=True)
class Metric:
    """A metric of one thing."""

    namespace: str
    name: Input[str]
    dimensions: Mapping[str, Input[str]]
    statistic: str


@dataclass(frozen=True)
class Expression:
    """Metric math over operands by id, or a Metrics Insights query without any."""

    text: Input[str]
    operands: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True)
class Limit:
    """When a figure is bad: on the wrong side of the threshold in `points` of the last `of` periods."""

    comparison: Literal["GreaterThanThreshold", "LessThanThreshold"]
    threshold: Input[float]
    points: int
    of: int
    seconds: int
    missing: Missing


def above(
    threshold: Input[float],
    points: tuple[int, int] = (3, 5),
    *,
    seconds: int = 60,
    missing: Missing = "notBreaching",
) -> Limit:
    """Bad when greater; `points` is how many bad periods of how many raise the alarm."""
    return Limit(
        comparison="GreaterThanThreshold",
        threshold=threshold,
        points=points[0],
        of=points[1],
        seconds=seconds,
        missing=missing,
    )


def below(threshold: Input[float], points: tuple[int, int], *, seconds: int = 60, missing: Missing) -> Limit:
    """Bad when less."""
    return Limit(
        comparison="LessThanThreshold",
        threshold=threshold,
        points=points[0],
        of=points[1],
        seconds=seconds,
        missing=missing,
    )


@dataclass(frozen=True)
class Alarm:
    """A row of the table."""

    name: str
    figure: Metric | Expression
    limit: Limit
    means: str
    """What it means, and what to do first."""
    pages: bool = False
    """Whether the composite alarm rings for it."""


def watch(stack: StackContext, topic: aws.sns.Topic, table: Sequence[Alarm]) -> dict[str, aws.cloudwatch.MetricAlarm]:
    """The alarms of the table by name, each telling the topic of trouble and of its end."""
    return {alarm.name: _made(stack, topic, alarm) for alarm in table}


def page(
    stack: StackContext,
    topic: aws.sns.Topic,
    table: Sequence[Alarm],
    alarms: Mapping[str, aws.cloudwatch.MetricAlarm],
) -> aws.cloudwatch.CompositeAlarm:
    """One alarm for what must be mended at once: it rings once, however many of its parts do."""
    parts = [Output.concat('ALARM("', alarms[alarm.name].name, '")') for alarm in table if alarm.pages]
    return aws.cloudwatch.CompositeAlarm(
        stack.names.logical("alarm-pipeline-unhealthy"),
        alarm_name=stack.names.alarm("pipeline-unhealthy"),
        alarm_description="Transactions are being lost, or soon will be. The dashboard's first row shows which of"
        " its alarms ring; their descriptions say what to do first.",
        alarm_rule=Output.all(*parts).apply(" OR ".join),
        alarm_actions=[topic.arn],
        ok_actions=[topic.arn],
        tags=stack.name_tag("alarm-pipeline-unhealthy"),
        opts=stack.opts,
    )


def _made(stack: StackContext, topic: aws.sns.Topic, alarm: Alarm) -> aws.cloudwatch.MetricAlarm:
    figure, limit = alarm.figure, alarm.limit
    metric = figure if isinstance(figure, Metric) else None
    return aws.cloudwatch.MetricAlarm(
        stack.names.logical(f"alarm-{alarm.name}"),
        name=stack.names.alarm(alarm.name),
        alarm_description=alarm.means,
        namespace=metric.namespace if metric else None,
        metric_name=metric.name if metric else None,
        dimensions=metric.dimensions if metric else None,
        statistic=metric.statistic if metric else None,
        period=limit.seconds if metric else None,
        metric_queries=_queries(figure, limit.seconds) if isinstance(figure, Expression) else None,
        comparison_operator=limit.comparison,
        threshold=limit.threshold,
        datapoints_to_alarm=limit.points,
        evaluation_periods=limit.of,
        treat_missing_data=limit.missing,
        alarm_actions=[topic.arn],
        ok_actions=[topic.arn],
        tags=stack.name_tag(f"alarm-{alarm.name}"),
        opts=stack.opts,
    )


def _queries(expression: Expression, seconds: int) -> list[aws.cloudwatch.MetricAlarmMetricQueryArgs]:
    result = aws.cloudwatch.MetricAlarmMetricQueryArgs(
        id="result",
        expression=expression.text,
        label="result",
        # A query has a period of its own; math takes that of its operands.
        period=None if expression.operands else seconds,
        return_data=True,
    )
    operands = [
        aws.cloudwatch.MetricAlarmMetricQueryArgs(
            id=key,
            metric=aws.cloudwatch.MetricAlarmMetricQueryMetricArgs(
                namespace=operand.namespace,
                metric_name=operand.name,
                dimensions=operand.dimensions,
                stat=operand.statistic,
                period=seconds,
            ),
        )
        for key, operand in expression.operands.items()
    ]
    return [result, *operands]
