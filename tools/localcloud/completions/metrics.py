"""Keeps in MiniStack the metrics that AWS has of its services, and those that functions write to their logs."""

from __future__ import annotations

import json
import re
import time
from contextlib import suppress
from functools import reduce
from operator import getitem
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import ministack

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

KEPT: Final = 10_000
"""Points of a metric, the last ones: a day and more."""
SLOT_SECONDS: Final = 10
"""Values of a metric within so many seconds are kept as one set of statistics, which takes less memory."""

FIELD: Final = re.compile(r"""\{\s*\$\.(?P<path>[\w.]+)\s*=\s*"?(?P<value>[^"}]*?)"?\s*\}""")
WORDS: Final = re.compile(r"""-?"[^"]*"|\S+""")


def record(namespace: str, name: str, dimensions: Mapping[str, str], *values: float, unit: str = "None") -> None:
    """Add values to a metric in the account and region of the caller."""
    cloudwatch = ministack("services.cloudwatch")
    points = cloudwatch._metric_bucket((namespace, name, cloudwatch._dims_key(dimensions)))
    now = time.time()
    fresh = {"SampleCount": len(values), "Sum": sum(values), "Minimum": min(values), "Maximum": max(values)}
    last = points[-1].get("_stat") if points and now - points[-1]["Timestamp"] < SLOT_SECONDS else None
    if last is None:
        point = {"Timestamp": now, "Unit": unit, "Dimensions": dict(dimensions), "Value": 0.0, "_stat": fresh}
        points.append(point)
        del points[:-KEPT]
        return
    last["SampleCount"] += fresh["SampleCount"]
    last["Sum"] += fresh["Sum"]
    last["Minimum"] = min(last["Minimum"], fresh["Minimum"])
    last["Maximum"] = max(last["Maximum"], fresh["Maximum"])


def invoked(function: str, seconds: float, *, failed: bool, refused: bool) -> None:
    """Count an invocation ("Using CloudWatch metrics with Lambda", Lambda Developer Guide)."""
    of = {"FunctionName": function}
    if refused:
        record("AWS/Lambda", "Throttles", of, 1, unit="Count")
        return
    record("AWS/Lambda", "Invocations", of, 1, unit="Count")
    record("AWS/Lambda", "Errors", of, int(failed), unit="Count")
    record("AWS/Lambda", "Throttles", of, 0, unit="Count")
    record("AWS/Lambda", "Duration", of, seconds * 1000, unit="Milliseconds")


def behind(function: str, arrival: float) -> None:
    """Note the age of the last record of a batch, which Lambda does when the batch ends."""
    age = max(0.0, time.time() - arrival) * 1000
    record("AWS/Lambda", "IteratorAge", {"FunctionName": function}, age, unit="Milliseconds")


def undelivered(function: str) -> None:
    """Count a message about a discarded batch, which could not be sent."""
    record("AWS/Lambda", "DestinationDeliveryFailures", {"FunctionName": function}, 1, unit="Count")


def filtered(group: str, lines: Sequence[str]) -> None:
    """Count the lines of a log group that match its metric filters, or the filters' default if none does."""
    for (of, _), each in ministack("services.cloudwatch_logs")._metric_filters.items():
        if of != group:
            continue
        [made] = each["metricTransformations"]
        values = [made["metricValue"]] * sum(matches(each["filterPattern"], line) for line in lines)
        with suppress(ValueError):  # a value from a field of the line, which is not read
            if values or made.get("defaultValue") is not None:
                found = map(float, values or [made["defaultValue"]])
                record(made["metricNamespace"], made["metricName"], {}, *found, unit=made.get("unit", "None"))


def matches(pattern: str, line: str) -> bool:
    """Return whether a filter pattern of words, or of one field that equals a text, matches a line.

    The forms are in "Filter pattern syntax" of the CloudWatch Logs User Guide; another form matches nothing.
    """
    if found := FIELD.fullmatch(pattern.strip()):
        with suppress(ValueError, KeyError, TypeError):
            return str(reduce(getitem, found["path"].split("."), json.loads(line))) == found["value"]
        return False
    words = [word.strip('"') for word in WORDS.findall(pattern)]
    return not pattern.startswith(("{", "[")) and all(
        word[1:] not in line if word.startswith("-") else word in line for word in words
    )


def embedded(line: str) -> None:
    """Record the metrics in a line of a log.

    The form is in "Specification: Embedded metric format" of the CloudWatch User Guide; another line has none.
    """
    if not line.startswith("{") or '"_aws"' not in line:
        return
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        found: dict[str, Any] = json.loads(line)
        for directive in found["_aws"]["CloudWatchMetrics"]:
            for names in directive.get("Dimensions") or ((),):
                dimensions = {name: str(found[name]) for name in names}
                for metric in directive["Metrics"]:
                    values = found[metric["Name"]]
                    listed = values if isinstance(values, list) else [values]
                    unit = metric.get("Unit", "None")
                    record(directive["Namespace"], metric["Name"], dimensions, *map(float, listed), unit=unit)
