"""What is handed to the consumer again of what the stream still has."""

import base64
from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from rich.progress import Progress

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.dead_letters import Shard
from tools.txmon.flow.stream import Stream

ARN = "arn:aws:kinesis:ap-northeast-1:123456789012:stream/transaction-stream-dev"
SHARD = Shard(ARN, "shardId-000000000001")
START = datetime(2026, 11, 28, 3, tzinfo=UTC)
FAR = START + timedelta(days=1)


class ExpiredIteratorException(Exception):  # noqa: N818 (boto3's name)
    pass


class Kinesis:
    """A shard with a record every minute from `START` on, read two at a time; every second page is empty."""

    exceptions = SimpleNamespace(ExpiredIteratorException=ExpiredIteratorException)

    def __init__(self, records: int, expired: Collection[str] = ()) -> None:
        self.records, self.expired = records, set(expired)

    def get_paginator(self, operation: str) -> Any:
        assert operation == "list_shards"
        return SimpleNamespace(paginate=lambda **_: [{"Shards": [{"ShardId": SHARD.shard_id}]}])

    def get_shard_iterator(self, **request: Any) -> Mapping[str, str]:
        assert request["StreamARN"] == ARN
        if request["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER":
            return {"ShardIterator": f"{int(request['StartingSequenceNumber']) + 1} page"}
        first = max(0, int((request["Timestamp"] - START) / timedelta(minutes=1)))
        return {"ShardIterator": f"{first} page"}

    def get_records(self, *, ShardIterator: str, StreamARN: str) -> Mapping[str, Any]:  # noqa: N803 (boto3's names)
        assert StreamARN == ARN
        if ShardIterator in self.expired:
            self.expired.remove(ShardIterator)
            raise ExpiredIteratorException
        number, _, kind = ShardIterator.partition(" ")
        first = int(number)
        if kind == "gap":
            left = first < self.records
            following = f"{first} page"
            return {"Records": [], "NextShardIterator": following, "MillisBehindLatest": int(left)}
        given = range(first, min(first + 2, self.records))
        return {
            "Records": [self._record(each) for each in given],
            "NextShardIterator": f"{first + len(given)} gap",
            "MillisBehindLatest": 1000 if first + 2 < self.records else 0,
        }

    def _record(self, number: int) -> Mapping[str, Any]:
        return {
            "SequenceNumber": str(number),
            "PartitionKey": "c",
            "Data": str(number).encode(),
            "ApproximateArrivalTimestamp": START + timedelta(minutes=number),
        }


def numbers(consumer: Any) -> list[int]:
    """Return the records that the consumer got."""
    found = [record["kinesis"]["data"] for event in consumer.events for record in event["Records"]]
    return [int(base64.b64decode(each)) for each in found]


def stream(records: int, consumer: Any) -> Stream:
    return Stream(Kinesis(records), ARN, consumer, sleep=lambda _seconds: None)


def replayed(stream: Stream, since: datetime, until: datetime) -> int:
    """Replay a shard; return how many records the consumer has taken."""
    return sum(records for records, _ in stream.replay(SHARD, since, until))


def test_everything_since_a_moment_is_handed_over_across_empty_pages(function) -> None:
    consumer = function(lambda _event: {"batchItemFailures": []})
    assert replayed(stream(7, consumer), START + timedelta(minutes=2), FAR) == 5
    assert numbers(consumer) == [2, 3, 4, 5, 6]


def test_a_replay_goes_on_where_its_iterator_expired(function) -> None:
    consumer = function(lambda _event: {"batchItemFailures": []})
    kinesis = Kinesis(7, expired=["2 page", "2 gap", "4 gap"])
    replayed(Stream(kinesis, ARN, consumer, sleep=lambda _seconds: None), START, FAR)
    assert (numbers(consumer), kinesis.expired) == ([0, 1, 2, 3, 4, 5, 6], set())


def test_what_arrived_after_the_replay_began_is_left_to_the_mapping(function) -> None:
    consumer = function(lambda _event: {"batchItemFailures": []})
    assert replayed(stream(7, consumer), START, START + timedelta(minutes=2)) == 3
    assert numbers(consumer) == [0, 1, 2]


def test_a_replay_ends_where_the_consumer_cannot_store(function) -> None:
    consumer = function(lambda event: {"batchItemFailures": [{"itemIdentifier": str(len(event["Records"]))}]})
    with pytest.raises(OrchestratorError, match="could not store 1 of 2 records of shardId-000000000001"):
        replayed(stream(7, consumer), START, FAR)
    assert numbers(consumer) == [0, 1]


def test_a_replay_shows_how_far_each_shard_is(function) -> None:
    consumer = function(lambda _event: {"batchItemFailures": []})
    with Progress(disable=True) as progress:
        found = stream(7, consumer)
        steps = [(arrived_at - START) / timedelta(minutes=1) for _, arrived_at in found.replay(SHARD, START, FAR)]
        assert found.replay_all(START, FAR, progress) == 7
    assert steps == [1, 3, 5, 6]
    [task] = progress.tasks
    assert (task.description, task.percentage) == ("shardId-000000000001", 100)
