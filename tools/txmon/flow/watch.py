"""What passes through an environment now: rates from CloudWatch, counts from the stores, and the alarms that ring."""

from __future__ import annotations

import os
import time
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.console import Group
from rich.live import Live
from rich.text import Text

from shared.names import HEARTBEAT
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.render import palette
from tools.orchestrator.render.table import table
from tools.txmon.flow import render, stores
from tools.txmon.flow.functions import migrator

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rich.console import Console, RenderableType

    from tools.txmon.flow.deployment import Deployment
    from tools.txmon.flow.functions import Function

MINUTES: Final = 5
"""How far the rates look back; CloudWatch shows a minute some minutes after its end."""
STATUS_SECONDS: Final = 60
LOCAL_INTERVAL: Final = 2.0
AWS_INTERVAL: Final = 5.0
"""Seconds between two looks. A look is one invocation and two calls of CloudWatch."""
SUMS: Final = {
    "in": "IncomingRecords",
    "stored": "Stored",
    "repeated": "Repeated",
    "rejected": "Rejected",
    "conflicting": "Conflicting",
}
"""Word -> the metric that counts it: of Kinesis, then of the consumer."""
BAD: Final = palette.TONES["bad"].terminal
NAMESPACE: Final = "TransactionMonitoring"


@dataclass(frozen=True)
class Minute:
    """A count in the newest minute that CloudWatch knows, and in the last five; None if it knows of none."""

    newest: int | None = None
    all: int | None = None


NONE: Final = Minute()


@dataclass(frozen=True)
class Look:
    """What is seen at one time."""

    at: datetime
    counts: Mapping[str, Minute]
    status: stores.Status | str
    """What the stores hold, or why that cannot be told, as while PostgreSQL is away."""
    ringing: list[str]

    @property
    def line(self) -> str:
        """This look as one line for a log."""
        rates = ", ".join(f"{word} {render.number(minute.newest)}" for word, minute in self.counts.items())
        return f"{self.at:%H:%M:%S} newest minute: {rates}; {_in_all(self.status)}; {self._alarms}"

    @property
    def page(self) -> RenderableType:
        """This look as a page for a terminal."""
        headings = ("", "newest minute", f"last {MINUTES} min")
        rows = [
            (word, render.number(minute.newest), render.number(minute.all)) for word, minute in self.counts.items()
        ]
        counted = table(*headings, rows=rows, right=headings[1:], title=f"{self.at:%H:%M:%S} UTC")
        alarms = Text(self._alarms, BAD if self.ringing else palette.TONES["good"].terminal)
        if isinstance(self.status, str):
            return Group(counted, Text(self.status, BAD), alarms)
        return Group(counted, _in_all(self.status), alarms, "", render.stored(self.status.newest, "newest"))

    @property
    def _alarms(self) -> str:
        return f"ringing: {', '.join(self.ringing) or 'nothing'}"


def _in_all(status: stores.Status | str) -> str:
    if isinstance(status, str):
        return status
    return (
        f"in all: {status.transactions:,} stored, {status.rejected:,} rejected, {status.conflicting:,} conflicting; "
        f"lag {render.seconds(status.lag_seconds)}"
    )


@dataclass(frozen=True)
class Observer:
    """Looks at one environment."""

    deployment: Deployment
    cloudwatch: Any
    migrator: Function

    def look(self) -> Look:
        now = datetime.now(UTC)
        return Look(now, self._counts(now), self._status(), self._ringing())

    def _status(self) -> stores.Status | str:
        try:
            return stores.status(self.migrator)
        except OrchestratorError as error:
            return str(error)  # watching goes on: it is in an outage that one watches

    def _counts(self, now: datetime) -> dict[str, Minute]:
        """Return the counts of whole minutes, and of the minute that is not over."""
        answer = self.cloudwatch.get_metric_data(
            MetricDataQueries=[_query(word, self._metric(metric)) for word, metric in SUMS.items()],
            StartTime=now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1),
            EndTime=now + timedelta(minutes=1),
        )
        by_minute = {
            result["Id"]: dict(zip(result["Timestamps"], map(int, result["Values"]), strict=True))
            for result in answer["MetricDataResults"]
        }
        found = {word: by_minute.get(f"sum_{word}", {}) for word in SUMS}
        return {word: Minute(each[max(each)], sum(each.values())) if each else NONE for word, each in found.items()}

    def _metric(self, name: str) -> dict[str, Any]:
        if name == "IncomingRecords":
            stream = self.deployment.output("streaming", "kinesis_stream_name")
            return _metric("AWS/Kinesis", name, StreamName=stream)
        return _metric(NAMESPACE, name, Environment=self.deployment.names.suffix)

    def _ringing(self) -> list[str]:
        prefix = self.deployment.names.alarm("")
        answer = self.cloudwatch.describe_alarms(
            AlarmNamePrefix=prefix, StateValue="ALARM", AlarmTypes=["MetricAlarm", "CompositeAlarm"], MaxRecords=100
        )
        alarms = [*answer.get("MetricAlarms", ()), *answer.get("CompositeAlarms", ())]
        return sorted({alarm["AlarmName"].removeprefix(prefix) for alarm in alarms} - {HEARTBEAT})


def _metric(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": named}


def _query(word: str, metric: Mapping[str, Any]) -> dict[str, Any]:
    return {"Id": f"sum_{word}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}}


def open_observer(deployment: Deployment) -> Observer:
    asked = migrator(deployment, seconds=STATUS_SECONDS)
    return Observer(deployment, deployment.client("cloudwatch"), asked)


def follow(
    look: Callable[[], Look],
    console: Console,
    seconds: float,
    interval: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Show a look at every interval for so long: live on a terminal, otherwise a line each."""
    end = clock() + seconds
    live = Live(console=console, auto_refresh=False) if console.is_terminal and "CI" not in os.environ else None
    with live or nullcontext():
        while True:
            seen = look()
            if live:
                live.update(seen.page, refresh=True)
            else:
                console.print(seen.line, soft_wrap=True)
            if clock() + interval > end:
                return
            sleep(interval)
