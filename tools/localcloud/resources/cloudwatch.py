"""CloudWatch: alarms and dashboards."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.lifecycle import to_aws
from tools.localcloud.schema.spec import Setter, Spec, Tagging
from tools.localcloud.schema.validators import Known, between, exclusive, json_text, one_of

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props
    from tools.localcloud.schema.lifecycle import Operation

TAGGING = Tagging(
    target="ResourceARN",
    add="tag_resource",
    remove="untag_resource",
    read="list_tags_for_resource",
    of=lambda op: op.arn("cloudwatch", f"alarm:{op.id}"),
)
DAY, WEEK, HOUR = 86400, 604800, 3600  # seconds


def _pairs(dimensions: Props | str | None) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in (dimensions or {}).items()]  # type: ignore[union-attr]


def _queries(queries: list[Props]) -> list[dict[str, Any]]:
    """Pulumi's `metric` is AWS's `MetricStat`, with the metric's name inside."""
    found = []
    for query in queries:
        out = {key: value for key, value in query.items() if key != "metric" and value is not None}
        metric = query.get("metric")
        aws = to_aws(out)
        if metric:
            stat = to_aws({key: metric.get(key) for key in ("period", "stat", "unit")})
            where = {"Namespace": metric.get("namespace"), "MetricName": metric["metricName"]}
            stat["Metric"] = {k: v for k, v in where.items() if v} | {"Dimensions": _pairs(metric.get("dimensions"))}
            aws["MetricStat"] = stat
        found.append({"ReturnData": False, **aws})
    return found


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


def _read_alarm(op: Operation, found: str, kind: str) -> dict[str, Any] | None:
    alarm = op.first("describe_alarms", found, AlarmNames=[op.id], AlarmTypes=[kind])
    if alarm and (op.state.get("metricQueries") or alarm.get("ExtendedStatistic")):
        alarm.pop("Statistic", None)  # the emulator makes one up
    if alarm and op.state.get("metricQueries"):
        alarm.pop("Period", None)
    return alarm


METRIC = (
    "alarmDescription actionsEnabled okActions alarmActions insufficientDataActions metricName namespace statistic "
    "extendedStatistic dimensions period unit evaluationPeriods! datapointsToAlarm threshold comparisonOperator! "
    "treatMissingData metricQueries"
)
COMPOSITE = "alarmRule! alarmDescription okActions alarmActions insufficientDataActions"
ACTIONS = {"okActions": "OKActions", "arn": "AlarmArn"}
SETS = "okActions alarmActions insufficientDataActions"

SPECS = (
    Spec(
        kind="aws:cloudwatch/metricAlarm:MetricAlarm",
        client="cloudwatch",
        fixed="name",
        mutable=f"{METRIC} tags",
        outputs="arn",
        defaults={"actionsEnabled": True, "treatMissingData": "missing"},
        unordered=f"{SETS} metricQueries",
        maps="tags dimensions",
        names=ACTIONS | {"name": "AlarmName", "metricQueries": "Metrics"},
        codecs={
            "dimensions": (_pairs, lambda found: {each["Name"]: each["Value"] for each in found}),
            "metricQueries": (_queries, lambda found: found),
        },
        name="name",
        checks=(
            _period,
            _points,
            exclusive("statistic", "extendedStatistic", "metricQueries"),
            exclusive("metricName", "metricQueries"),
            between("evaluationPeriods", 1, WEEK // 10),
            one_of("treatMissingData", "missing", "ignore", "breaching", "notBreaching"),
            one_of("statistic", "SampleCount", "Average", "Sum", "Minimum", "Maximum"),
            one_of(
                "comparisonOperator",
                "GreaterThanOrEqualToThreshold",
                "GreaterThanThreshold",
                "LessThanThreshold",
                "LessThanOrEqualToThreshold",
                "LessThanLowerOrGreaterThanUpperThreshold",
                "LessThanLowerThreshold",
                "GreaterThanUpperThreshold",
            ),
        ),
        lost={"metricQueries": "the emulator drops metric math"},
        create=lambda op: op.make("put_metric_alarm"),
        read=lambda op: _read_alarm(op, "MetricAlarms", "MetricAlarm"),
        delete=lambda op: op.call("delete_alarms", AlarmNames=[op.id]),
        setters=(Setter(METRIC, lambda op: op.make("put_metric_alarm"), create=False),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:cloudwatch/compositeAlarm:CompositeAlarm",
        client="cloudwatch",
        fixed="alarmName! actionsEnabled",
        mutable=f"{COMPOSITE} tags",
        outputs="arn",
        defaults={"actionsEnabled": True},
        unordered=SETS,
        names=ACTIONS,
        name="alarmName",
        create=lambda op: op.make("put_composite_alarm"),
        read=lambda op: _read_alarm(op, "CompositeAlarms", "CompositeAlarm"),
        delete=lambda op: op.call("delete_alarms", AlarmNames=[op.id]),
        setters=(Setter(COMPOSITE, lambda op: op.make("put_composite_alarm"), create=False),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:cloudwatch/dashboard:Dashboard",
        client="cloudwatch",
        fixed="dashboardName!",
        mutable="dashboardBody!",
        outputs="dashboardArn",
        documents="dashboardBody",
        name="dashboardName",
        checks=(json_text("dashboardBody"),),
        create=lambda op: op.make("put_dashboard"),
        read=lambda op: op.call("get_dashboard", DashboardName=op.id),
        delete=lambda op: op.call("delete_dashboards", DashboardNames=[op.id]),
        setters=(Setter("dashboardBody", lambda op: op.make("put_dashboard"), create=False),),
    ),
)
