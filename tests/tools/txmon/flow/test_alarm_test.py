"""What `./inv alarm-test` refuses, and what it leaves behind."""

import itertools
import json
from typing import Any

import boto3
import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.alarm_test import Alarm, find, ring, subscribers
from tools.txmon.flow.deployment import Deployment

PREFIX = "transaction-monitoring-dev/"
TOPIC = "arn:aws:sns:ap-northeast-1:123456789012:transaction-alerts-dev"
RULE = f'ALARM("{PREFIX}database-down") OR ALARM("{PREFIX}database-storage")'


def alarm(name: str, state: str = "OK", **facts: Any) -> dict[str, Any]:
    return {"AlarmName": PREFIX + name, "StateValue": state, "AlarmActions": [TOPIC], **facts}


class Aws(Deployment):
    """An account with some alarms and a subscriber, which notes its calls and delivers messages."""

    def __init__(self, *messages: dict[str, Any], composite: str = "OK") -> None:
        super().__init__("dev", {"streaming": {"environment_suffix": "dev"}}, boto3.Session())
        object.__setattr__(self, "calls", [])
        object.__setattr__(self, "messages", list(messages))
        object.__setattr__(self, "composite", composite)

    def client(self, *_: str, **__: Any) -> Any:
        return self

    def get_paginator(self, _: str) -> Any:
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        if "TopicArn" in request:
            each = {"Protocol": "email", "TopicArn": TOPIC, "Endpoint": "secret@example.com"}
            return [{"Subscriptions": [each | {"SubscriptionArn": arn} for arn in ("arn:1", "PendingConfirmation")]}]
        metric = [alarm("database-down"), alarm("database-storage"), alarm("stream-silent", "ALARM")]
        return [
            {
                "MetricAlarms": metric,
                "CompositeAlarms": [alarm("database-unhealthy", self.composite, AlarmRule=RULE)],
            }
        ]

    def __getattr__(self, name: str) -> Any:
        def call(**request: Any) -> dict[str, Any]:
            self.calls.append((name, request.get("StateValue")))
            messages = [self.messages.pop(0)] if name == "receive_message" and self.messages else []
            return {
                "QueueUrl": "url",
                "SubscriptionArn": "arn",
                "Messages": [{"Body": json.dumps(message)} for message in messages],
            }

        return call


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("database-dwon", "there is no alarm 'database-dwon' in dev; did you mean 'database-down'?"),
        ("database-unhealthy", "database-unhealthy rings with others: test database-down or database-storage"),
        ("stream-silent", "stream-silent rings already, and would not notify again"),
    ],
)
def test_an_alarm_that_cannot_be_tested_is_refused(name: str, message: str) -> None:
    with pytest.raises(OrchestratorError) as refused:
        find(Aws(), name)
    assert str(refused.value) == message


@pytest.mark.parametrize(("composite", "expected"), [("OK", ["database-unhealthy"]), ("ALARM", [])])
def test_a_composite_alarm_rings_too_unless_it_does_already(composite: str, expected: list[str]) -> None:
    found = find(Aws(composite=composite), "database-down")
    assert [each.name for each in found] == ["database-down", *expected]


def test_what_arrives_is_shown_and_the_test_leaves_nothing() -> None:
    aws = Aws(
        {"Event Source": "db-instance"},
        {"AlarmName": f"{PREFIX}database-down", "NewStateValue": "OK"},
        {"AlarmName": f"{PREFIX}database-unhealthy", "NewStateValue": "ALARM"},
        {"AlarmName": f"{PREFIX}database-down", "NewStateValue": "ALARM"},
    )
    ticks = itertools.count()
    arrived = ring(aws, find(aws, "database-down"), clock=lambda: next(ticks))
    assert list(arrived) == ["database-unhealthy", "database-down"]
    assert [call for call in aws.calls if call[0] != "receive_message"] == [
        ("create_queue", None),
        ("subscribe", None),
        ("set_alarm_state", "ALARM"),
        ("set_alarm_state", "OK"),
        ("unsubscribe", None),
        ("delete_queue", None),
    ]


def test_a_notification_that_does_not_arrive_fails_with_where_to_look() -> None:
    aws, ticks = Aws(), itertools.count(step=40)
    with pytest.raises(OrchestratorError) as failed:
        ring(aws, [Alarm(f"{PREFIX}database-down", PREFIX, [TOPIC])], clock=lambda: next(ticks))
    assert str(failed.value) == (
        "nothing was heard of database-down for 90 s; the alarm's history says why: aws cloudwatch"
        f" describe-alarm-history --history-item-type Action --alarm-name {PREFIX}database-down"
    )
    assert aws.calls[-3:] == [("set_alarm_state", "OK"), ("unsubscribe", None), ("delete_queue", None)]


def test_subscribers_are_named_without_their_addresses() -> None:
    aws = Aws()
    assert subscribers(aws, find(aws, "database-down")) == [
        "email of transaction-alerts-dev",
        "email of transaction-alerts-dev, which is not confirmed and hears nothing",
    ]
