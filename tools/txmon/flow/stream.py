"""Hands what the stream still has since some moment to the consumer again, as after PostgreSQL was restored."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from rich.progress import Progress

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.dead_letters import PAUSE_SECONDS, Shard, hand_over
from tools.txmon.flow.deployment import Deployment
from tools.txmon.flow.functions import Function, consumer

EMPTY_PAGES: Final = 1000
"""How many answers in a row may have no record although the shard has later ones."""

Page = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Stream:
    """The stream of an environment, and the consumer of its records."""

    kinesis: Any
    arn: str
    consumer: Function
    sleep: Callable[[float], None] = time.sleep

    def shards(self) -> list[Shard]:
        """Return the shards that still have records, also closed ones, oldest first."""
        pages = self.kinesis.get_paginator("list_shards").paginate(StreamARN=self.arn)
        return [Shard(self.arn, each["ShardId"]) for page in pages for each in page["Shards"]]

    def replay_all(self, since: datetime, until: datetime, progress: Progress) -> int:
        """Replay every shard, show how far each is, and return how many records those were.

        Raises:
            OrchestratorError: as `replay` does.
        """
        handed = 0
        for shard in self.shards():
            task = progress.add_task(shard.shard_id, total=(until - since).total_seconds())
            for records, arrived_at in self.replay(shard, since, until):
                handed += records
                progress.update(task, completed=(arrived_at - since).total_seconds())
            progress.update(task, completed=(until - since).total_seconds())
        return handed

    def replay(self, shard: Shard, since: datetime, until: datetime) -> Iterator[tuple[int, datetime]]:
        """Hand the records that arrived in a shard in this time to the consumer.

        Yields how many the consumer has taken, and when the last of them arrived. A record that is stored already
        stays as it is, so that this can be repeated.

        Raises:
            OrchestratorError: the consumer could not store one.
        """
        for page in self._pages(shard, since):
            records = [each for each in page if each["ApproximateArrivalTimestamp"] <= until]
            hand_over(self.consumer, shard, records)
            if records:
                yield len(records), records[-1]["ApproximateArrivalTimestamp"]
            if len(records) < len(page):
                return

    def _pages(self, shard: Shard, since: datetime) -> Iterator[Page]:
        """Yield what a shard has since a moment, up to its end.

        Raises:
            OrchestratorError: the stream gives no record though it says that there are some.
        """
        position: dict[str, Any] = {"ShardIteratorType": "AT_TIMESTAMP", "Timestamp": since}
        iterator, empty = self._iterator(shard, position), 0
        while iterator:
            try:
                answer = self.kinesis.get_records(ShardIterator=iterator, StreamARN=shard.stream_arn)
            except self.kinesis.exceptions.ExpiredIteratorException:  # the consumer took more than five minutes
                iterator = self._iterator(shard, position)
                continue
            if answer["Records"]:
                last = answer["Records"][-1]["SequenceNumber"]
                position = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "StartingSequenceNumber": last}
                yield answer["Records"]
            elif not answer.get("MillisBehindLatest"):
                return
            empty = 0 if answer["Records"] else empty + 1
            if empty == EMPTY_PAGES:
                raise OrchestratorError(f"{shard.shard_id} gives no records: try again later")
            iterator = answer.get("NextShardIterator")
            self.sleep(PAUSE_SECONDS)

    def _iterator(self, shard: Shard, position: Mapping[str, Any]) -> str:
        """Return an iterator, which is valid for five minutes (Kinesis API reference, GetShardIterator)."""
        answer = self.kinesis.get_shard_iterator(StreamARN=shard.stream_arn, ShardId=shard.shard_id, **position)
        iterator: str = answer["ShardIterator"]
        return iterator


def open_stream(deployment: Deployment) -> Stream:
    arn = deployment.output("streaming", "kinesis_stream_arn")
    return Stream(deployment.client("kinesis"), arn, consumer(deployment))
