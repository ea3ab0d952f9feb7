"""Who is told, and of which calls, as the local cloud's SNS and EventBridge see it."""

import json
import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

import pytest
import tenacity

pytestmark = pytest.mark.local

TEAM = {"protocol": "email", "endpoint": "shop-team@example.com"}
PAGER = {"protocol": "sms", "endpoint": "+819012345678", "receives": "pages"}
BOSS = {"protocol": "email", "endpoint": "boss@example.com"}


def tell(clone, *subscriptions: dict) -> dict[str, str]:
    """Deploy monitoring with these subscriptions; what SNS has then, as subscription ARN by endpoint."""
    value = shlex.quote(json.dumps(subscriptions))
    told = clone.shell(f"pulumi config set -s local --cwd projects/monitoring --secret subscriptions {value}")
    assert told.code == 0, told.said
    done = clone.inv("up", "monitoring")
    assert done.code == 0, done.said
    topic = clone.outputs()["monitoring"]["alerts_topic_arn"]
    found = clone.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    return {each["Endpoint"]: each["SubscriptionArn"] for each in found}


def test_the_removal_of_a_subscriber_leaves_the_others(deployed) -> None:
    before = tell(deployed, TEAM, PAGER, BOSS)
    assert before.keys() == {each["endpoint"] for each in (TEAM, PAGER, BOSS)}
    after = tell(deployed, BOSS, PAGER)  # whatever their order
    assert after == {endpoint: arn for endpoint, arn in before.items() if endpoint != TEAM["endpoint"]}


def test_addresses_in_plain_text_are_refused_before_anything_is_created(deployed) -> None:
    with deployed.settings("monitoring", subscriptions=[TEAM]):
        done = deployed.inv("preview", "monitoring")
    assert done.code == 1
    assert "Pulumi.local.yaml: subscriptions: addresses are secrets" in done.said
    assert "pulumi config set --secret subscriptions" in done.said
    assert TEAM["endpoint"] not in done.said


PREFIX = "transaction-monitoring-local/"
SOON = 10
"""Seconds, the shortest period of an alarm on a metric of a service (CloudWatch API Reference, PutMetricAlarm)."""


def put_again(clone, name: str, **changed: object) -> None:
    """Put a deployed alarm again with something changed."""
    cloudwatch = clone.client("cloudwatch")
    [deployed] = cloudwatch.describe_alarms(AlarmNames=[PREFIX + name])["MetricAlarms"]
    members = cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape.members
    given = {key: value for key, value in deployed.items() if key in members}
    cloudwatch.put_metric_alarm(**given | changed)


def becomes(clone, state: str, *names: str, seconds: float = 60) -> None:
    """Wait until all of these alarms have a state."""

    def look() -> None:
        found = clone.client("cloudwatch").describe_alarms(AlarmNames=[PREFIX + name for name in names])
        states = {each["AlarmName"].removeprefix(PREFIX): each["StateValue"] for each in found["MetricAlarms"]}
        assert states == dict.fromkeys(names, state)

    tenacity.Retrying(
        wait=tenacity.wait_fixed(0.5),
        stop=tenacity.stop_after_delay(seconds),
        retry=tenacity.retry_if_exception_type(AssertionError),
        reraise=True,
    )(look)


def let_beat(clone, *, minutes: int) -> None:
    """Let the heartbeat ring in so many minutes of each hour instead of half of them."""
    [deployed] = clone.client("cloudwatch").describe_alarms(AlarmNames=[PREFIX + "heartbeat"])["MetricAlarms"]
    formula, *operands = sorted(deployed["Metrics"], key=lambda metric: "Expression" not in metric)
    changed = re.sub(r"MINUTE\(clock\) < \d+", f"MINUTE(clock) < {minutes}", formula["Expression"])
    put_again(clone, "heartbeat", Metrics=[formula | {"Expression": changed}, *operands])


def read(clone, queue: str) -> set[tuple[str, str]]:
    """Take the messages in a queue; return the alarm and the state of each."""
    sqs, url = clone.client("sqs"), clone.client("sqs").get_queue_url(QueueName=queue)["QueueUrl"]
    found = set()
    while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for message in messages:
            told = json.loads(json.loads(message["Body"])["Message"])
            found.add((told["AlarmName"].removeprefix("transaction-monitoring-local/"), told["NewStateValue"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    return found


def test_alarm_test_shows_who_hears_of_which_alarm(deployed) -> None:
    sqs = deployed.client("sqs")
    statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:*", "Resource": "*"}
    for queue in ("everything", "pages", "heartbeat"):
        sqs.create_queue(QueueName=queue, Attributes={"Policy": json.dumps({"Statement": [statement]})})
    queues = [
        {"protocol": "sqs", "endpoint": f"arn:aws:sqs:ap-northeast-1:000000000000:{name}", "receives": name}
        for name in ("everything", "pages", "heartbeat")
    ]
    tell(deployed, *queues)
    for name in ("everything", "pages", "heartbeat"):
        read(deployed, name)  # what rang when the alarms were created
    let_beat(deployed, minutes=0)  # one that rings cannot be tested
    becomes(deployed, "OK", "heartbeat")
    tested = {
        name: deployed.inv("alarm-test", name)
        for name in ("database-down", "application-errors", "heartbeat", "notifications-failed")
    }
    assert {name: done.code for name, done in tested.items()} == dict.fromkeys(tested, 0), tested
    down = {("database-unhealthy", "ALARM"), ("database-unhealthy", "OK")}
    failed = {("notifications-failed", "ALARM"), ("notifications-failed", "OK")}
    both = {("database-down", "ALARM"), ("application-errors", "ALARM")}
    assert read(deployed, "everything") == down | both | failed
    assert read(deployed, "pages") == down | failed
    assert {name for name, _ in read(deployed, "heartbeat")} == {"heartbeat"}
    assert "database-down: its notification arrived" in tested["database-down"].out
    assert "database-unhealthy: its notification arrived" in tested["database-down"].out
    assert "sqs of transaction-alerts-fallback-local" in tested["notifications-failed"].out
    # The test leaves nothing behind.
    assert not sqs.list_queues(QueueNamePrefix="txmon-alarm-test").get("QueueUrls")
    cloudwatch = deployed.client("cloudwatch")
    rings = cloudwatch.describe_alarms(StateValue="ALARM", AlarmNamePrefix="transaction-monitoring-local/database")
    assert rings["MetricAlarms"] == []


def send(clone, path: Path, **changed: object) -> None:
    """Put a transaction on the stream, or what is none if a field is changed to that."""
    sent = {"transaction_id": "t-1", "occurred_at": datetime.now(UTC).isoformat(), "customer_id": "c", "amount": 1}
    path.write_text(json.dumps(sent | {"currency": "JPY"} | changed) + "\n", encoding="utf-8")
    done = clone.inv("send", "--file", str(path))
    assert done.code == 0, done.said


@pytest.mark.slow
def test_deployed_alarms_on_the_flow_ring_and_clear(deployed, tmp_path: Path) -> None:
    with deployed.settings("monitoring", expectsTraffic=True):
        done = deployed.inv("up", "monitoring")
    assert done.code == 0, done.said
    for name in ("transactions-rejected", "function-errors"):
        put_again(deployed, name, Period=SOON)
    silent = ("stream-silent", "processing-silent")

    becomes(deployed, "ALARM", *silent)
    send(deployed, tmp_path / "good.jsonl")
    becomes(deployed, "OK", *silent, seconds=120)

    becomes(deployed, "OK", "transactions-rejected", "function-errors")
    send(deployed, tmp_path / "bad.jsonl", amount="much")
    becomes(deployed, "ALARM", "transactions-rejected")
    becomes(deployed, "OK", "function-errors")
    becomes(deployed, "OK", "transactions-rejected")

    consumer = deployed.outputs()["processing"]["consumer_function_name"]
    deployed.client("lambda").invoke(FunctionName=consumer, Payload=b'{"Records": [{}]}')
    becomes(deployed, "ALARM", "function-errors")
    becomes(deployed, "OK", "function-errors")


@pytest.mark.slow
def test_the_deployed_heartbeat_begins_and_ends_with_the_clock(deployed) -> None:
    for minutes, state in ((60, "ALARM"), (0, "OK"), (60, "ALARM")):
        let_beat(deployed, minutes=minutes)
        becomes(deployed, state, "heartbeat")
    becomes(deployed, "OK", "database-down")  # its clock is the sign of life of PostgreSQL


def heard(clone, rule: str, call: str, **detail: object) -> bool:
    """Whether EventBridge finds that a deployed rule matches a call that CloudTrail recorded."""
    events = clone.client("events")
    [found] = events.list_rules(NamePrefix=f"rule-{rule}-local")["Rules"]
    event = {
        "id": "1",
        "account": "000000000000",
        "source": json.loads(found["EventPattern"])["source"][0],
        "time": "2026-01-01T00:00:00Z",
        "region": "ap-northeast-1",
        "resources": [],
        "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventName": call, **detail},
    }
    result: bool = events.test_event_pattern(EventPattern=found["EventPattern"], Event=json.dumps(event))["Result"]
    return result


def session(role: str) -> dict:
    """The caller, as CloudTrail shows a session of a role."""
    issuer = {"arn": f"arn:aws:iam::000000000000:role/{role}"}
    return {"type": "AssumedRole", "sessionContext": {"sessionIssuer": issuer}}


@pytest.mark.parametrize("secret", ["rds-credentials-local", "redis-auth-local"])
@pytest.mark.parametrize("form", ["name", "partial ARN", "ARN"])
def test_a_call_on_a_secret_is_heard_however_the_caller_names_it(deployed, secret: str, form: str) -> None:
    arn = deployed.client("secretsmanager").describe_secret(SecretId=secret)["ARN"]
    typed = {"name": secret, "partial ARN": arn[: -len("-a1B2c3")], "ARN": arn}[form]
    named = {"requestParameters": {"secretId": typed}}
    assert heard(deployed, "secret-read", "GetSecretValue", **named, userIdentity=session("somebody"))
    assert heard(deployed, "secret-read", "GetSecretValue", **named, userIdentity={"type": "Root"})
    for call in ("DeleteSecret", "PutResourcePolicy", "DeleteResourcePolicy"):
        assert heard(deployed, "secret-endangered", call, **named)
    usual = session("kinesis-role-local")
    assert not heard(deployed, "secret-read", "GetSecretValue", **named, userIdentity=usual)


@pytest.mark.parametrize("other", ["redis-auth", "redis-auth-local-2", "another-redis-auth-local"])
def test_a_call_on_another_secret_is_not_heard(deployed, other: str) -> None:
    named = {"requestParameters": {"secretId": other}}
    assert not heard(deployed, "secret-read", "GetSecretValue", **named, userIdentity=session("somebody"))
    assert not heard(deployed, "secret-endangered", "DeleteSecret", **named)


def test_a_rotation_that_fails_is_heard_though_nobody_requested_it(deployed) -> None:
    arn = deployed.client("secretsmanager").describe_secret(SecretId="rds-credentials-local")["ARN"]
    assert heard(deployed, "secret-endangered", "RotationFailed", additionalEventData={"SecretId": arn})


@pytest.mark.parametrize("typed", ["the id", "the ARN", "the alias"])
def test_a_call_on_a_key_is_heard_however_the_caller_names_it(deployed, typed: str) -> None:
    alias = "alias/transaction-monitoring-local/stream"
    arn = deployed.client("kms").describe_key(KeyId=alias)["KeyMetadata"]["Arn"]
    resources = [{"ARN": arn, "accountId": "000000000000", "type": "AWS::KMS::Key"}]
    asked = {"the id": arn.rpartition("/")[2], "the ARN": arn, "the alias": alias}
    named = {"requestParameters": {"keyId": asked[typed]}, "resources": resources}
    assert heard(deployed, "key-endangered", "ScheduleKeyDeletion", **named)
    assert not heard(deployed, "key-endangered", "DescribeKey", **named)
    other = [{"ARN": arn.rpartition("/")[0] + "/another", "accountId": "000000000000", "type": "AWS::KMS::Key"}]
    assert not heard(deployed, "key-endangered", "ScheduleKeyDeletion", resources=other)


@pytest.mark.parametrize("name", ["streamName", "streamARN"])
def test_a_call_that_endangers_the_stream_is_heard(deployed, name: str) -> None:
    streaming = deployed.outputs()["streaming"]
    named = {"requestParameters": {name: streaming[f"kinesis_stream_{name.removeprefix('stream').lower()}"]}}
    for call in ("DeleteStream", "StopStreamEncryption", "DecreaseStreamRetentionPeriod"):
        assert heard(deployed, "stream-endangered", call, **named)
    assert not heard(deployed, "stream-endangered", "PutRecords", **named)
    assert not heard(deployed, "stream-endangered", "DeleteStream", requestParameters={name: "another"})


def test_a_call_that_deletes_backups_of_the_database_is_heard(deployed) -> None:
    for identifier, expected in ((deployed.outputs()["data"]["rds_identifier"], True), ("another", False)):
        answer = {"responseElements": {"dBInstanceIdentifier": identifier}}
        for call in ("DeleteDBSnapshot", "DeleteDBInstanceAutomatedBackup"):
            assert heard(deployed, "backup-endangered", call, **answer) is expected


def test_a_call_that_silences_an_alarm_or_a_trail_is_heard(deployed) -> None:
    for alarm, expected in (("transaction-monitoring-local/stream-silent", True), ("another/alarm", False)):
        named = {"requestParameters": {"alarmNames": ["other", alarm]}}
        for call in ("DeleteAlarms", "DisableAlarmActions"):
            assert heard(deployed, "alarms-endangered", call, **named) is expected
    assert heard(deployed, "trail-endangered", "StopLogging")
