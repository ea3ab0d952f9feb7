"""Rules on transactions, on a real PostgreSQL and a real Valkey."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from projects.processing.app.errors import UnavailableError
from projects.processing.app.rules import Rules
from tests.support.processing import Flow, event, metrics, transaction

pytestmark = pytest.mark.local

EXAMPLE = {
    "amount": {"JPY": 1_000_000, "USD": 5000.5},
    "velocity": {"transactions": 3, "seconds": 60},
    "repeat": {"seconds": 120},
}


def found(system: Flow) -> set[tuple[str, str]]:
    listed = system.migrator.handle({"findings": {"limit": 100}})
    json.dumps(listed)
    return {(each["transaction_id"], each["rule"]) for each in listed}


def put(system: Flow, *contents: Any, **rules: Any) -> set[tuple[str, str]]:
    """Hand a batch to a consumer with these rules, and return all that was found."""
    system.consumer = system.new_consumer(rules=json.dumps(rules))
    assert system.put(*contents) == {"batchItemFailures": []}
    return found(system)


def errors(capfd: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lines = map(json.loads, capfd.readouterr().out.splitlines())
    return [line for line in lines if line.get("level") == "ERROR"]


def at(seconds: float) -> str:
    return (datetime.now(UTC) - timedelta(minutes=10) + timedelta(seconds=seconds)).isoformat()


def test_the_rules_are_what_the_variable_says() -> None:
    limits = {"JPY": Decimal(1_000_000), "USD": Decimal("5000.5")}
    assert Rules.read(json.dumps(EXAMPLE)) == Rules(limits, 3, 60, 120)
    assert Rules.read("{}") == Rules()


@pytest.mark.parametrize("text", ['{"velocity": {}}', '{"amount": {"JPY": "much"}}', "[]", ""])
def test_rules_that_are_malformed_are_refused_at_the_start(text: str) -> None:
    with pytest.raises((ArithmeticError, AttributeError, KeyError, ValueError)):
        Rules.read(text)


def test_nothing_is_found_without_rules(system: Flow) -> None:
    same = {"merchant": "m", "amount": 10**12, "customer_id": "c"}

    assert put(system, *(transaction(number, **same) for number in range(9))) == set()


def test_an_amount_above_the_limit_of_its_currency_is_found(system: Flow) -> None:
    sent = [
        transaction(1, amount=1_000_000),
        transaction(2, amount="1000000.01"),
        transaction(3, amount=2_000_000, currency="EUR"),
        transaction(4, amount=5000.51, currency="USD"),
    ]

    assert put(system, *sent, amount=EXAMPLE["amount"]) == {("t-2", "amount"), ("t-4", "amount")}


def test_many_transactions_of_a_customer_in_a_short_time_are_found(system: Flow) -> None:
    times = [0, 30, 59, 61, 200]
    sent = [transaction(number, customer_id="c", occurred_at=at(time)) for number, time in enumerate(times)]

    assert put(system, *sent, transaction(9), velocity=EXAMPLE["velocity"]) == {
        ("t-2", "velocity"),
        ("t-3", "velocity"),
    }


@pytest.mark.parametrize("together", [True, False])
def test_a_double_charge_is_found_once_and_on_the_later(system: Flow, together: bool) -> None:
    same = {"customer_id": "c", "merchant": "m", "amount": 500}
    sent = [
        transaction(1, **same, occurred_at=at(0)),
        transaction(2, **same, occurred_at=at(100)),
        transaction(3, **same, occurred_at=at(300)),
        transaction(4, **same | {"merchant": "other"}, occurred_at=at(101)),
        transaction(5, **same | {"amount": 501}, occurred_at=at(102)),
    ]
    for batch in [sent] if together else [[each] for each in sent]:
        put(system, *batch, repeat=EXAMPLE["repeat"])

    assert found(system) == {("t-2", "repeat")}


def test_a_finding_is_counted_once_however_often_a_batch_comes(
    system: Flow, capfd: pytest.CaptureFixture[str]
) -> None:
    system.consumer = system.new_consumer(rules=json.dumps(EXAMPLE))
    delivery = event([transaction(1, amount=10**7), transaction(2, amount=10**7), transaction(3)])
    for _ in range(3):
        system.consumer.handle(delivery)

    written = [line for line in metrics(capfd.readouterr().out) if "Findings" in line]
    assert [(line["Environment"], line["Rule"], line["Findings"]) for line in written] == [("test", "amount", 2)]
    assert found(system) == {("t-1", "amount"), ("t-2", "amount")}


@pytest.mark.parametrize(
    ("rule", "values"), [("velocity", {"transactions": 10**12, "seconds": 1}), ("repeat", {"seconds": 1e300})]
)
def test_a_rule_that_postgresql_refuses_fails_alone(
    system: Flow, rule: str, values: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    sent = [transaction(1, amount=10**7), transaction(2)]

    assert put(system, *sent, **{"amount": EXAMPLE["amount"], rule: values}) == {("t-1", "amount")}

    assert system.counts() == (2, 0, 0)
    [error] = errors(capfd)
    assert error["message"].startswith(f"the rule {rule} was not checked: PostgreSQL says: ")
    assert error["transactions"] == 2


def test_a_rule_that_is_slow_stops_no_transaction(system: Flow, capfd: pytest.CaptureFixture[str]) -> None:
    system.consumer = system.new_consumer(rules=json.dumps(EXAMPLE))
    holder = system.master()
    with holder.transaction():
        holder.run("LOCK TABLE findings")
        assert system.put(transaction(1, amount=10**7)) == {"batchItemFailures": []}
    holder.close()

    assert system.counts() == (1, 0, 0)
    assert system.history().keys() == {"tx:t-1"}
    messages = [error["message"] for error in errors(capfd)]
    assert len(messages) == len(EXAMPLE)
    assert all("statement timeout (57014)" in message for message in messages)
    assert put(system, transaction(2, amount=10**7), **EXAMPLE) == {("t-2", "amount")}


def test_a_session_that_is_lost_in_a_rule_is_an_outage(system: Flow) -> None:
    database = system.consumer_database()

    def lose() -> None:
        with database.transaction(), database.savepoint(1):
            database.run("SELECT pg_terminate_backend(pg_backend_pid())")

    with pytest.raises(UnavailableError):
        lose()


def test_velocity_reads_no_more_of_a_busy_customer_than_it_needs(system: Flow) -> None:
    system.sql("""
        INSERT INTO transactions SELECT 'old-' || n, now(), 'busy', 1, 'JPY', '{}', '', now()
        FROM generate_series(1, 50000) AS n""")
    busy = [transaction(number, customer_id="busy") for number in range(500)]

    expected = {(each["transaction_id"], "velocity") for each in busy}
    system.consumer = system.new_consumer(rules=json.dumps({"velocity": EXAMPLE["velocity"]}))
    system.put(*busy)

    listed = system.migrator.handle({"findings": {"limit": 1000}})
    assert {(each["transaction_id"], each["rule"]) for each in listed} == expected
