"""Puts transactions on the stream with the producer's rights, as fast as it takes them or at a rate."""

from __future__ import annotations

import json
import logging
import re
import time
from codecs import BOM_UTF8
from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final

import tenacity

from tools.orchestrator.model.errors import OrchestratorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path

    from tools.txmon.flow.deployment import Deployment

logger = logging.getLogger(__name__)

BATCH_RECORDS: Final = 500
BATCH_BYTES: Final = 5 * 1024**2
LARGEST_RECORD: Final = 1024**2
LONGEST_KEY: Final = 256
"""What PutRecords takes: records and bytes of a request, bytes of a record with its partition key, and characters of
a partition key (Kinesis Data Streams API reference, PutRecords)."""
ATTEMPTS: Final = 8
"""How often a record is put that the stream refuses for the moment: for about 15 s; a shard takes 1,000 a second."""
SECONDS: Final = {"s": 1, "min": 60, "m": 60, "h": 3600}


@dataclass(frozen=True)
class Record:
    """A record of the stream. Transactions of one customer have one key, so that they stay in order."""

    key: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data) + len(self.key.encode())

    @classmethod
    def of(cls, data: bytes) -> Record:
        """Return the record of a transaction as JSON, or of anything else that somebody wants on the stream."""
        try:
            found = json.loads(data)
            customer = found["customer_id"]
        except (ValueError, TypeError, KeyError, RecursionError):
            customer = None
        return cls(customer if isinstance(customer, str) and 0 < len(customer) <= LONGEST_KEY else "unknown", data)


def as_record(transaction: Mapping[str, Any]) -> Record:
    """Return the record of a transaction."""
    return Record(transaction["customer_id"], json.dumps(transaction, ensure_ascii=False).encode())


@dataclass
class Report:
    """What became of the records."""

    accepted: int = 0
    shards: set[str] = field(default_factory=set)
    refused: Counter[str] = field(default_factory=Counter)
    """By Kinesis's error code."""
    seconds: float = 0

    def __str__(self) -> str:
        refused = ", ".join(f"{number} refused ({code})" for code, number in self.refused.items()) or "none refused"
        shards = f"{len(self.shards)} shard{'' if len(self.shards) == 1 else 's'}"
        return f"{self.accepted} accepted by {shards} in {self.seconds:.1f} s, {refused}"


def parse_rate(given: str) -> float:
    """Return records a second of `1000/min`.

    Raises:
        OrchestratorError: it is not a rate.
    """
    found = re.fullmatch(r"([1-9]\d{0,6})/(s|min|h)", given, re.ASCII)
    if not found:
        raise OrchestratorError(f"--rate {given!r} has to be 1 or more with its unit, as in 1000/min, 50/s or 600/h")
    return int(found[1]) / SECONDS[found[2]]


def parse_duration(given: str) -> float:
    """Return the seconds of `90s`, `1m` or `2h`.

    Raises:
        OrchestratorError: it is not a duration.
    """
    found = re.fullmatch(r"([1-9]\d{0,4})(s|m|h)", given, re.ASCII)
    if not found:
        raise OrchestratorError(f"--for {given!r} has to be 1 or more with its unit, as in 30s, 1m or 2h")
    return float(int(found[1]) * SECONDS[found[2]])


def records_in(path: Path) -> list[Record]:
    """Return the records in a file of JSON lines, one transaction each. Whether a consumer takes them is its matter.

    Raises:
        OrchestratorError: the file cannot be read, is empty, or has a line that is not a JSON object, or too large.
    """
    try:
        lines = path.read_bytes().removeprefix(BOM_UTF8).splitlines()
    except OSError as error:
        raise OrchestratorError(f"{path} cannot be read: {error.strerror}") from None
    records = [_record_in(line, f"line {number} of {path}") for number, line in enumerate(lines, 1) if line.strip()]
    if not records:
        raise OrchestratorError(f"{path} has no transactions; it needs one JSON object on each line")
    return records


def _record_in(line: bytes, where: str) -> Record:
    try:
        is_object = isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        is_object = False
    if not is_object:
        raise OrchestratorError(f"{where} is not a JSON object; nothing was put")
    record = Record.of(line.strip())
    if record.size > LARGEST_RECORD:
        raise OrchestratorError(f"{where} has {record.size} bytes; a record has at most {LARGEST_RECORD}")
    return record


@dataclass
class Sender:
    """Puts records on one stream."""

    put_records: Callable[..., Mapping[str, Any]]
    """PutRecords of a Kinesis client."""
    stream_arn: str
    report: Report = field(default_factory=Report)
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic

    def send(self, records: Iterable[Record], rate: float | None = None) -> Report:
        """Put all records, at a rate a second if one is given; the report also counts those of earlier calls."""
        began = self.clock()
        try:
            for batch in batches(records) if rate is None else self._paced(records, rate):
                self.put(batch)
        finally:
            self.report.seconds += self.clock() - began
        return self.report

    def _paced(self, records: Iterable[Record], rate: float) -> Iterator[list[Record]]:
        """Return what is due in batches; a record is taken from its source when it is due."""
        source, batch, began = iter(records), list[Record](), self.clock()
        for number in count():
            wait = began + number / rate - self.clock()
            if batch and (wait > 0 or len(batch) == BATCH_RECORDS):
                yield from batches(batch)
                batch = []
            if wait > 0:
                self.sleep(wait)
            record = next(source, None)
            if record is None:
                break
            batch.append(record)
        yield from batches(batch)

    def put(self, batch: list[Record]) -> None:
        """Put a batch, and those of it again that the stream refuses for the moment, as a full shard does."""
        refused = [(record, "") for record in batch]

        def attempt() -> bool:
            nonlocal refused
            refused = self._put_once([record for record, _ in refused])
            return bool(refused)

        retrying = tenacity.Retrying(
            wait=tenacity.wait_exponential_jitter(multiplier=0.1, max=5),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            retry=tenacity.retry_if_result(bool),
            retry_error_callback=lambda _state: True,
            sleep=self.sleep,
        )
        retrying(attempt)
        self.report.refused.update(code for _, code in refused)

    def _put_once(self, batch: list[Record]) -> list[tuple[Record, str]]:
        """Put records and return those that were refused, each with the reason."""
        answer = self.put_records(
            StreamARN=self.stream_arn,
            Records=[{"Data": record.data, "PartitionKey": record.key} for record in batch],
        )
        results = list(zip(batch, answer["Records"], strict=True))
        taken = [result["ShardId"] for _, result in results if "ErrorCode" not in result]
        self.report.accepted += len(taken)
        self.report.shards.update(taken)
        return [(record, result["ErrorCode"]) for record, result in results if "ErrorCode" in result]


def batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Return the records in batches that PutRecords takes."""
    batch: list[Record] = []
    size = 0
    for record in records:
        if len(batch) == BATCH_RECORDS or size + record.size > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += record.size
    if batch:
        yield batch


def open_sender(deployment: Deployment) -> Sender:
    """Return a sender with the rights of the producer's role, or with the caller's if the role does not trust it."""
    role = deployment.output("security", "kinesis_producer_role_arn")
    stream = deployment.output("streaming", "kinesis_stream_arn")
    producer = deployment.acting_as(role)
    if producer is None:
        logger.info("you may not assume %s, so that the transactions are put with your own rights", role)
    return Sender((producer or deployment).client("kinesis").put_records, stream)
