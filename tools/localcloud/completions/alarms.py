"""Evaluates CloudWatch's alarms, in place of MiniStack, whose own know no dimensions, periods, math or missing data.

"Evaluating an alarm" and "Configuring how CloudWatch alarms treat missing data" in the CloudWatch User Guide say how.
"""

from __future__ import annotations

import ast
import operator
import time
from datetime import UTC, datetime
from functools import partial
from math import floor
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import metrics
from tools.localcloud.completions.call import ministack

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Value = float | None
    """A value of one period; None if there is none."""

MEASURED: Final = frozenset({"AWS/Kinesis", "AWS/Lambda", "AWS/SQS"})
"""The namespaces of AWS whose metrics the local cloud has: an alarm on one of another waits until it has a value."""
BREACHES: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
OPERATORS: Final[Mapping[type[ast.operator | ast.cmpop], Callable[[float, float], float]]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
}
LISTS: Final[Mapping[str, Callable[[Sequence[float]], float]]] = {"MAX": max, "MIN": min, "SUM": sum}


class Unsupported(Exception):  # noqa: N818 - it is no fault
    """Something that is not evaluated here: the alarm keeps its state."""


def evaluate(alarm: dict[str, Any]) -> None:
    """Evaluate an alarm of the caller's account and region, and tell its actions of another state."""
    try:
        state = judge(alarm, _values(alarm, time.time()))
    except Unsupported:
        return
    if state in (None, alarm["StateValue"]):
        return
    cloudwatch = ministack("services.cloudwatch")
    old, reason = alarm["StateValue"], f"{alarm['ComparisonOperator']} {alarm.get('Threshold')}: {state}"
    alarm |= {"StateValue": state, "StateReason": reason, "StateUpdatedTimestamp": int(time.time())}
    cloudwatch._record_history(alarm["AlarmName"], old, state, reason)
    cloudwatch._dispatch_alarm_actions(alarm, old, state, reason)
    cloudwatch._evaluate_parent_alarms(alarm)


def judge(alarm: Mapping[str, Any], values: Sequence[Value]) -> str | None:
    """Return the state of an alarm with the values of its periods; None if it stays as it is.

    Raises:
        Unsupported: the comparison is one with a band.
    """
    breaches = BREACHES.get(alarm["ComparisonOperator"])
    if breaches is None:
        raise Unsupported
    missing = alarm.get("TreatMissingData") or "missing"
    wanted = alarm.get("DatapointsToAlarm") or alarm["EvaluationPeriods"]
    present = [value for value in values if value is not None]
    bad = sum(breaches(value, alarm["Threshold"]) for value in present)
    if missing == "breaching":
        bad += len(values) - len(present)
    elif missing != "notBreaching":
        if not present:
            return "INSUFFICIENT_DATA" if missing == "missing" else None
        wanted = min(wanted, len(present))
    return "ALARM" if bad >= wanted else "OK"


def _values(alarm: Mapping[str, Any], now: float) -> list[Value]:
    """Return the values of an alarm's periods, the newest first.

    Raises:
        Unsupported: the local cloud does not measure it, or does not know a function in it.
    """
    periods = alarm["EvaluationPeriods"]
    queries = alarm.get("Metrics") or ()
    if alarm.get("MetricName"):
        metric = {key: alarm.get(key) for key in ("Namespace", "MetricName", "Dimensions")}
        statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
        return _series(metric, statistic, alarm.get("Period") or 60, periods, now)
    operands = {
        query["Id"]: _series(stat["Metric"], stat["Stat"], stat["Period"], periods, now)
        for query in queries
        if (stat := query.get("MetricStat"))
    }
    result = next((query for query in queries if query.get("ReturnData", True)), None)
    if result is None:  # MiniStack evaluates an alarm before its queries are noted
        raise Unsupported
    if "Expression" not in result:
        return operands[result["Id"]]
    rows = [{name: series[period] for name, series in operands.items()} for period in range(periods)]
    seconds = max(stat["Period"] for query in queries if (stat := query.get("MetricStat")))
    times = [datetime.fromtimestamp(now - period * seconds, UTC) for period in range(periods)]
    return [calculate(result["Expression"], row, at) for row, at in zip(rows, times, strict=True)]


def _series(metric: Mapping[str, Any], statistic: str, period: float, periods: int, now: float) -> list[Value]:
    """Return a statistic of each of the last periods of a metric, the newest first."""
    cloudwatch = ministack("services.cloudwatch")
    dimensions = cloudwatch._dims_key(cloudwatch._dims_from_list(metric.get("Dimensions") or []))
    points = cloudwatch._metrics.get((metric["Namespace"], metric["MetricName"], dimensions)) or []
    if not points and metric["Namespace"].startswith("AWS/") and metric["Namespace"] not in MEASURED:
        raise Unsupported
    found: list[list[dict[str, Any]]] = [[] for _ in range(periods)]
    for point in points[-metrics.KEPT :]:
        age = int((now - point["Timestamp"]) // period)
        if 0 <= age < periods:
            found[age].append(point)
    return [cloudwatch._stat_value(cloudwatch._calc_stats(each), statistic, each) if each else None for each in found]


def calculate(expression: str, operands: Mapping[str, Value], at: datetime) -> Value:
    """Return the value of metric math in one period; None if it has none, as a quotient by zero.

    Raises:
        Unsupported: it is more than arithmetic, comparisons, FILL, IF, FLOOR, HOUR, MINUTE, and MAX, MIN and SUM of
            a list.
    """
    in_python = expression.strip().replace("&&", " and ").replace("||", " or ")
    try:
        return _calculate(ast.parse(in_python, mode="eval").body, operands, at)
    except SyntaxError:
        raise Unsupported from None


def _calculate(node: ast.expr, operands: Mapping[str, Value], at: datetime) -> Value:
    value = partial(_calculate, operands=operands, at=at)
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in operands:
            return operands[name]
        case ast.BinOp(left=left, op=op, right=right) | ast.Compare(left=left, ops=[op], comparators=[right]) if (
            type(op) in OPERATORS
        ):
            one, other = value(left), value(right)
            if one is None or other is None or (isinstance(op, ast.Div) and not other):
                return None
            return float(OPERATORS[type(op)](one, other))
        case ast.BoolOp(op=op, values=parts):
            return float((all if isinstance(op, ast.And) else any)(value(part) for part in parts))
        case ast.Call(func=ast.Name(id=name), args=args):
            return _call(name, args, value, at)
    raise Unsupported


def _call(name: str, args: Sequence[ast.expr], value: Callable[[ast.expr], Value], at: datetime) -> Value:
    match name, args:
        case "FILL", [inner, default]:
            found = value(inner)
            return value(default) if found is None else found
        case "IF", [condition, one, other]:
            return value(one if value(condition) else other)
        case "HOUR" | "MINUTE", [_]:
            return float(getattr(at, name.lower()))
        case "FLOOR", [inner]:
            found = value(inner)
            return None if found is None else float(floor(found))
        case _, [ast.List(elts=items)] if name in LISTS:
            values = [found for item in items if (found := value(item)) is not None]
            return LISTS[name](values) if values else None
    raise Unsupported
