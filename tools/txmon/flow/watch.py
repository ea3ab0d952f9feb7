"""What passes through an environment now: rates from CloudWatch, counts from the stores, and the alarms that ring."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
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
    from collections.abc import Callable

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
WAITING: Final = "Waiting"
"""The metric of how long the oldest record of a batch has waited, once a second while a store is away."""
WAITING_MINUTES: Final = 3
"""How old a minute of it may be: CloudWatch shows one two minutes after its end."""
Minutes = Mapping[datetime, float]
"""What a metric was in each minute, by the minute's begin."""
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
    waiting: float | None = None
    """How long the oldest record has waited for a store, in seconds; None if none waits."""

    @property
    def line(self) -> str:
        """This look as one line for a log."""
        rates = ", ".join(f"{word} {render.number(minute.newest)}" for word, minute in self.counts.items())
        return f"{self.at:%H:%M:%S} newest minute: {rates}; {self._state}; {self._alarms}"

    @property
    def page(self) -> RenderableType:
        """This look as a page for a terminal."""
        headings = ("", "newest minute", f"last {MINUTES} min")
        rows = [
            (word, render.number(minute.newest), render.number(minute.all)) for word, minute in self.counts.items()
        ]
        counted = table(*headings, rows=rows, right=headings[1:], title=f"{self.at:%H:%M:%S} UTC")
        alarms = Text(self._alarms, BAD if self.ringing else palette.TONES["good"].terminal)
        state = Text(self._state, BAD if isinstance(self.status, str) or self.waiting is not None else "")
        if isinstance(self.status, str):
            return Group(counted, state, alarms)
        return Group(counted, state, alarms, "", render.stored(self.status.newest, "newest"))

    @property
    def _state(self) -> str:
        """What the stores hold, and the lag: of the batch that waits, or else of what was stored last."""
        if self.waiting is not None:
            return f"{_in_all(self.status)}; lag {render.seconds(self.waiting)}: a batch has waited for a store"
        if isinstance(self.status, str):
            return self.status
        return f"{_in_all(self.status)}; lag {render.seconds(self.status.lag_seconds)}"

    @property
    def _alarms(self) -> str:
        return f"ringing: {', '.join(self.ringing) or 'nothing'}"


def _in_all(status: stores.Status | str) -> str:
    if isinstance(status, str):
        return status
    return f"in all: {status.transactions:,} stored, {status.rejected:,} rejected, {status.conflicting:,} conflicting"


@dataclass(frozen=True)
class Observer:
    """Looks at one environment."""

    deployment: Deployment
    cloudwatch: Any
    migrator: Function
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def look(self) -> Look:
        now = self.clock()
        minutes, status = self._minutes(now), self._status()
        counts = {word: _counted(minutes[word]) for word in SUMS}
        return Look(now, counts, status, self._ringing(), _waiting(minutes[WAITING], now, status))

    def _status(self) -> stores.Status | str:
        try:
            return stores.status(self.migrator)
        except OrchestratorError as error:
            return str(error)  # watching goes on: it is in an outage that one watches

    def _minutes(self, now: datetime) -> Mapping[str, Minutes]:
        """Return what CloudWatch has of whole minutes, and of the minute that is not over."""
        sums = [_query(word, self._metric(metric), "Sum") for word, metric in SUMS.items()]
        answer = self.cloudwatch.get_metric_data(
            MetricDataQueries=[*sums, _query(WAITING, self._metric(WAITING), "Maximum")],
            StartTime=now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1),
            EndTime=now + timedelta(minutes=1),
        )
        by_minute = {
            result["Id"]: dict(zip(result["Timestamps"], result["Values"], strict=True))
            for result in answer["MetricDataResults"]
        }
        return {word: by_minute.get(f"of_{word}", {}) for word in (*SUMS, WAITING)}

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


def _counted(minutes: Minutes) -> Minute:
    return Minute(int(minutes[max(minutes)]), int(sum(minutes.values()))) if minutes else NONE


def _waiting(minutes: Minutes, now: datetime, status: stores.Status | str) -> float | None:
    """Return how long a batch has waited, unless the last such minute is past, or something was stored after it."""
    if not minutes:
        return None
    last = max(minutes)
    stored_at = status.newest[0].stored_at if isinstance(status, stores.Status) and status.newest else last
    is_over = now - last > timedelta(minutes=WAITING_MINUTES) or stored_at > last + timedelta(minutes=1)
    return None if is_over else minutes[last]


def _metric(namespace: str, name: str, **dimensions: str) -> dict[str, Any]:
    named = [{"Name": key, "Value": value} for key, value in dimensions.items()]
    return {"Namespace": namespace, "MetricName": name, "Dimensions": named}


def _query(word: str, metric: Mapping[str, Any], statistic: str) -> dict[str, Any]:
    return {"Id": f"of_{word}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": statistic}}


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
