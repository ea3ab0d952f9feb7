"""Tests how alarms are evaluated."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import tenacity

from tests.support.emulator import client
from tests.support.functions import allow, make_function
from tools.localcloud.completions.alarms import Unsupported, calculate, judge
from tools.localcloud.completions.metrics import matches
from tools.localcloud.ministack_adapter import ACCOUNT, REGION

if TYPE_CHECKING:
    from collections.abc import Sequence

ABOVE = {"ComparisonOperator": "GreaterThanThreshold", "Threshold": 10.0}
NOON = datetime(2026, 11, 28, 12, 30, tzinfo=UTC)
BELOW = {"ComparisonOperator": "LessThanThreshold", "Threshold": 1.0}


@pytest.mark.parametrize(
    ("values", "points", "missing", "state"),
    [
        ([11, 11, 11], 3, "missing", "ALARM"),
        ([11, 10, 11], 3, "missing", "OK"),
        ([11, 10, 11], 2, "missing", "ALARM"),
        ([None, None, None], 3, "missing", "INSUFFICIENT_DATA"),
        ([None, None, None], 3, "ignore", None),
        ([None, None, None], 3, "breaching", "ALARM"),
        ([None, None, None], 3, "notBreaching", "OK"),
        ([11, None, 11], 3, "notBreaching", "OK"),
        ([11, None, 11], 3, "breaching", "ALARM"),
        ([11, None, 11], 3, "missing", "ALARM"),
        ([11, None, 9], 3, "missing", "OK"),
    ],
)
def test_an_alarm_counts_the_bad_periods(
    values: Sequence[float | None], points: int, missing: str, state: str | None
) -> None:
    given = {"EvaluationPeriods": len(values), "DatapointsToAlarm": points, "TreatMissingData": missing}
    assert judge(ABOVE | given, values) == state


def test_an_alarm_below_a_threshold_rings_without_a_sign_of_life() -> None:
    silent = BELOW | {"EvaluationPeriods": 2, "TreatMissingData": "breaching"}
    assert judge(silent, [None, 0.0]) == "ALARM"
    assert judge(silent, [None, 1.0]) == "OK"


def test_a_comparison_with_a_band_is_not_judged() -> None:
    with pytest.raises(Unsupported):
        judge({"ComparisonOperator": "LessThanLowerThreshold", "EvaluationPeriods": 1}, [1.0])


@pytest.mark.parametrize(
    ("expression", "operands", "value"),
    [
        ("100 * errors / invocations", {"errors": 1, "invocations": 50}, 2),
        ("100 * errors / invocations", {"errors": 0, "invocations": 0}, None),
        ("0.9 * incoming - FILL(read, 0)", {"incoming": 10, "read": None}, 9),
        ("0.9 * incoming - FILL(read, 0)", {"incoming": None, "read": 3}, None),
        ("100 * MAX([bytes / (60 * 1048576), records / 600])", {"bytes": 1048576, "records": 300}, 50),
        ("SUM([a, b, c])", {"a": 1, "b": None, "c": 2}, 3),
    ],
)
def test_metric_math_is_calculated(expression: str, operands: dict[str, Any], value: float | None) -> None:
    assert calculate(expression, operands, NOON) == value


@pytest.mark.parametrize(("hour", "minute", "value"), [(12, 4, 0), (12, 5, 3), (13, 4, 3), (16, 0, 0), (16, 59, 3)])
def test_metric_math_knows_the_time(hour: int, minute: int, value: float) -> None:
    expression = "IF(MINUTE(a) < 5 && HOUR(a) == 4 * FLOOR(HOUR(a) / 4), 0, a)"
    assert calculate(expression, {"a": 3.0}, NOON.replace(hour=hour, minute=minute)) == value


@pytest.mark.parametrize("expression", ["SELECT MAX(a) FROM b", "ANOMALY_DETECTION_BAND(a)", "a.b", "x", "a ** a"])
def test_what_is_not_arithmetic_is_not_calculated(expression: str) -> None:
    with pytest.raises(Unsupported):
        calculate(expression, {"a": 1.0}, NOON)


# In the emulator.


def state(port: int, name: str) -> str:
    [alarm] = client("cloudwatch", port).describe_alarms(AlarmNames=[name])["MetricAlarms"]
    return str(alarm["StateValue"])


def wait_for(port: int, name: str, wanted: str) -> None:
    tenacity.Retrying(
        stop=tenacity.stop_after_delay(20),
        wait=tenacity.wait_fixed(0.2),
        retry=tenacity.retry_if_result(lambda found: found != wanted),
        retry_error_callback=lambda _: pytest.fail(f"{name} is {state(port, name)}, not {wanted}"),
    )(state, port, name)


def alarm(port: int, name: str, namespace: str, metric: str, dimensions: dict[str, str], **given: Any) -> None:
    settings = {
        "ComparisonOperator": "GreaterThanThreshold", "EvaluationPeriods": 1, "Threshold": 0, "Period": 10,
        "Statistic": "Sum", "TreatMissingData": "notBreaching",
        "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
    }  # fmt: skip
    client("cloudwatch", port).put_metric_alarm(
        AlarmName=name, Namespace=namespace, MetricName=metric, **(settings | given)
    )


@pytest.mark.local
def test_a_silent_stream_rings_and_is_quiet_again(port: int) -> None:
    client("kinesis", port).create_stream(StreamName="silent", ShardCount=1)
    rings = {"TreatMissingData": "breaching", "ComparisonOperator": "LessThanThreshold", "Threshold": 1, "Period": 60}
    alarm(port, "stream-silent", "AWS/Kinesis", "IncomingRecords", {"StreamName": "silent"}, **rings)
    wait_for(port, "stream-silent", "ALARM")
    client("kinesis", port).put_record(StreamName="silent", Data=b"x", PartitionKey="k")
    wait_for(port, "stream-silent", "OK")


@pytest.mark.local
def test_a_failing_function_rings_and_is_quiet_again(port: int) -> None:
    make_function(port, "failing", "def handler(event, context): 1 / event")
    of = {"FunctionName": "failing"}
    alarm(port, "function-errors", "AWS/Lambda", "Errors", of, Period=10)
    alarm(port, "other-function", "AWS/Lambda", "Errors", {"FunctionName": "other"}, Period=10)
    client("lambda", port).invoke(FunctionName="failing", Payload=b"1")
    wait_for(port, "function-errors", "OK")
    client("lambda", port).invoke(FunctionName="failing", Payload=b"0")
    wait_for(port, "function-errors", "ALARM")
    assert state(port, "other-function") == "OK"
    wait_for(port, "function-errors", "OK")


@pytest.mark.local
def test_an_alarm_of_metric_math_rings(port: int) -> None:
    metric = {"Namespace": "App", "MetricName": "Rate", "Dimensions": [{"Name": "a", "Value": "b"}]}
    client("cloudwatch", port).put_metric_alarm(
        AlarmName="math", ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Threshold=10,
        Metrics=[
            {"Id": "result", "Expression": "100 * rate / 5", "ReturnData": True},
            {"Id": "rate", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False},
        ],
    )  # fmt: skip
    assert state(port, "math") == "INSUFFICIENT_DATA"
    client("cloudwatch", port).put_metric_data(
        Namespace="App", MetricData=[{"MetricName": "Rate", "Value": 1, "Dimensions": metric["Dimensions"]}]
    )
    wait_for(port, "math", "ALARM")


@pytest.mark.local
def test_a_function_behind_its_stream_and_dead_letters_ring(port: int) -> None:
    client("kinesis", port).create_stream(StreamName="behind", ShardCount=1)
    url = client("sqs", port).create_queue(QueueName="behind")["QueueUrl"]
    make_function(port, "behind", "def handler(event, context): 1 / 0")
    allow(port, "kinesis:*", "sqs:SendMessage")
    given = {"Threshold": 1000, "Statistic": "Maximum"}
    alarm(port, "age", "AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", {"StreamName": "behind"}, **given)
    alarm(port, "dead", "AWS/SQS", "ApproximateNumberOfMessagesVisible", {"QueueName": "behind"}, Statistic="Maximum")
    client("kinesis", port).put_record(StreamName="behind", Data=b"x", PartitionKey="k")
    made = client("lambda", port).create_event_source_mapping(
        FunctionName="behind",
        EventSourceArn=f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/behind",
        StartingPosition="TRIM_HORIZON",
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:behind"}},
    )
    wait_for(port, "age", "ALARM")
    client("lambda", port).update_event_source_mapping(UUID=made["UUID"], MaximumRetryAttempts=0)
    wait_for(port, "dead", "ALARM")
    wait_for(port, "age", "OK")
    client("sqs", port).purge_queue(QueueUrl=url)


@pytest.mark.local
def test_lines_of_a_log_ring_by_their_metric_filter(port: int) -> None:
    logs = client("logs", port)
    logs.create_log_group(logGroupName="/aws/lambda/counted")
    for name, pattern in (("words", "ERROR"), ("fields", '{ $.level = "ERROR" }')):
        logs.put_metric_filter(
            logGroupName="/aws/lambda/counted", filterName=name, filterPattern=pattern,
            metricTransformations=[{"metricName": name, "metricNamespace": "App", "metricValue": "1"}],
        )  # fmt: skip
        alarm(port, name, "App", name, {}, Period=60)
    make_function(port, "counted", "def handler(event, context): print(event)")
    client("lambda", port).invoke(FunctionName="counted", Payload=b'"all is well"')
    wait_for(port, "words", "OK")
    client("lambda", port).invoke(FunctionName="counted", Payload=json.dumps('{"level": "ERROR"}').encode())
    wait_for(port, "words", "ALARM")
    wait_for(port, "fields", "ALARM")


@pytest.mark.parametrize(
    ("pattern", "line", "found"),
    [
        ("ERROR", "an ERROR", True),
        ("ERROR", "an error", False),
        ("ERROR store", "store: ERROR", True),
        ('"store away"', "the store away", True),
        ('"store away"', "away the store", False),
        ("ERROR -test", "ERROR in a test", False),
        ("", "anything", True),
        ('{ $.level = "ERROR" }', '{"level": "ERROR"}', True),
        ("{ $.a.b = 3 }", '{"a": {"b": 3}}', True),
        ("{ $.a.b = 3 }", '{"a": 3}', False),
        ('{ $.level = "ERROR" }', "ERROR", False),
        ("{ $.a > 3 }", "{ $.a > 3 }", False),
    ],
)
def test_a_filter_pattern_matches(pattern: str, line: str, *, found: bool) -> None:
    assert matches(pattern, line) is found


@pytest.mark.local
def test_an_alarm_tells_its_topic(port: int) -> None:
    topic = client("sns", port).create_topic(Name="alerts")["TopicArn"]
    allowed = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    url = client("sqs", port).create_queue(QueueName="alerts", Attributes={"Policy": policy})["QueueUrl"]
    client("sns", port).subscribe(TopicArn=topic, Protocol="sqs", Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:alerts")
    alarm(port, "told", "App", "Told", {"Environment": "e"}, AlarmActions=[topic], Period=60)
    datum = {"MetricName": "Told", "Value": 1, "Dimensions": [{"Name": "Environment", "Value": "e"}]}
    client("cloudwatch", port).put_metric_data(Namespace="App", MetricData=[datum])
    wait_for(port, "told", "ALARM")
    [message] = client("sqs", port).receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    assert json.loads(json.loads(message["Body"])["Message"])["NewStateValue"] == "ALARM"


@pytest.mark.local
def test_an_alarm_on_what_the_local_cloud_does_not_measure_waits_for_data(port: int) -> None:
    alarm(port, "unmeasured", "AWS/RDS", "CPUUtilization", {}, TreatMissingData="breaching")
    time.sleep(2.5)
    assert state(port, "unmeasured") == "INSUFFICIENT_DATA"
