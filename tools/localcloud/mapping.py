"""Invokes a function with the records of a Kinesis shard, as Lambda's event source mapping does.

It does what the Lambda Developer Guide says in "Using Lambda to process records from Amazon Kinesis Data Streams",
"Configuring partial batch response" and "Retain discarded batch records".
"""

from __future__ import annotations

import datetime as dt
import time
import uuid
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_pascal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Record = Mapping[str, Any]
    """A record as MiniStack keeps it; its data is in base64."""

EVENT_BYTES: Final = 6 * 1024**2
"""The payload of a function that is invoked synchronously ("Lambda quotas", Lambda Developer Guide)."""
ENVELOPE_BYTES: Final = 600
"""What an event has of a record besides its data and its partition key."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 1.0  # seconds between two attempts; AWS does not say how long it waits


class Settings(BaseModel):
    """The settings of a mapping as Lambda's API has them."""

    model_config = ConfigDict(alias_generator=to_pascal, frozen=True)

    event_source_arn: str
    function_arn: str
    enabled: bool = True
    batch_size: int = 100
    maximum_batching_window_in_seconds: float = 0
    function_response_types: tuple[str, ...] = ()
    bisect_batch_on_function_error: bool = False
    maximum_retry_attempts: int = -1
    maximum_record_age_in_seconds: int = -1
    destination_config: dict[str, dict[str, str]] = {}

    @property
    def reports_failures(self) -> bool:
        return "ReportBatchItemFailures" in self.function_response_types

    @property
    def destination(self) -> str | None:
        """The ARN of the on-failure destination: the queue that gets a message about each batch that is discarded."""
        return self.destination_config.get("OnFailure", {}).get("Destination")


@dataclass(frozen=True)
class Answer:
    """What an invocation gave."""

    body: Any = None
    error: str | None = None
    """`Unhandled` if the function failed."""
    refused: bool = False
    """Whether the function was not invoked at all, as when it is throttled or does not exist."""


class Cloud(Protocol):
    """What a shard's reader works with."""

    def settings(self) -> Settings | None:
        """Return the mapping's settings; None if it is to stop."""

    def records(self) -> Sequence[Record]:
        """Return all records of the shard, the oldest first."""

    def position(self) -> int:
        """Return the sequence number after which the next batch begins."""

    def advance(self, position: int) -> None:
        """Note the sequence number of the last record that is done."""

    def invoke(self, records: Sequence[Record]) -> Answer:
        """Invoke the function with some records."""

    def send_to_destination(self, destination: str, message: dict[str, Any]) -> None:
        """Send a message about a batch that was discarded to the queue with the ARN `destination`."""

    def sleep(self, seconds: float) -> None:
        """Wait; a mapping that stops ends the wait."""


@dataclass(frozen=True)
class Part:
    """Records that are invoked together, and how often they were before."""

    records: Sequence[Record]
    attempts: int = 0


class Reader:
    """Reads one shard, in order."""

    def __init__(self, shard: str, cloud: Cloud, clock: Callable[[], float] = time.monotonic) -> None:
        self.shard = shard
        self.cloud = cloud
        self.clock = clock
        self._since: float | None = None
        self._pause = FIRST_PAUSE

    def step(self) -> bool:
        """Invoke the function with the next batch; return False if it is not complete yet."""
        settings = self.cloud.settings()
        batch = self._next(settings) if settings else ()
        if not settings or not batch:
            self._since = None
            return False
        self._since = self._since or self.clock()
        waited = self.clock() - self._since
        if len(batch) < settings.batch_size and waited < settings.maximum_batching_window_in_seconds:
            return False
        self._since = None
        self._deliver(batch)
        return True

    def _next(self, settings: Settings) -> Sequence[Record]:
        """Return the next batch as far as it is there."""
        records = self.cloud.records()
        start = bisect_right(records, self.cloud.position(), key=sequence)
        found = records[start : start + settings.batch_size]
        size = 0
        for number, record in enumerate(found):
            size += len(record["Data"]) + len(record["PartitionKey"].encode()) + ENVELOPE_BYTES
            if size > EVENT_BYTES and number:
                return found[:number]
        return found

    def _deliver(self, batch: Sequence[Record]) -> None:
        """Invoke the function until each record is done, or was discarded. A mapping that stops leaves the rest."""
        parts = deque([Part(batch)])
        while parts and (settings := self.cloud.settings()):
            part = self._without_old(settings, parts.popleft())
            if part.records:
                parts.extendleft(reversed(self._attempt(settings, part)))

    def _without_old(self, settings: Settings, part: Part) -> Part:
        """Discard the records that are too old."""
        oldest = time.time() - settings.maximum_record_age_in_seconds
        if settings.maximum_record_age_in_seconds < 0:
            return part
        old = [record for record in part.records if record["ApproximateArrivalTimestamp"] < oldest]
        if old:
            self._discard(settings, Part(old, part.attempts), "RecordAgeExceeded")
        return Part(part.records[len(old) :], part.attempts)

    def _attempt(self, settings: Settings, part: Part) -> list[Part]:
        """Invoke the function once and return the parts that are left."""
        answer = self.cloud.invoke(part.records)
        if answer.refused:  # is not an attempt
            self._back_off()
            return [part]
        failure = _failure(settings, part.records, answer)
        if failure is None:
            self._done(part.records)
            return []
        if failure.first:
            self._done(part.records[: failure.first])
            return [Part(part.records[failure.first :])]
        if settings.bisect_batch_on_function_error and not failure.reported and len(part.records) > 1:
            half = len(part.records) // 2  # a split does not count as an attempt
            return [Part(part.records[:half], part.attempts), Part(part.records[half:], part.attempts)]
        tried = Part(part.records, part.attempts + 1)
        if 0 <= settings.maximum_retry_attempts < tried.attempts:
            self._discard(settings, tried, "RetryAttemptsExhausted", answer)
            return []
        self._back_off()
        return [tried]

    def _done(self, records: Sequence[Record]) -> None:
        self.cloud.advance(sequence(records[-1]))
        self._pause = FIRST_PAUSE

    def _back_off(self) -> None:
        self.cloud.sleep(self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)

    def _discard(self, settings: Settings, part: Part, condition: str, answer: Answer | None = None) -> None:
        """Tell the destination of records that were never processed, and go on after them."""
        if settings.destination:
            self.cloud.send_to_destination(settings.destination, self._message(settings, part, condition, answer))
        self._done(part.records)

    def _message(self, settings: Settings, part: Part, condition: str, answer: Answer | None) -> dict[str, Any]:
        first, last = part.records[0], part.records[-1]
        failed = {"statusCode": 200, "executedVersion": "$LATEST", "functionError": answer and answer.error}
        return {
            "requestContext": {
                "requestId": str(uuid.uuid4()),
                "functionArn": settings.function_arn,
                "condition": condition,
                "approximateInvokeCount": part.attempts,
            },
            "responseContext": failed if answer else None,
            "version": "1.0",
            "timestamp": _time(time.time()),
            "KinesisBatchInfo": {
                "shardId": self.shard,
                "startSequenceNumber": first["SequenceNumber"],
                "endSequenceNumber": last["SequenceNumber"],
                "approximateArrivalOfFirstRecord": _time(first["ApproximateArrivalTimestamp"]),
                "approximateArrivalOfLastRecord": _time(last["ApproximateArrivalTimestamp"]),
                "batchSize": len(part.records),
                "streamArn": settings.event_source_arn,
            },
        }


def sequence(record: Record) -> int:
    """Return a record's sequence number."""
    return int(record["SequenceNumber"])


def event(stream_arn: str, shard: str, role: str, records: Sequence[Record]) -> dict[str, Any]:
    """Return the event with some records of a shard that a function gets."""
    region = stream_arn.split(":")[3]
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": record["PartitionKey"],
                    "sequenceNumber": record["SequenceNumber"],
                    "data": record["Data"],
                    "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"],
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"{shard}:{record['SequenceNumber']}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": role,
                "awsRegion": region,
                "eventSourceARN": stream_arn,
            }
            for record in records
        ]
    }


@dataclass(frozen=True)
class Failure:
    """Where a batch failed."""

    first: int
    """The number of the first record that is not done."""
    reported: bool
    """Whether the function named it; if not, it may be any record of the batch."""


def _failure(settings: Settings, records: Sequence[Record], answer: Answer) -> Failure | None:
    """Return where a batch failed; None if it did not. A record that is not in the batch stands for all of it."""
    if answer.error:
        return Failure(0, reported=False)
    if not settings.reports_failures or not answer.body:
        return None
    numbers = {record["SequenceNumber"]: number for number, record in enumerate(records)}
    try:
        failures = [numbers[each["itemIdentifier"]] for each in answer.body.get("batchItemFailures") or ()]
    except (AttributeError, KeyError, TypeError):
        return Failure(0, reported=False)
    return Failure(min(failures), reported=True) if failures else None


def _time(seconds: float) -> str:
    """Return a time as Lambda writes it: `2019-11-14T00:38:06.021Z`."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
