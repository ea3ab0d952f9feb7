"""An alarm as data: what it measures, when it rings, and its runbook."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pulumi import Input

MissingData = Literal["notBreaching", "missing", "breaching"]
"""How CloudWatch treats a period without data: good for a counter, unknown for a gauge, bad for a sign of life."""

Datapoints = tuple[int, int]
"""How many periods must be bad, of how many ("M out of N" in the CloudWatch User Guide)."""

ONCE: Datapoints = (1, 1)
THREE_OF_THREE: Datapoints = (3, 3)
FIVE_OF_FIVE: Datapoints = (5, 5)
QUARTER_HOUR: Datapoints = (15, 15)
"""For periods of a minute."""

FIVE_MINUTES = 300
"""In seconds."""


Domain = Literal["ingest", "consumer", "database", "cache"]
"""A part of the system; its composite alarm, as `cache-unhealthy`, rings while one of the part's alarms does."""

Audience = Literal["team", "pager", "switch", "fallback"] | Domain
"""Whom an alarm is for: the subscribers who receive everything; the pager, too, by itself or by a domain's composite
alarm; only the dead man's switch; or everybody, by the topic that does not need the key."""


@dataclass(frozen=True)
class Metric:
    """A metric of one resource."""

    namespace: str
    name: Input[str]
    dimensions: Mapping[str, Input[str]]
    statistic: str


@dataclass(frozen=True)
class Expression:
    """Metric math over operands by id, or a Metrics Insights query, which has no operands."""

    text: Input[str]
    operands: Mapping[str, Metric]


@dataclass(frozen=True)
class Threshold:
    """When a metric is bad, and for how many periods of `seconds` each until the alarm rings."""

    comparison: Literal["GreaterThanThreshold", "LessThanThreshold"]
    value: Input[float]
    datapoints: Datapoints
    seconds: int
    missing: MissingData


def above(
    value: Input[float],
    datapoints: Datapoints = (3, 5),
    *,
    seconds: int = 60,
    missing: MissingData = "notBreaching",
) -> Threshold:
    """Return a threshold for a metric that is bad above `value`."""
    return Threshold("GreaterThanThreshold", value, datapoints, seconds, missing)


def below(value: Input[float], datapoints: Datapoints, *, seconds: int = 60, missing: MissingData) -> Threshold:
    """Return a threshold for a metric that is bad below `value`."""
    return Threshold("LessThanThreshold", value, datapoints, seconds, missing)


@dataclass(frozen=True)
class Alarm:
    """One alarm; its name follows the environment's prefix in CloudWatch."""

    name: str
    metric: Metric | Expression
    threshold: Threshold
    runbook: str
    """What the alarm means and what to do first. It becomes the alarm's description."""
    audience: Audience = "team"
    """A domain if other alarms ring in the same incident, which then pages once.

    `pager` if the alarm may ring for days, in which its composite alarm would page nobody of another incident, or if
    it says that an incident has become worse.
    """

    @property
    def notifies_of_its_end(self) -> bool:
        """Return whether it notifies when it ends, too, which closes the pager's incident."""
        return self.audience in {"pager", "switch", "fallback"}
