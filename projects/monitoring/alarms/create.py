"""Create the alarms in CloudWatch."""

from collections.abc import Mapping, Sequence

import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.monitoring.alarms.model import Alarm, Expression, Metric
from shared.stack import StackContext


def create_alarms(
    stack: StackContext, topic: aws.sns.Topic, alarms: Sequence[Alarm]
) -> dict[str, aws.cloudwatch.MetricAlarm]:
    """Create the alarms and return them by name. Each notifies the topic when it begins and when it ends."""
    return {alarm.name: _create_alarm(stack, topic, alarm) for alarm in alarms}


def create_paging_alarm(
    stack: StackContext,
    topic: aws.sns.Topic,
    alarms: Sequence[Alarm],
    created: Mapping[str, aws.cloudwatch.MetricAlarm],
) -> aws.cloudwatch.CompositeAlarm:
    """Create one composite alarm over all alarms that page, so that an incident pages once."""
    parts = [Output.concat('ALARM("', created[alarm.name].name, '")') for alarm in alarms if alarm.pages]
    return aws.cloudwatch.CompositeAlarm(
        stack.names.logical("alarm-pipeline-unhealthy"),
        alarm_name=stack.names.alarm("pipeline-unhealthy"),
        alarm_description="Transactions are being lost, or soon will be. The dashboard's first row shows which of"
        " its alarms ring; their descriptions say what to do first.",
        alarm_rule=Output.all(*parts).apply(" OR ".join),
        alarm_actions=[topic.arn],
        ok_actions=[topic.arn],
        tags=stack.name_tag("alarm-pipeline-unhealthy"),
        # Deleting the old alarm after the new one, of the same name, would leave none.
        opts=ResourceOptions.merge(stack.opts, ResourceOptions(delete_before_replace=True)),
    )


def _create_alarm(stack: StackContext, topic: aws.sns.Topic, alarm: Alarm) -> aws.cloudwatch.MetricAlarm:
    threshold = alarm.threshold
    datapoints, periods = threshold.datapoints
    metric = alarm.metric if isinstance(alarm.metric, Metric) else None
    expression = alarm.metric if isinstance(alarm.metric, Expression) else None
    return aws.cloudwatch.MetricAlarm(
        stack.names.logical(f"alarm-{alarm.name}"),
        name=stack.names.alarm(alarm.name),
        alarm_description=alarm.runbook,
        namespace=metric.namespace if metric else None,
        metric_name=metric.name if metric else None,
        dimensions=metric.dimensions if metric else None,
        statistic=metric.statistic if metric else None,
        period=threshold.seconds if metric else None,
        metric_queries=_queries(expression, threshold.seconds) if expression else None,
        comparison_operator=threshold.comparison,
        threshold=threshold.value,
        datapoints_to_alarm=datapoints,
        evaluation_periods=periods,
        treat_missing_data=threshold.missing,
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
        # A Metrics Insights query has its own period; metric math takes that of its operands.
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
