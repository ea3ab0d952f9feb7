"""Batches that Lambda discarded: its messages in the dead-letter queue, and their replay."""

import base64
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.alias_generators import to_camel

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.deployment import Deployment
from tools.txmon.flow.functions import Function

MOST_MESSAGES: Final = 1000
"""How many messages are looked at, ten a call."""
HIDDEN_SECONDS: Final = 60
"""How long a received message is hidden from others, so that the queue does not give it twice."""
PAUSE_SECONDS: Final = 0.2
"""A shard answers five times a second (Kinesis Data Streams API reference, GetRecords)."""
READ_SECONDS: Final = 60
"""How long the records of one message may take to be read."""
EVENT_RECORDS: Final = 500
EVENT_BYTES: Final = 6 * 1024**2
"""Bytes of an invocation's event (Lambda Developer Guide, "Lambda quotas")."""
ENVELOPE_BYTES: Final = 1024
"""More than what Lambda's event has of a record besides its data."""


class Batch(BaseModel):
    """Where the records of a message are in the stream."""

    model_config = ConfigDict(alias_generator=to_camel)

    shard_id: str
    start_sequence_number: str
    end_sequence_number: str
    batch_size: int
    approximate_arrival_of_first_record: datetime
    stream_arn: str

    @property
    def shard(self) -> "Shard":
        return Shard(self.stream_arn, self.shard_id)


@dataclass(frozen=True)
class Shard:
    """A shard of a stream."""

    stream_arn: str
    shard_id: str


class _Context(BaseModel):
    condition: str


class InvocationRecord(BaseModel):
    """What Lambda says of a batch that it discarded (Lambda Developer Guide, "Retain discarded batch records")."""

    batch: Batch = Field(alias="KinesisBatchInfo")
    context: _Context = Field(alias="requestContext")
    timestamp: datetime


INVOCATION_RECORD: Final = TypeAdapter(InvocationRecord)


class FailedItem(BaseModel):
    """A record that the consumer could not store."""

    identifier: str = Field(alias="itemIdentifier")


class Answer(BaseModel):
    """The consumer's answer."""

    failures: list[FailedItem] = Field(alias="batchItemFailures")


ANSWER: Final = TypeAdapter(Answer)


@dataclass(frozen=True)
class DeadLetter:
    """A message of the queue."""

    message_id: str
    receipt: str
    invocation: InvocationRecord | None
    """None if it is not from Lambda."""


@dataclass(frozen=True)
class Queue:
    """The dead-letter queue."""

    client: Any
    url: str

    def receive(self) -> list[DeadLetter]:
        """Return the messages, which stay in the queue and are hidden from others for a minute."""
        found: dict[str, DeadLetter] = {}
        while len(found) < MOST_MESSAGES:
            answer = self.client.receive_message(
                QueueUrl=self.url, MaxNumberOfMessages=10, VisibilityTimeout=HIDDEN_SECONDS, WaitTimeSeconds=1
            )
            new = [_letter(message) for message in answer.get("Messages", ())]
            if not {letter.message_id for letter in new} - found.keys():
                break
            found |= {letter.message_id: letter for letter in new}
        return list(found.values())

    def release(self, letters: Iterable[DeadLetter]) -> None:
        """Show the messages to others again."""
        for letter in letters:
            self.client.change_message_visibility(
                QueueUrl=self.url, ReceiptHandle=letter.receipt, VisibilityTimeout=0
            )

    def delete(self, letter: DeadLetter) -> None:
        self.client.delete_message(QueueUrl=self.url, ReceiptHandle=letter.receipt)

    @contextmanager
    def hidden(self, letter: DeadLetter, seconds: int) -> Iterator[None]:
        """Hide a message for as long as its replay may take, and show it to others again if the block raises."""
        self.client.change_message_visibility(
            QueueUrl=self.url, ReceiptHandle=letter.receipt, VisibilityTimeout=seconds
        )
        try:
            yield
        except BaseException:  # also Ctrl-C
            self.release([letter])
            raise


def _letter(message: Mapping[str, Any]) -> DeadLetter:
    try:
        invocation = INVOCATION_RECORD.validate_json(message["Body"])
    except ValidationError:
        invocation = None
    return DeadLetter(message["MessageId"], message["ReceiptHandle"], invocation)


def queue(deployment: Deployment) -> Queue:
    return Queue(deployment.client("sqs"), deployment.output("streaming", "dead_letter_queue_url"))


@dataclass(frozen=True)
class Replay:
    """Hands the records of dead letters to the consumer again."""

    kinesis: Any
    consumer: Function
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def replay(self, invocation: InvocationRecord) -> int:
        """Hand the records of a message to the consumer, and return how many those were.

        Raises:
            OrchestratorError: the consumer could not store one, or some have left the stream.
        """
        records = self.read(invocation.batch)
        hand_over(self.consumer, invocation.batch.shard, records)
        gone = invocation.batch.batch_size - len(records)
        if gone > 0:
            raise OrchestratorError(
                f"{gone} of {invocation.batch.batch_size} records have left the stream: the producer has to send "
                "them again; the message stays until the queue forgets it"
            )
        return len(records)

    def read(self, batch: Batch) -> list[Mapping[str, Any]]:
        """Return the records of a batch that are still in the stream.

        Raises:
            OrchestratorError: the stream does not give them in time.
        """
        first, last = int(batch.start_sequence_number), int(batch.end_sequence_number)
        found: list[Mapping[str, Any]] = []
        iterator, deadline = self._iterator(batch), self.clock() + READ_SECONDS
        while iterator:
            answer = self.kinesis.get_records(ShardIterator=iterator, StreamARN=batch.stream_arn)
            numbers = [int(record["SequenceNumber"]) for record in answer["Records"]]
            pairs = zip(numbers, answer["Records"], strict=True)
            found += [record for number, record in pairs if first <= number <= last]
            if any(number >= last for number in numbers) or (not numbers and not answer.get("MillisBehindLatest")):
                break
            if self.clock() > deadline:
                raise OrchestratorError(f"{batch.shard_id} gave its records too slowly: try again later")
            iterator = answer.get("NextShardIterator")
            self.sleep(PAUSE_SECONDS)
        return found

    def _iterator(self, batch: Batch) -> str | None:
        """Return where the batch begins; None if the stream does not know that sequence number any more."""
        try:
            answer = self.kinesis.get_shard_iterator(
                StreamARN=batch.stream_arn,
                ShardId=batch.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                StartingSequenceNumber=batch.start_sequence_number,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in {"InvalidArgumentException", "ResourceNotFoundException"}:
                return None  # the shard may be gone, too
            raise
        return str(answer["ShardIterator"])


def hand_over(consumer: Function, shard: Shard, records: Sequence[Mapping[str, Any]]) -> None:
    """Call the consumer with records of a shard, as Lambda does.

    Raises:
        OrchestratorError: it could not store one.
    """
    for part in events(shard, records):
        answer = consumer.call({"Records": part}, ANSWER)
        if answer.failures:
            raise OrchestratorError(
                f"the consumer could not store {len(answer.failures)} of {len(part)} records of {shard.shard_id}, as "
                "while a store is away: run this again once it answers"
            )


def events(shard: Shard, records: Sequence[Mapping[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Return the records as Lambda hands them to a function, in parts that an event may hold."""
    part: list[dict[str, Any]] = []
    size = 0
    for record in records:
        shown = _event_record(shard, record)
        length = len(shown["kinesis"]["data"]) + ENVELOPE_BYTES
        if part and (len(part) == EVENT_RECORDS or size + length > EVENT_BYTES):
            yield part
            part, size = [], 0
        part.append(shown)
        size += length
    if part:
        yield part


def _event_record(shard: Shard, record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record in the shape of an event (Lambda Developer Guide, "Using Lambda with Kinesis")."""
    _, _, _, region, _, _ = shard.stream_arn.split(":", 5)
    return {
        "kinesis": {
            "kinesisSchemaVersion": "1.0",
            "partitionKey": record["PartitionKey"],
            "sequenceNumber": record["SequenceNumber"],
            "data": base64.b64encode(record["Data"]).decode(),
            "approximateArrivalTimestamp": record["ApproximateArrivalTimestamp"].timestamp(),
        },
        "eventSource": "aws:kinesis",
        "eventVersion": "1.0",
        "eventID": f"{shard.shard_id}:{record['SequenceNumber']}",
        "eventName": "aws:kinesis:record",
        "invokeIdentityArn": "",
        "awsRegion": region,
        "eventSourceARN": shard.stream_arn,
    }


def as_json(found: Iterable[DeadLetter]) -> str:
    """Return the messages as JSON, each with what Lambda says of it."""
    shown = [
        {"message_id": letter.message_id}
        | ({} if letter.invocation is None else letter.invocation.model_dump(mode="json"))
        for letter in found
    ]
    return json.dumps(shown, indent=2)
