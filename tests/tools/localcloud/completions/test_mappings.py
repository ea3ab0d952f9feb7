"""Tests the event source mappings that run in the emulator."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import tenacity
from botocore.exceptions import ClientError

from tests.support.emulator import REPOSITORY, client, running
from tests.support.functions import allow, make_function, zipped
from tools.localcloud.ministack_adapter import ACCOUNT, REGION

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.local
FAILS_ON_BAD = """
import base64
def handler(event, context):
    said = [base64.b64decode(each["kinesis"]["data"]).decode() for each in event["Records"]]
    print("got", *said)
    for each, data in zip(event["Records"], said):
        if data == "crash": raise ValueError(data)
        if data == "away": return {"batchItemFailures": [{"itemIdentifier": each["kinesis"]["sequenceNumber"]}]}
    return {"batchItemFailures": []}
"""


class Flow:
    """A stream, a function that prints what it gets, and a mapping between them."""

    def __init__(self, port: int, name: str, *, shards: int = 1, **given: Any) -> None:
        self.port, self.name = port, name
        self.functions, self.streams = client("lambda", port), client("kinesis", port)
        self.streams.create_stream(StreamName=name, ShardCount=shards)
        make_function(port, name, FAILS_ON_BAD)
        allow(port, "kinesis:*", "sqs:SendMessage")
        self.map(**given)

    def map(self, **given: Any) -> None:
        settings = {"StartingPosition": "TRIM_HORIZON", "FunctionResponseTypes": ["ReportBatchItemFailures"]}
        source = f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{self.name}"
        made = self.functions.create_event_source_mapping(
            FunctionName=self.name, EventSourceArn=source, **(settings | given)
        )
        self.mapping = made["UUID"]

    def put(self, *data: str) -> None:
        records = [{"Data": each.encode(), "PartitionKey": each} for each in data]
        self.streams.put_records(StreamName=self.name, Records=records)

    def got(self) -> list[str]:
        """Return what the function has got, from its log."""
        try:
            found = client("logs", self.port).filter_log_events(logGroupName=f"/aws/lambda/{self.name}")["events"]
        except ClientError:
            return []
        lines = [each["message"].split() for each in found]
        return [word for line in lines if line and line[0] == "got" for word in line[1:]]

    def wait_for(self, *data: str) -> list[str]:
        """Return what the function has got once all of `data` is among it."""
        waits = tenacity.Retrying(
            stop=tenacity.stop_after_delay(30),
            wait=tenacity.wait_fixed(0.1),
            retry=tenacity.retry_if_result(lambda got: not set(data) <= set(got)),
            retry_error_callback=lambda _: pytest.fail(f"it got {self.got()}"),
        )
        found: list[str] = waits(self.got)
        return found


def test_all_records_of_all_shards_arrive_once(port: int) -> None:
    flow = Flow(port, "whole", shards=3, BatchSize=7)
    sent = [f"r{number}" for number in range(100)]
    flow.put(*sent)
    assert sorted(flow.wait_for(*sent)) == sorted(sent)


def test_a_mapping_from_latest_begins_with_what_comes_later(port: int) -> None:
    flow = Flow(port, "latest", StartingPosition="TRIM_HORIZON", Enabled=False)
    flow.put("before")
    flow.functions.delete_event_source_mapping(UUID=flow.mapping)
    flow.map(StartingPosition="LATEST")
    time.sleep(0.5)
    flow.put("after")
    assert flow.wait_for("after") == ["after"]


def test_a_mapping_is_switched_and_changed_while_it_runs(port: int) -> None:
    flow = Flow(port, "switched", Enabled=False)
    flow.put("a", "b")
    time.sleep(0.5)
    assert flow.got() == []
    flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=True, BatchSize=1)
    assert flow.wait_for("a", "b") == ["a", "b"]
    flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=False)
    time.sleep(0.5)
    flow.put("c")
    time.sleep(0.5)
    assert flow.got() == ["a", "b"]
    flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=True)
    assert flow.wait_for("c") == ["a", "b", "c"]
    flow.functions.delete_event_source_mapping(UUID=flow.mapping)
    time.sleep(0.5)
    flow.put("d")
    time.sleep(0.5)
    assert flow.got() == ["a", "b", "c"]


def test_a_bad_record_goes_to_the_destination_and_all_others_arrive(port: int) -> None:
    queues = client("sqs", port)
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:dead"
    plain = {"Bool": {"aws:SecureTransport": "false"}}
    refused = {"Effect": "Deny", "Principal": "*", "Action": "sqs:*", "Resource": arn, "Condition": plain}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [refused]})
    url = queues.create_queue(QueueName="dead", Attributes={"Policy": policy})["QueueUrl"]
    flow = Flow(
        port, "bad", BisectBatchOnFunctionError=True, MaximumRetryAttempts=1, Enabled=False,
        DestinationConfig={"OnFailure": {"Destination": arn}},
    )  # fmt: skip
    flow.put("a", "b", "crash", "c", "d")
    flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=True)
    flow.wait_for("a", "b", "c", "d")
    [message] = queues.receive_message(QueueUrl=url, WaitTimeSeconds=5)["Messages"]
    told = json.loads(message["Body"])
    assert told["KinesisBatchInfo"]["batchSize"] == 1
    found = flow.streams.get_shard_iterator(
        StreamName="bad",
        ShardId=told["KinesisBatchInfo"]["shardId"],
        ShardIteratorType="AT_SEQUENCE_NUMBER",
        StartingSequenceNumber=told["KinesisBatchInfo"]["startSequenceNumber"],
    )
    [lost] = flow.streams.get_records(ShardIterator=found["ShardIterator"], Limit=1)["Records"]
    assert lost["Data"] == b"crash"


@pytest.mark.parametrize("shards", [1, 5])
def test_a_change_of_the_number_of_shards_loses_nothing(port: int, shards: int) -> None:
    flow = Flow(port, f"resharded-{shards}", shards=3)
    read = [f"r{number}" for number in range(20)]
    flow.put(*read)
    flow.wait_for(*read)
    flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=False)
    time.sleep(0.3)
    unread = [f"u{number}" for number in range(20)]
    flow.put(*unread)
    flow.streams.update_shard_count(StreamName=flow.name, TargetShardCount=shards, ScalingType="UNIFORM_SCALING")
    flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=True)
    flow.wait_for(*unread)
    names = [shard["ShardId"] for shard in flow.streams.list_shards(StreamName=flow.name)["Shards"]]
    assert names == [f"shardId-{3 + number:012d}" for number in range(shards)]
    flow.put("after")
    flow.wait_for("after")


def test_a_mapping_waits_for_a_function_that_was_deleted(port: int) -> None:
    flow = Flow(port, "deleted")
    flow.functions.delete_function(FunctionName="deleted")
    flow.put("a")
    time.sleep(0.5)
    found = flow.functions.get_event_source_mapping(UUID=flow.mapping)
    assert found["LastProcessingResult"] == "PROBLEM: Function not found"
    make_function(port, "deleted", FAILS_ON_BAD)
    assert flow.wait_for("a") == ["a"]


@pytest.mark.parametrize(
    ("allowed", "sentence"),
    [
        ("sqs:SendMessage", "Please ensure the role can perform the GetRecords"),
        ("kinesis:*", "does not have permissions to call SendMessage"),
    ],
)
def test_a_mapping_that_its_role_may_not_serve_is_refused(port: int, allowed: str, sentence: str) -> None:
    name = f"refused-{len(sentence)}"
    flow = Flow(port, name)
    flow.functions.delete_event_source_mapping(UUID=flow.mapping)
    allow(port, allowed)
    with pytest.raises(ClientError, match=sentence):
        flow.map(DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none"}})


def test_a_change_of_the_code_while_it_runs_is_no_failure(port: int) -> None:
    flow = Flow(port, "changed", MaximumRetryAttempts=0)
    slow = "import time\ndef handler(event, context):\n    print('got', 'begun')\n    time.sleep(8)"
    flow.functions.update_function_code(FunctionName="changed", ZipFile=zipped(slow))
    flow.put("a")
    time.sleep(2)
    flow.functions.update_function_code(FunctionName="changed", ZipFile=zipped(FAILS_ON_BAD))
    flow.wait_for("a")
    now = dt.datetime.now(dt.UTC)
    found = client("cloudwatch", port).get_metric_statistics(
        Namespace="AWS/Lambda", MetricName="Errors", Dimensions=[{"Name": "FunctionName", "Value": "changed"}],
        StartTime=now - dt.timedelta(hours=1), EndTime=now, Period=3600, Statistics=["Sum"],
    )["Datapoints"]  # fmt: skip
    assert sum(each["Sum"] for each in found) == 0


@pytest.mark.parametrize(("name", "right"), [("not-allowed", "sqs:ListQueues"), ("no-queue", "sqs:SendMessage")])
def test_a_message_that_cannot_be_sent_is_counted(port: int, name: str, right: str) -> None:
    flow = Flow(
        port, name, MaximumRetryAttempts=0,
        DestinationConfig={"OnFailure": {"Destination": f"arn:aws:sqs:{REGION}:{ACCOUNT}:none"}},
    )  # fmt: skip
    allow(port, "kinesis:*", right)
    flow.put("crash")
    flow.wait_for("crash")
    flow.put("after")
    flow.wait_for("after")
    found = client("cloudwatch", port).list_metrics(MetricName="DestinationDeliveryFailures")["Metrics"]
    assert [{"Name": "FunctionName", "Value": name}] in [each["Dimensions"] for each in found]


def test_a_restart_goes_on_where_the_last_run_ended(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        flow = Flow(port, "kept")
        flow.put("a", "b")
        flow.wait_for("a", "b")
        flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=False)
        time.sleep(0.3)
        flow.put("c")
        flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=True)
        flow.wait_for("c")
        flow.functions.update_event_source_mapping(UUID=flow.mapping, Enabled=False)
        time.sleep(0.3)
        flow.put("d")
    with running(tmp_path) as port:
        flow.port = port
        client("lambda", port).update_event_source_mapping(UUID=flow.mapping, Enabled=True)
        assert flow.wait_for("d") == ["a", "b", "c", "d"]


def test_functions_end_with_the_emulator(tmp_path: Path) -> None:
    with running(tmp_path) as port:
        make_function(port, "endless", "import time\ndef handler(event, context): time.sleep(600)", Timeout=900)
        client("lambda", port).invoke(FunctionName="endless", InvocationType="Event")
        endless = workers(tmp_path, 1)
    assert psutil.wait_procs(endless, timeout=10)[1] == []


def workers(home: Path, least: int) -> set[psutil.Process]:
    """Return the processes of functions that run in a home, once there are some."""

    def found() -> set[psutil.Process]:
        children = psutil.Process().children(recursive=True)
        return {each for each in children if any(str(home) in part for part in each.cmdline()[1:])}

    waits = tenacity.Retrying(
        stop=tenacity.stop_after_delay(20),
        wait=tenacity.wait_fixed(0.1),
        retry=tenacity.retry_if_result(lambda processes: len(processes) < least),
    )
    made: set[psutil.Process] = waits(found)
    return made


MINISTACKS_OWN = """
import json
from ministack.services import kinesis, lambda_svc
arn = "arn:aws:kinesis:us-east-1:000000000000:stream/s"
records = [{"SequenceNumber": str(n), "PartitionKey": "k", "Data": "eA==", "ApproximateArrivalTimestamp": 1.0}
           for n in range(3)]
kinesis._streams["s"] = {"StreamARN": arn, "StreamStatus": "ACTIVE", "shards": {"shard": {"records": records}}}
lambda_svc._functions["f"] = {"config": {}}
lambda_svc._esms["m"] = {
    "UUID": "m", "EventSourceArn": arn, "FunctionName": "f", "BatchSize": 3, "StartingPosition": "TRIM_HORIZON",
    "FunctionResponseTypes": ["ReportBatchItemFailures"],
}
calls = []
def fails(function, event):
    calls.append(len(event["Records"]))
    return {"body": {"batchItemFailures": [{"itemIdentifier": "0"}]}}
lambda_svc._execute_function = fails
lambda_svc._poll_kinesis()
lambda_svc._poll_kinesis()
print(calls)
"""


def test_the_mapping_of_ministack_itself_loses_what_failed() -> None:
    """Fails once MiniStack hands records on again that a function reports as failed: ours may then go."""
    done = subprocess.run(
        [sys.executable, "-c", MINISTACKS_OWN], check=False, capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.stdout.strip() == "[3]", done.stderr
