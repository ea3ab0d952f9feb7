"""Create the alarms in CloudWatch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import pulumi_aws as aws
from pulumi import Input, Output, ResourceOptions

from projects.monitoring.alarms.model import Alarm, Domain, Expression, Metric
from projects.monitoring.topic import Topics
from shared.names import HEARTBEAT
from shared.stack import StackContext

DOMAINS: Mapping[Domain, str] = {
    "ingest": "Transactions do not come in: producers are silent or refused.",
    "consumer": "Transactions are not processed, and are lost at the end of the stream's retention.",
    "database": "PostgreSQL is down or soon will be; transactions wait in the stream.",
    "cache": "A node of Redis is down; when the last one is, transactions wait in the stream.",
}
"""What it means when a domain's composite alarm rings."""


@dataclass(frozen=True)
class Alarms:
    """The alarms in CloudWatch."""

    domains: Sequence[aws.cloudwatch.CompositeAlarm]
    by_name: Mapping[str, aws.cloudwatch.MetricAlarm]
    paging: Sequence[Input[str]]
    """The names of those that page."""

    @property
    def names(self) -> list[Input[str]]:
        return [*(each.alarm_name for each in self.domains), *(each.name for each in self.by_name.values())]

    @property
    def arns(self) -> list[Input[str]]:
        """Return the ARNs of all but the heartbeat, which rings although all is well."""
        others = (each.arn for name, each in self.by_name.items() if name != HEARTBEAT)
        return [*(each.arn for each in self.domains), *others]


def create_alarms(stack: StackContext, topics: Topics, alarms: Sequence[Alarm]) -> Alarms:
    """Create the alarms, and a composite alarm for each domain. Each notifies a topic when it begins.

    An incident pages once for each domain that it reaches. One composite alarm over all of them would page nobody of
    a second incident while the first lasts: it notifies only when its own state changes.
    """
    created = {
        alarm.name: _create_alarm(stack, topics.fallback if alarm.audience == "fallback" else topics.alerts, alarm)
        for alarm in alarms
    }
    domains = [_create_domain_alarm(stack, topics, domain, alarms, created) for domain in get_args(Domain)]
    pagers = [created[alarm.name].name for alarm in alarms if alarm.audience == "pager"]
    return Alarms(domains, created, [*(each.alarm_name for each in domains), *pagers])


def _create_domain_alarm(
    stack: StackContext,
    topics: Topics,
    domain: Domain,
    alarms: Sequence[Alarm],
    created: Mapping[str, aws.cloudwatch.MetricAlarm],
) -> aws.cloudwatch.CompositeAlarm:
    parts = [Output.concat('ALARM("', created[each.name].name, '")') for each in alarms if each.audience == domain]
    name = f"{domain}-unhealthy"
    return aws.cloudwatch.CompositeAlarm(
        stack.names.logical(f"alarm-{name}"),
        alarm_name=stack.names.alarm(name),
        alarm_description=f"{DOMAINS[domain]} The dashboard's first row shows which of its alarms ring; their"
        " descriptions say what to do first.",
        alarm_rule=Output.all(*parts).apply(" OR ".join),
        alarm_actions=[topics.alerts.arn],
        ok_actions=[topics.alerts.arn],
        tags=stack.name_tag(f"alarm-{name}"),
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
        ok_actions=[topic.arn] if alarm.notifies_of_its_end else None,
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
