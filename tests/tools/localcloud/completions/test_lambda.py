"""Tests what is added to Lambda's event source mappings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.emulator import client
from tests.support.functions import allow, make_function

pytestmark = pytest.mark.local


@pytest.fixture
def functions(port: int) -> Any:
    return client("lambda", port)


def stream(port: int, name: str) -> str:
    client("kinesis", port).create_stream(StreamName=name, ShardCount=1)
    return f"arn:aws:kinesis:ap-northeast-1:000000000000:stream/{name}"


def test_a_mapping_keeps_its_metrics_and_gets_the_defaults_of_aws(functions: Any, port: int) -> None:
    make_function(port, "measured", "def handler(event, context): pass")
    allow(port, "kinesis:*")
    made = functions.create_event_source_mapping(
        FunctionName="measured",
        EventSourceArn=stream(port, "measured"),
        StartingPosition="LATEST",
        MetricsConfig={"Metrics": ["EventCount"]},
    )
    found = functions.get_event_source_mapping(UUID=made["UUID"])
    assert (found["BatchSize"], found["MaximumRetryAttempts"]) == (100, -1)
    assert found["MetricsConfig"] == {"Metrics": ["EventCount"]}
    functions.update_event_source_mapping(UUID=made["UUID"], MetricsConfig={"Metrics": []}, BatchSize=5)
    found = functions.get_event_source_mapping(UUID=made["UUID"])
    assert (found["BatchSize"], found["MetricsConfig"]) == (5, {"Metrics": []})


def test_a_second_mapping_of_a_stream_to_a_function_is_refused(functions: Any, port: int) -> None:
    make_function(port, "mapped", "def handler(event, context): pass")
    allow(port, "kinesis:*")
    given = {"EventSourceArn": stream(port, "mapped"), "StartingPosition": "LATEST"}
    made = functions.create_event_source_mapping(FunctionName="mapped", **given)
    for name in ("mapped", made["FunctionArn"]):
        with pytest.raises(functions.exceptions.ResourceConflictException, match=made["UUID"]):
            functions.create_event_source_mapping(FunctionName=name, **given)
