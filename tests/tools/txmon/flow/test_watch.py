"""What `./inv watch` asks of CloudWatch and the stores, and how it shows it."""

import io
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from rich.console import Console

from tools.txmon.flow.deployment import Deployment
from tools.txmon.flow.stores import Status
from tools.txmon.flow.watch import Look, Minute, Observer, follow

STATUS = {
    "schema_version": 1,
    "transactions": 42113,
    "rejected": 3,
    "conflicting": 1,
    "newest": [
        {
            "transaction_id": "t-1",
            "occurred_at": "2026-01-02T03:04:05+09:00",
            "customer_id": "customer-1",
            "amount": "1280.00",
            "currency": "JPY",
            "arrived_at": "2026-01-02T03:04:05+09:00",
            "stored_at": "2026-01-02T03:04:06+09:00",
        }
    ],
    "lag_seconds": 0.061,
}
OUTPUTS = {"streaming": {"environment_suffix": "dev", "region": "r", "kinesis_stream_name": "transaction-stream-dev"}}


class CloudWatch:
    """A CloudWatch that knows two metrics, what a test gives of `Waiting`, and two alarms that ring."""

    def __init__(self, **waiting: float) -> None:
        self.requests: list[Mapping[str, Any]] = []
        self.waiting = {int(minute.removeprefix("minute_")): seconds for minute, seconds in waiting.items()}

    def get_metric_data(self, **request: Any) -> Mapping[str, Any]:
        self.requests.append(request)
        known = {"IncomingRecords": {3: 998.0, 4: 1002.0}, "Stored": {3: 1000.0}, "Waiting": self.waiting}
        results = []
        for query in request["MetricDataQueries"]:
            values = known.get(query["MetricStat"]["Metric"]["MetricName"], {})
            times = [datetime(2026, 1, 1, 0, minute, tzinfo=UTC) for minute in values]
            results.append({"Id": query["Id"], "Timestamps": times, "Values": list(values.values())})
        return {"MetricDataResults": results}

    def describe_alarms(self, **request: Any) -> Mapping[str, Any]:
        self.requests.append(request)
        prefix = request["AlarmNamePrefix"]
        return {
            "MetricAlarms": [{"AlarmName": f"{prefix}{name}"} for name in ("transactions-rejected", "heartbeat")],
            "CompositeAlarms": [{"AlarmName": f"{prefix}paging"}],
        }


@pytest.fixture
def observer(function) -> Observer:
    return Observer(Deployment("dev", OUTPUTS, boto3.Session()), CloudWatch(), function(lambda _: STATUS))


def test_a_look_has_rates_counts_and_the_alarms_that_ring(observer: Observer) -> None:
    look = observer.look()
    assert look.counts["in"] == Minute(1002, 2000)
    assert look.counts["stored"] == Minute(1000, 1000)
    assert look.counts["repeated"] == Minute(None, None)
    assert look.status == Status.model_validate(STATUS)
    assert look.ringing == ["paging", "transactions-rejected"]


def test_the_metrics_asked_for_are_the_environments_own(observer: Observer) -> None:
    observer.look()
    queries, alarms = observer.cloudwatch.requests
    metrics = [query["MetricStat"]["Metric"] for query in queries["MetricDataQueries"]]
    assert {metric["Namespace"]: metric["Dimensions"] for metric in metrics} == {
        "AWS/Kinesis": [{"Name": "StreamName", "Value": "transaction-stream-dev"}],
        "TransactionMonitoring": [{"Name": "Environment", "Value": "dev"}],
    }
    assert alarms["AlarmNamePrefix"] == "transaction-monitoring-dev/"


def test_a_line_tells_the_same_as_the_page(observer: Observer) -> None:
    line = observer.look().line
    assert line.partition(" ")[2] == (
        "newest minute: in 1,002, stored 1,000, repeated -, rejected -, conflicting -; in all: 42,113 stored, "
        "3 rejected, 1 conflicting; lag 0.06 s; ringing: paging, transactions-rejected"
    )
    console = Console(file=io.StringIO(), width=200)
    console.print(observer.look().page)
    page = console.file.getvalue()  # type: ignore[attr-defined]
    for shown in ("1,002", "42,113", "0.06 s", "ringing: paging, transactions-rejected", "t-1", "1280.00"):
        assert shown in page


def test_watching_goes_on_while_a_store_is_away(function) -> None:
    def away(_event: object) -> object:
        raise RuntimeError("PostgreSQL does not answer")

    look = Observer(Deployment("dev", OUTPUTS, boto3.Session()), CloudWatch(), function(away)).look()
    sentence = "; it failed: PostgreSQL does not answer; its log is /logs; ringing: paging"
    assert sentence in look.line
    console = Console(file=io.StringIO(), width=200)
    console.print(look.page)
    assert "PostgreSQL does not answer" in console.file.getvalue()  # type: ignore[attr-defined]


def seen(function, minute: int, stored_at: str | None, **waiting: float) -> str:
    """Return the line of a look in a minute, when CloudWatch has these values of `Waiting`."""

    def answer(_event: object) -> object:
        if stored_at is None:
            raise RuntimeError("PostgreSQL does not answer")
        [row] = STATUS["newest"]  # type: ignore[misc]
        return STATUS | {"newest": [row | {"stored_at": f"2026-01-01T00:{stored_at}Z"}]}

    now = datetime(2026, 1, 1, 0, minute, 30, tzinfo=UTC)
    deployment = Deployment("dev", OUTPUTS, boto3.Session())
    return Observer(deployment, CloudWatch(**waiting), function(answer), lambda: now).look().line


@pytest.mark.parametrize("stored_at", ["01:00", None])
def test_the_lag_in_an_outage_is_that_of_the_batch_that_waits(function, stored_at: str | None) -> None:
    line = seen(function, 5, stored_at, minute_4=61.5, minute_5=90.25)
    assert "; lag 90.25 s: a batch has waited for a store; ringing: " in line
    assert "0.06 s" not in line


@pytest.mark.parametrize(("minute", "stored_at"), [(6, "05:59"), (7, "05:01")])
def test_cloudwatch_may_be_two_minutes_behind_an_outage(function, minute: int, stored_at: str) -> None:
    assert "; lag 90.25 s: a batch has waited" in seen(function, minute, stored_at, minute_5=90.25)


@pytest.mark.parametrize(("minute", "stored_at"), [(6, "06:01"), (9, "05:01")])
def test_an_outage_is_over_when_something_is_stored_or_time_has_passed(function, minute: int, stored_at: str) -> None:
    assert "; lag 0.06 s; ringing: " in seen(function, minute, stored_at, minute_5=90.25)


def watched(*, terminal: bool, seconds: float) -> tuple[list[float], str]:
    """Follow with looks two seconds apart; return when they were, and what was printed."""
    now, looks = [0.0], list[float]()
    console = Console(file=io.StringIO(), force_terminal=terminal, width=200)

    def look() -> Look:
        looks.append(now[0])
        status = Status.model_validate(STATUS | {"transactions": len(looks)})
        return Look(datetime(2026, 1, 2, tzinfo=UTC), {"in": Minute(None, None)}, status, [])

    sleep: Callable[[float], None] = lambda passed: now.__setitem__(0, now[0] + passed)  # noqa: E731 (a clock)
    follow(look, console, seconds, 2, sleep=sleep, clock=lambda: now[0])
    return looks, console.file.getvalue()  # type: ignore[attr-defined]


def test_watching_ends_when_its_time_is_over() -> None:
    looks, printed = watched(terminal=False, seconds=7)
    assert looks == [0, 2, 4, 6]
    assert [line.partition("in all: ")[2].partition(",")[0] for line in printed.splitlines()] == [
        "1 stored",
        "2 stored",
        "3 stored",
        "4 stored",
    ]


def test_a_terminal_shows_one_page_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    looks, printed = watched(terminal=True, seconds=3)
    assert len(looks) == 2
    assert "\x1b[" in printed
    assert "newest minute:" not in printed
