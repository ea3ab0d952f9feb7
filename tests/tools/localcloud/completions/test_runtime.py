"""Tests how the emulator runs functions."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest

from tests.support.emulator import client
from tests.support.functions import make_function

pytestmark = pytest.mark.local


class Function:
    """A function of a test's own."""

    def __init__(self, port: int, name: str, code: str, **given: Any) -> None:
        make_function(port, name, code, **given)
        self.port, self.name = port, name

    def call(self, event: Any = None) -> Any:
        answer = client("lambda", self.port).invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        self.error = answer.get("FunctionError")
        return json.loads(answer["Payload"].read())

    def log(self) -> list[str]:
        found = client("logs", self.port).filter_log_events(logGroupName=f"/aws/lambda/{self.name}")
        return [each["message"] for each in found["events"]]


SEEN = """
import importlib.util, os, sys
def handler(event, context):
    found = {name: importlib.util.find_spec(name) is not None for name in event}
    return {"found": found, "names": sorted(os.environ), "own": os.environ.get("OWN")}
"""


def test_a_function_sees_its_code_and_the_packages_of_lambda_only(port: int) -> None:
    function = Function(port, "alone", SEEN, Environment={"Variables": {"OWN": "x", "PYTHONPATH_LIKE": "y"}})
    seen = function.call(["json", "boto3", "botocore", "ministack", "pulumi", "psutil", "tools", "shared", "pytest"])
    assert {name for name, found in seen["found"].items() if found} == {"json", "boto3", "botocore"}
    assert seen["own"] == "x"
    assert {"AWS_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN", "PYTHONPATH_LIKE"} <= set(seen["names"])
    assert not {"GATEWAY_PORT", "STATE_DIR", "PYTHONPATH", "HOME"} & set(seen["names"])


def test_a_function_keeps_its_process_after_it_raised(port: int) -> None:
    code = """
import os
def handler(event, context):
    if event:
        raise ValueError("no " + event)
    return os.getpid()
"""
    function = Function(port, "raising", code)
    first = function.call()
    failure = function.call("luck")
    assert function.error == "Unhandled"
    assert (failure["errorType"], failure["errorMessage"]) == ("ValueError", "no luck")
    assert 'raise ValueError("no " + event)' in failure["stackTrace"][0]
    assert function.call() == first
    assert function.error is None
    assert any("ValueError: no luck" in line for line in function.log())


@pytest.mark.parametrize("code", ["import os\nos._exit(3)", "raise ValueError('import')", "import none_such"])
def test_a_function_that_cannot_start_fails(port: int, code: str) -> None:
    function = Function(port, f"broken-{len(code)}", f"{code}\ndef handler(event, context): pass")
    function.call()
    assert function.error == "Unhandled"


def test_a_function_that_ends_its_process_fails_and_starts_again(port: int) -> None:
    function = Function(port, "ending", "import os\ndef handler(event, context): return event or os._exit(1)")
    function.call()
    assert function.error
    assert function.call(7) == 7


def test_a_function_that_takes_too_long_fails(port: int) -> None:
    function = Function(port, "slow", "import time\ndef handler(event, context): time.sleep(event)", Timeout=1)
    assert function.call(30)["errorMessage"] == "Task timed out after 1.00 seconds"
    assert function.call(0) is None


def test_a_result_that_is_not_json_fails(port: int) -> None:
    function = Function(port, "object", "def handler(event, context): return object()")
    assert function.call()["errorType"] == "TypeError"


def test_a_function_logs_in_json_if_it_is_configured_so(port: int) -> None:
    code = """
import logging
def handler(event, context):
    logging.getLogger("app").info("stored %d", 3)
    logging.getLogger("app").debug("not this")
    print("plain")
    try: 1 / 0
    except ZeroDivisionError: logging.exception("lost")
    return context.aws_request_id
"""
    function = Function(port, "logging", code, LoggingConfig={"LogFormat": "JSON"})
    request = function.call()
    lines = function.log()
    assert "plain" in lines
    said, lost = (json.loads(line) for line in lines if line.startswith("{"))
    assert (said["level"], said["message"], said["logger"]) == ("INFO", "stored 3", "app")
    assert said["requestId"] == lost["requestId"] == request
    assert (lost["level"], lost["errorType"]) == ("ERROR", "ZeroDivisionError")


def test_a_function_has_the_context_of_lambda(port: int) -> None:
    code = """
def handler(event, context):
    return [context.function_name, context.memory_limit_in_mb, context.log_group_name, context.invoked_function_arn,
            context.get_remaining_time_in_millis()]
"""
    name, memory, group, arn, left = Function(port, "context", code, MemorySize=256).call()
    assert (name, memory, group) == ("context", "256", "/aws/lambda/context")
    assert arn == "arn:aws:lambda:ap-northeast-1:000000000000:function:context"
    assert 9000 < left <= 10000


def test_a_function_has_the_rights_of_its_role_only(port: int) -> None:
    code = """
import boto3
def handler(event, context):
    if event: boto3.client("kms").list_keys()
    return boto3.client("sts").get_caller_identity()["Arn"]
"""
    function = Function(port, "limited", code)
    assert function.call() == "arn:aws:sts::000000000000:assumed-role/function/limited"
    assert "AccessDenied" in function.call("keys")["errorMessage"]


def test_metrics_in_a_functions_log_are_recorded(port: int) -> None:
    code = """
import json
def handler(event, context):
    of = {"Namespace": "App", "Dimensions": [["Environment"]], "Metrics": [{"Name": "Stored", "Unit": "Count"}]}
    print(json.dumps({"_aws": {"Timestamp": 1, "CloudWatchMetrics": [of]}, "Environment": "e", "Stored": event}))
    print('{"_aws": 1}')
"""
    function = Function(port, "measured", code)
    function.call(3)
    function.call([4, 5])
    assert statistics(port, "App", "Stored", Environment="e") == (3, 12, 5)
    assert statistics(port, "AWS/Lambda", "Invocations", FunctionName="measured")[1] == 2


def statistics(port: int, namespace: str, name: str, **dimensions: str) -> tuple[float, float, float]:
    """Return the number, sum and greatest of a metric's values."""
    now = time.time()
    [point] = client("cloudwatch", port).get_metric_statistics(
        Namespace=namespace,
        MetricName=name,
        Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
        StartTime=now - 3600,
        EndTime=now + 3600,
        Period=7200 * 12,
        Statistics=["SampleCount", "Sum", "Maximum"],
    )["Datapoints"]
    return point["SampleCount"], point["Sum"], point["Maximum"]


def test_the_answer_can_have_the_end_of_the_log(port: int) -> None:
    function = Function(port, "tail", "def handler(event, context): print('hello')")
    answer = client("lambda", port).invoke(FunctionName=function.name, LogType="Tail")
    assert b"hello" in base64.b64decode(answer["LogResult"])
