"""Describes CloudWatch's alarms and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, from_aws, keys, to_aws
from tools.localcloud.schema.validators import ARN, Known, between, exclusive, json_text, matches, needs, one_of, word

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

TAGGING = Tagging(
    target="ResourceARN",
    add="tag_resource",
    remove="untag_resource",
    read="list_tags_for_resource",
    of=lambda ctx: ctx.arn("cloudwatch", f"alarm:{ctx.id}"),
)
DAY, WEEK, HOUR = 86400, 604800, 3600  # seconds


def _pairs(dimensions: Props | str | None) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in (dimensions or {}).items()]  # type: ignore[union-attr]


def _given_pairs(found: list[dict[str, str]]) -> Props:
    return {each["Name"]: each["Value"] for each in found}


def _queries(queries: list[Props]) -> list[dict[str, Any]]:
    """Return metric queries as AWS writes them: Pulumi's `metric` is `MetricStat`, with the metric's name inside."""
    found = []
    for query in queries:
        out = {key: value for key, value in query.items() if key != "metric" and value is not None}
        metric = query.get("metric")
        aws = to_aws(out)
        if metric:
            stat = to_aws({key: metric.get(key) for key in ("period", "stat", "unit")})
            where = {"Namespace": metric.get("namespace"), "MetricName": metric.get("metricName")}
            stat["Metric"] = {k: v for k, v in where.items() if v} | {"Dimensions": _pairs(metric.get("dimensions"))}
            aws["MetricStat"] = stat
        found.append({"ReturnData": False, **aws})
    return found


def _given_queries(found: list[dict[str, Any]]) -> list[Props]:
    queries = []
    for query in found:
        stat = query.pop("MetricStat", None)
        given: Props = from_aws(query)
        if stat:
            metric = stat.pop("Metric")
            dimensions = _given_pairs(metric.pop("Dimensions", []))
            given["metric"] = from_aws(stat | metric) | {"dimensions": dimensions}
        queries.append(given)
    return queries


def _period(news: Known) -> str | None:
    period, times = news.get("period"), news.get("evaluationPeriods") or 1
    if period is None:
        return None
    if period not in (10, 20, 30) and (period <= 0 or period % 60):
        return f"period is {period}; AWS takes 10, 20, 30 or a multiple of 60"
    most = WEEK if period >= HOUR else DAY
    return (
        f"period times evaluationPeriods is {period * times}; AWS takes up to {most}"
        if period * times > most
        else None
    )


def _points(news: Known) -> str | None:
    points, times = news.get("datapointsToAlarm"), news.get("evaluationPeriods")
    return (
        f"datapointsToAlarm {points} is more than evaluationPeriods {times}"
        if points and times and points > times
        else None
    )


def _read_alarm(ctx: ResourceContext, found: str, kind: str) -> dict[str, Any] | None:
    return ctx.first("describe_alarms", found, AlarmNames=[ctx.id], AlarmTypes=[kind])


METRIC = keys(
    "alarmDescription okActions alarmActions metricName namespace statistic dimensions period "
    "evaluationPeriods datapointsToAlarm threshold comparisonOperator treatMissingData "
    "metricQueries"
)
COMPOSITE = keys("alarmRule alarmDescription okActions alarmActions")
ACTIONS = {"okActions": "OKActions", "arn": "AlarmArn"}
SETS = keys("okActions alarmActions")
EC2_ACTION = r"arn:[\w-]+:automate:[\w-]+:ec2:(reboot|recover|stop|terminate)"
ALARM_ACTIONS = tuple(matches(key, f"{ARN}|{EC2_ACTION}", "is an invalid ARN") for key in sorted(SETS))

SPECS = (
    Spec(
        kind="aws:cloudwatch/metricAlarm:MetricAlarm",
        client="cloudwatch",
        required=keys("evaluationPeriods comparisonOperator"),
        force_new=keys("name"),
        updatable=METRIC | keys("tags"),
        outputs=keys("arn"),
        defaults={"treatMissingData": "missing"},
        unordered=SETS | keys("metricQueries"),
        maps=keys("tags dimensions"),
        names=ACTIONS | {"name": "AlarmName", "metricQueries": "Metrics"},
        codecs={
            "dimensions": (_pairs, _given_pairs),
            "metricQueries": (_queries, _given_queries),
        },
        name="name",
        requests=("put_metric_alarm",),
        validators=(
            _period,
            _points,
            needs("metricName", "statistic"),
            *ALARM_ACTIONS,
            *(
                exclusive(key, "metricQueries")
                for key in ("metricName", "namespace", "period", "statistic", "dimensions")
            ),
            between("evaluationPeriods", 1, WEEK // 10),
            one_of("treatMissingData", "missing", "ignore", "breaching", "notBreaching"),
        ),
        create=lambda ctx: ctx.create("put_metric_alarm"),
        read=lambda ctx: _read_alarm(ctx, "MetricAlarms", "MetricAlarm"),
        delete=lambda ctx: ctx.call("delete_alarms", AlarmNames=[ctx.id]),
        setters=(Setter(METRIC, lambda ctx: ctx.create("put_metric_alarm"), create=False),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:cloudwatch/compositeAlarm:CompositeAlarm",
        client="cloudwatch",
        required=keys("alarmName alarmRule"),
        force_new=keys("alarmName"),
        updatable=COMPOSITE | keys("tags"),
        outputs=keys("arn"),
        unordered=SETS,
        names=ACTIONS,
        name="alarmName",
        requests=("put_composite_alarm",),
        validators=ALARM_ACTIONS,
        create=lambda ctx: ctx.create("put_composite_alarm"),
        read=lambda ctx: _read_alarm(ctx, "CompositeAlarms", "CompositeAlarm"),
        delete=lambda ctx: ctx.call("delete_alarms", AlarmNames=[ctx.id]),
        setters=(Setter(COMPOSITE, lambda ctx: ctx.create("put_composite_alarm"), create=False),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:cloudwatch/dashboard:Dashboard",
        client="cloudwatch",
        required=keys("dashboardName dashboardBody"),
        force_new=keys("dashboardName"),
        updatable=keys("dashboardBody"),
        outputs=keys("dashboardArn"),
        documents=keys("dashboardBody"),
        name="dashboardName",
        validators=(json_text("dashboardBody"), word("dashboardName", 255)),
        create=lambda ctx: ctx.create("put_dashboard"),
        read=lambda ctx: ctx.call("get_dashboard", DashboardName=ctx.id),
        delete=lambda ctx: ctx.call("delete_dashboards", DashboardNames=[ctx.id]),
        setters=(Setter(keys("dashboardBody"), lambda ctx: ctx.create("put_dashboard"), create=False),),
    ),
)
