"""Calls of the functions of processing, and what is said if one fails."""

import io
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from pydantic import TypeAdapter

from shared.contracts import CONTRACTS
from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow import stores
from tools.txmon.flow.deployment import Deployment
from tools.txmon.flow.functions import Function, consumer, migrator

NUMBER = TypeAdapter(int)


def answering(payload: bytes, **more: Any) -> Function:
    return Function("it", lambda **_: {"Payload": io.BytesIO(payload), **more}, "dev", "/logs")


def test_an_answer_is_typed() -> None:
    assert answering(b"7").call({}, NUMBER) == 7


@pytest.mark.parametrize("payload", [b"", b"null", b'"seven"', b'{"errorMessage": "x"}'])
def test_an_answer_of_another_version_is_told_with_the_command(payload: bytes) -> None:
    with pytest.raises(OrchestratorError, match=r"^it does not answer as .* \./inv up processing --env dev$"):
        answering(payload).call({}, NUMBER)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"errorMessage": "Redis does not\\n  answer"}', "Redis does not answer"),
        (b"\xff out of memory", "\ufffd out of memory"),
        (b"[]", "[]"),
    ],
)
def test_a_failure_is_one_line_with_the_reason_and_the_log(payload: bytes, reason: str) -> None:
    with pytest.raises(OrchestratorError) as failed:
        answering(payload, FunctionError="Unhandled").call({}, NUMBER)
    assert str(failed.value) == f"it failed: {reason}; its log is /logs"


def test_functions_are_called_in_their_own_account() -> None:
    outputs = {layer: contract.example() for layer, contract in CONTRACTS.items()}
    deployment = Deployment("dev", outputs, boto3.Session("a", "b"), "http://127.0.0.1:1")
    account = "arn:aws:lambda:ap-northeast-1:123456789012:function"
    assert migrator(deployment).name == f"{account}:transaction-migrator-dev"
    assert consumer(deployment).name == f"{account}:transaction-consumer-dev"


@pytest.mark.parametrize("ask", [migrator, consumer])
def test_without_servers_no_function_is_called(ask: Callable[[Deployment], Function]) -> None:
    outputs = {"processing": CONTRACTS["processing"].example() | {"schema_version": 0}}
    with pytest.raises(OrchestratorError, match=r"^no server runs for PostgreSQL or Redis here, .*: \./inv doctor"):
        ask(Deployment("local", outputs, boto3.Session("a", "b")))


def test_history_is_rebuilt_for_as_long_as_redis_keeps_it(function) -> None:
    asked = function(lambda _: {"written": 7})
    assert stores.rebuild_history(asked, 24) == 7
    assert asked.events == [{"rebuild": 24}]


def test_payloads_come_in_parts_that_fit_into_an_answer(function) -> None:
    moment = "2026-01-02T03:04:05+00:00"
    row = {"reason": "r", "conflicting": False, "arrived_at": moment, "rejected_at": moment}
    asked = function(lambda event: [{"id": identity} | row for identity in event["rejected"]["ids"]])
    ids = [f"s/{number}" for number in range(9)]
    assert [each.id for each in stores.payloads(asked, ids)] == ids
    assert [len(event["rejected"]["ids"]) for event in asked.events] == [4, 4, 1]


def test_the_newest_transactions_are_those_of_the_status(function) -> None:
    row = {
        "transaction_id": "t-1",
        "occurred_at": "2026-01-02T03:04:05+00:00",
        "customer_id": "c-1",
        "amount": "12.50",
        "currency": "JPY",
        "body": {},
        "arrived_at": "2026-01-02T03:04:05+00:00",
        "stored_at": "2026-01-02T03:04:06+00:00",
    }
    status = {
        "schema_version": 1, "transactions": 1, "rejected": 0, "conflicting": 0, "newest": [row], "lag_seconds": 1.0
    }  # fmt: skip
    asked = function(lambda _: status)
    [newest] = stores.transactions(asked, identity=None, customer=None).postgresql
    assert newest.transaction_id == "t-1"


def test_a_customer_or_an_id_is_asked_for(function) -> None:
    asked = function(lambda _: {"postgresql": [], "redis": []})
    stores.transactions(asked, identity="t", customer=None)
    stores.transactions(asked, identity=None, customer="c")
    assert asked.events == [{"transactions": {"id": "t"}}, {"transactions": {"customer": "c", "limit": stores.SHOWN}}]
