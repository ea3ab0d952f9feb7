"""Dead letters: which messages are found, how their records are read from the stream, and what happens to them."""

import base64
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.dead_letters import INVOCATION_RECORD, InvocationRecord, Queue, Replay, as_json
from tools.txmon.flow.verbs import replay_all

STREAM = "arn:aws:kinesis:ap-northeast-1:123456789012:stream/transaction-stream-dev"
SHARD = "shardId-000000000001"


def body(first: int, last: int, size: int) -> str:
    """Return a message as Lambda writes it (Lambda Developer Guide, "Retaining discarded batch records")."""
    return json.dumps(
        {
            "requestContext": {
                "requestId": "c9b8fa9f-5a7f-xmpl-af9c-0c604cde93a5",
                "functionArn": "arn:aws:lambda:ap-northeast-1:123456789012:function:transaction-consumer-dev",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 1,
            },
            "responseContext": {"statusCode": 200, "executedVersion": "$LATEST", "functionError": "Unhandled"},
            "version": "1.0",
            "timestamp": "2026-01-02T03:04:05.021Z",
            "KinesisBatchInfo": {
                "shardId": SHARD,
                "startSequenceNumber": str(first),
                "endSequenceNumber": str(last),
                "approximateArrivalOfFirstRecord": "2026-01-02T03:04:04.000Z",
                "approximateArrivalOfLastRecord": "2026-01-02T03:04:04.500Z",
                "batchSize": size,
                "streamArn": STREAM,
            },
        }
    )


def note(first: int, last: int, size: int) -> InvocationRecord:
    return INVOCATION_RECORD.validate_json(body(first, last, size))


class Shard:
    """A shard whose records are numbered, read a few at a time."""

    def __init__(self, *numbers: int, size: int = 10, page: int = 3) -> None:
        self.numbers, self.size, self.page = numbers, size, page

    def get_shard_iterator(self, **request: str) -> Mapping[str, str]:
        assert (request["StreamARN"], request["ShardId"]) == (STREAM, SHARD)
        return {"ShardIterator": request["StartingSequenceNumber"]}

    def get_records(self, *, ShardIterator: str, StreamARN: str) -> Mapping[str, Any]:  # noqa: N803 (boto3's names)
        assert StreamARN == STREAM
        left = [number for number in self.numbers if number >= int(ShardIterator)]
        given = left[: self.page]
        return {
            "Records": [self._record(number) for number in given],
            "NextShardIterator": str(given[-1] + 1 if given else ShardIterator),
            "MillisBehindLatest": 1000 if left[self.page :] else 0,
        }

    def _record(self, number: int) -> Mapping[str, Any]:
        return {
            "SequenceNumber": str(number),
            "PartitionKey": "c",
            "Data": b"x" * self.size,
            "ApproximateArrivalTimestamp": datetime(2026, 1, 2, tzinfo=UTC),
        }


class Messages:
    """A queue that gives two messages at a time, each once while it is hidden."""

    def __init__(self, *bodies: str) -> None:
        self.bodies = dict(enumerate(bodies))
        self.hidden: set[int] = set()
        self.deleted: list[str] = []
        self.released: list[str] = []

    def receive_message(self, **request: Any) -> Mapping[str, Any]:
        assert request["VisibilityTimeout"]
        given = [number for number in self.bodies if number not in self.hidden][:2]
        self.hidden.update(given)
        return {
            "Messages": [
                {"MessageId": f"m{number}", "ReceiptHandle": f"r{number}", "Body": self.bodies[number]}
                for number in given
            ]
        }

    def change_message_visibility(self, **request: Any) -> None:
        if not request["VisibilityTimeout"]:
            self.released.append(request["ReceiptHandle"])

    def delete_message(self, **request: Any) -> None:
        self.deleted.append(request["ReceiptHandle"])


def replay_of(shard: Shard, consumer: Any) -> Replay:
    return Replay(shard, consumer, clock=lambda: 0, sleep=lambda _: None)


def stored(_event: object) -> Mapping[str, Any]:
    return {"batchItemFailures": []}


def test_every_message_is_found_once_and_shown_to_others_again() -> None:
    messages = Messages(body(1, 2, 2), body(3, 3, 1), "hello")
    queue = Queue(messages, "url")
    found = queue.receive()
    queue.release(found)
    assert [(letter.message_id, letter.invocation is None) for letter in found] == [
        ("m0", False),
        ("m1", False),
        ("m2", True),
    ]
    assert messages.released == ["r0", "r1", "r2"]
    assert [sorted(each) for each in json.loads(as_json(found))][2] == ["message_id"]


def test_the_records_of_a_message_are_handed_over_in_lambdas_shape(function) -> None:
    consumer = function(stored)
    assert replay_of(Shard(1, 5, 6, 9, 12), consumer).replay(note(5, 9, 3)) == 3
    [event] = consumer.events
    assert [record["kinesis"]["sequenceNumber"] for record in event["Records"]] == ["5", "6", "9"]
    assert event["Records"][0] == {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": "c",
            "sequenceNumber": "5",
            "data": base64.b64encode(b"x" * 10).decode(),
            "approximateArrivalTimestamp": 1767312000.0,
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{SHARD}:5",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "",
        "awsRegion": "ap-northeast-1",
        "eventSourceARN": STREAM,
    }


def test_no_event_is_larger_than_lambda_takes(function) -> None:
    consumer = function(stored)
    replay_of(Shard(*range(10), size=1_000_000), consumer).replay(note(0, 9, 10))
    assert [len(event["Records"]) for event in consumer.events] == [4, 4, 2]
    assert max(len(json.dumps(event)) for event in consumer.events) <= 6 * 1024**2
    many = function(stored)
    replay_of(Shard(*range(1001), page=10_000), many).replay(note(0, 1000, 1001))
    assert [len(event["Records"]) for event in many.events] == [500, 500, 1]


def test_records_that_have_left_the_stream_are_told() -> None:
    with pytest.raises(OrchestratorError, match=r"^2 of 3 records have left the stream: the producer has to send"):
        replay_of(Shard(9, 12), _Accepting()).replay(note(5, 9, 3))


@pytest.mark.parametrize("code", ["InvalidArgumentException", "ResourceNotFoundException"])
def test_a_sequence_number_that_the_stream_forgot_means_all_have_left(code: str) -> None:
    class Forgetful(Shard):
        def get_shard_iterator(self, **_: str) -> Mapping[str, str]:
            raise ClientError({"Error": {"Code": code}}, "GetShardIterator")

    with pytest.raises(OrchestratorError, match=r"^3 of 3 records have left the stream"):
        replay_of(Forgetful(9), _Accepting()).replay(note(5, 9, 3))


def test_a_stream_that_gives_nothing_ends_the_replay() -> None:
    class Slow(Shard):
        def get_records(self, **_: str) -> Mapping[str, Any]:
            return {"Records": [], "NextShardIterator": "next", "MillisBehindLatest": 5000}

    ticking: Iterator[int] = iter(range(0, 1000, 10))
    replay = Replay(Slow(), _Accepting(), clock=lambda: next(ticking), sleep=lambda _: None)
    with pytest.raises(OrchestratorError, match="gave its records too slowly: try again later"):
        replay.replay(note(5, 9, 3))


class _Accepting:
    def call(self, _event: object, answer: Any) -> Any:
        return answer.validate_python({"batchItemFailures": []})


def test_only_messages_whose_records_are_stored_are_deleted(function, capsys) -> None:
    def consumer(event: Mapping[str, Any]) -> Mapping[str, Any]:
        number = event["Records"][0]["kinesis"]["sequenceNumber"]
        if number == "3":
            raise RuntimeError("the code still crashes")
        return {"batchItemFailures": [{"itemIdentifier": "5"}] if number == "5" else []}

    messages = Messages(body(1, 2, 2), body(3, 3, 1), body(5, 5, 1), body(0, 0, 2), "hello")
    queue = Queue(messages, "url")
    replay = replay_of(Shard(1, 2, 3, 5), function(consumer))
    assert replay_all(queue, replay, queue.receive()) is False
    assert messages.deleted == ["r0"]
    assert messages.released == ["r1", "r2", "r3"]
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[2][:33] for line in lines[:5]] == [
        "2 records processed",
        "it failed: the code still crashes",
        "the consumer could not store 1 of",
        "2 of 2 records have left the stre",
        "not a message of Lambda; it stays",
    ]
    assert lines[5] == "1 of 5 dead letters replayed"


def test_a_message_is_shown_to_others_again_if_its_replay_is_interrupted() -> None:
    class Interrupted:
        def call(self, *_: object) -> Any:
            raise KeyboardInterrupt

    messages = Messages(body(1, 2, 2))
    queue = Queue(messages, "url")
    with pytest.raises(KeyboardInterrupt):
        replay_all(queue, replay_of(Shard(1, 2), Interrupted()), queue.receive())
    assert messages.released == ["r0"]
    assert messages.deleted == []
