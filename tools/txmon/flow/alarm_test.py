"""Sets an alarm, and waits for its notifications at a queue that subscribes to them for the test."""

from __future__ import annotations

import json
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tools.txmon.flow.deployment import Deployment

ARRIVAL_SECONDS: Final = 90
"""How long a notification may take. CloudWatch needs seconds, SNS tries a refused delivery for a minute."""
POLL_SECONDS: Final = 2
REASON: Final = "a test: ./inv alarm-test"


@dataclass(frozen=True)
class Alarm:
    """An alarm that will notify."""

    full_name: str
    prefix: str
    topics: Sequence[str]

    @property
    def name(self) -> str:
        return self.full_name.removeprefix(self.prefix)


def find(deployment: Deployment, name: str) -> list[Alarm]:
    """Return the alarm, then the composite alarms that will ring with it.

    Raises:
        OrchestratorError: there is no such alarm, it is a composite one, or it rings already.
    """
    prefix = deployment.names.alarm("")
    pages = deployment.client("cloudwatch").get_paginator("describe_alarms")
    found = list(pages.paginate(AlarmNamePrefix=prefix, AlarmTypes=["MetricAlarm", "CompositeAlarm"]))
    metric = {each["AlarmName"].removeprefix(prefix): each for page in found for each in page["MetricAlarms"]}
    composite = {each["AlarmName"].removeprefix(prefix): each for page in found for each in page["CompositeAlarms"]}
    if name in composite:
        # CloudWatch would not set it back (API reference, SetAlarmState).
        parts = " or ".join(part for part in metric if _has_part(composite[name], prefix + part))
        raise OrchestratorError(f"{name} rings with others: test {parts}")
    if name not in metric:
        raise OrchestratorError(f"there is no alarm {name!r} in {deployment.env}; {suggestion(name, list(metric))}")
    if metric[name]["StateValue"] == "ALARM":
        raise OrchestratorError(f"{name} rings already, and would not notify again")
    with_it = [
        each for each in composite.values() if _has_part(each, prefix + name) and each["StateValue"] != "ALARM"
    ]
    return [Alarm(each["AlarmName"], prefix, each["AlarmActions"]) for each in (metric[name], *with_it)]


def _has_part(composite: dict[str, Any], full_name: str) -> bool:
    return f'ALARM("{full_name}")' in composite["AlarmRule"]


def ring(
    deployment: Deployment, alarms: Sequence[Alarm], *, clock: Callable[[], float] = time.monotonic
) -> dict[str, float]:
    """Set the first alarm, which sets the others, and return after how many seconds each was heard of.

    It is OK at the end, which closes a pager's incident; CloudWatch then finds its real state within a minute.

    Raises:
        OrchestratorError: an alarm was not heard of in time.
    """
    cloudwatch, tested = deployment.client("cloudwatch"), alarms[0]
    missing = {alarm.full_name: alarm for alarm in alarms}
    arrived = {}
    with _mailbox(deployment, {topic for alarm in alarms for topic in alarm.topics}) as receive:
        began = clock()
        cloudwatch.set_alarm_state(AlarmName=tested.full_name, StateValue="ALARM", StateReason=REASON)
        try:
            while missing and clock() < began + ARRIVAL_SECONDS:
                for message in receive():
                    if message.get("NewStateValue") == "ALARM" and message["AlarmName"] in missing:
                        arrived[missing.pop(message["AlarmName"]).name] = clock() - began
        finally:
            cloudwatch.set_alarm_state(AlarmName=tested.full_name, StateValue="OK", StateReason=REASON)
    if missing:
        history = "aws cloudwatch describe-alarm-history --history-item-type Action --alarm-name"
        raise OrchestratorError(
            f"nothing was heard of {', '.join(alarm.name for alarm in missing.values())} for {ARRIVAL_SECONDS} s; the"
            f" alarm's history says why: {history} {next(iter(missing))}"
        )
    return arrived


@contextmanager
def _mailbox(deployment: Deployment, topics: set[str]) -> Iterator[Callable[[], Iterator[dict[str, Any]]]]:
    """Subscribe a queue to the topics, give a function that waits for messages, and delete both."""
    sqs, sns = deployment.client("sqs"), deployment.client("sns")
    name = f"txmon-alarm-test-{uuid4().hex[:8]}"
    *_, region, account, _ = next(iter(topics)).split(":")
    arn = f"arn:aws:sqs:{region}:{account}:{name}"
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": sorted(topics)}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    with ExitStack() as undo:
        url = sqs.create_queue(QueueName=name, Attributes={"Policy": policy})["QueueUrl"]
        undo.callback(sqs.delete_queue, QueueUrl=url)
        for topic in topics:
            subscribed = sns.subscribe(
                TopicArn=topic,
                Protocol="sqs",
                Endpoint=arn,
                Attributes={"RawMessageDelivery": "true"},
                ReturnSubscriptionArn=True,
            )
            undo.callback(sns.unsubscribe, SubscriptionArn=subscribed["SubscriptionArn"])

        def receive() -> Iterator[dict[str, Any]]:
            answer = sqs.receive_message(QueueUrl=url, WaitTimeSeconds=POLL_SECONDS, MaxNumberOfMessages=10)
            return (json.loads(message["Body"]) for message in answer.get("Messages", ()))

        yield receive


def subscribers(deployment: Deployment, alarms: Sequence[Alarm]) -> list[str]:
    """Return the subscribers of the alarms' topics, without their addresses, which are secrets."""
    sns = deployment.client("sns")
    found = [
        each
        for topic in sorted({topic for alarm in alarms for topic in alarm.topics})
        for page in sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
        for each in page["Subscriptions"]
    ]
    return [
        f"{each['Protocol']} of {each['TopicArn'].rpartition(':')[2]}"
        + (", which is not confirmed and hears nothing" if each["SubscriptionArn"] == "PendingConfirmation" else "")
        for each in found
    ]
