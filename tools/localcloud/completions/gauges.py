"""Measures streams, queues and databases, and evaluates the alarms, once a second."""

from __future__ import annotations

import logging
import threading
import time
from bisect import bisect_right
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import alarms, metrics, servers
from tools.localcloud.completions.call import ministack
from tools.localcloud.mapping import sequence

if TYPE_CHECKING:
    from collections.abc import Iterator

log = logging.getLogger(__name__)

SECONDS: Final = 1
STOP_SECONDS: Final = 5


class Gauges(threading.Thread):
    """Measures and evaluates, and knows what was seen the last time."""

    def __init__(self) -> None:
        super().__init__(name="gauges", daemon=True)
        self._stopping = threading.Event()
        self._began = int(time.time() * 1000) * 10**10
        """The sequence number of a record that MiniStack would get now: milliseconds, and ten digits of a counter."""
        self._put: dict[str, int] = {}
        """Stream -> the sequence number of its last record."""
        self._read: dict[tuple[str, str], int] = {}
        """Mapping and shard -> the sequence number that it has reached."""
        self._measured: dict[str, float] = {}
        """Server of a database -> when its CPU was measured."""

    def stop(self) -> None:
        """Change no record of MiniStack any more, so that they can be saved."""
        self._stopping.set()
        self.join(STOP_SECONDS)

    def run(self) -> None:
        ministack("services.cloudwatch")._evaluate_alarm = alarms.evaluate  # in place of its own
        while not self._stopping.wait(SECONDS):
            try:
                for account, region in _scopes():
                    with ministack("core.responses").request_scope(account, region):
                        self._look()
            except Exception:
                log.exception("the streams, the queues or the alarms cannot be measured")

    def _look(self) -> None:
        for name, stream in ministack("services.kinesis")._streams.items():
            self._count_incoming(name, stream)
        for mapping in ministack("services.lambda_svc")._esms.values():
            self._follow(mapping)
        for queue in ministack("services.sqs")._queues.values():
            _count_messages(queue)
        for name, instance in ministack("services.rds")._instances.items():
            self._measure_cpu(name, instance.get(servers.SERVER, ""))
        ministack("services.cloudwatch")._evaluate_all_alarms()

    def _count_incoming(self, name: str, stream: dict[str, Any]) -> None:
        """Count what came in ("Monitoring Kinesis Data Streams with CloudWatch", Developer Guide)."""
        last = self._put.get(stream["StreamARN"], self._began)
        fresh = [record for shard in stream["shards"].values() for record in _after(shard["records"], last)]
        if not fresh:
            return
        size = sum(len(record["Data"]) * 3 // 4 for record in fresh)
        metrics.record("AWS/Kinesis", "IncomingRecords", {"StreamName": name}, len(fresh), unit="Count")
        metrics.record("AWS/Kinesis", "IncomingBytes", {"StreamName": name}, size, unit="Bytes")
        self._put[stream["StreamARN"]] = max(map(sequence, fresh))

    def _follow(self, mapping: dict[str, Any]) -> None:
        """Note how far a mapping is behind its stream, and how much it has read."""
        name = mapping["EventSourceArn"].rpartition("/")[2]
        stream = ministack("services.kinesis")._streams.get(name)
        positions = ministack("services.lambda_svc")._kinesis_positions.get(mapping["UUID"]) or {}
        if ":kinesis:" not in mapping["EventSourceArn"] or not stream or not mapping["Enabled"]:
            return
        for shard, position in positions.items():
            records = stream["shards"].get(shard, {"records": ()})["records"]
            before = self._read.get((mapping["UUID"], shard), position)
            self._read[mapping["UUID"], shard] = position
            waiting = _after(records, position)
            read = len(_after(records, before)) - len(waiting)
            age = max(0.0, time.time() - waiting[0]["ApproximateArrivalTimestamp"]) * 1000 if waiting else 0
            of = {"StreamName": name}
            metrics.record("AWS/Kinesis", "GetRecords.IteratorAgeMilliseconds", of, age, unit="Milliseconds")
            metrics.record("AWS/Kinesis", "GetRecords.Records", of, max(0, read), unit="Count")

    def _measure_cpu(self, name: str, server: str) -> None:
        """Note how busy a database is, which is also its sign of life (CloudWatch metrics in the RDS User Guide)."""
        now = time.monotonic()
        if now < self._measured.get(server, 0) + metrics.SLOT_SECONDS:
            return
        if (percent := servers.fleet().cpu_percent(server)) is not None:
            self._measured[server] = now
            metrics.record("AWS/RDS", "CPUUtilization", {"DBInstanceIdentifier": name}, percent, unit="Percent")


def _scopes() -> Iterator[tuple[str, str]]:
    """Return the accounts and regions that have streams, queues, databases or alarms."""
    stores = (("cloudwatch", "_alarms"), ("kinesis", "_streams"), ("rds", "_instances"), ("sqs", "_queues"))
    keys = [key for module, name in stores for key in list(getattr(ministack(f"services.{module}"), name)._data)]
    return iter({(account, region) for account, region, _ in keys})


def _after(records: list[dict[str, Any]], position: int) -> list[dict[str, Any]]:
    return records[bisect_right(records, position, key=sequence) :]


def _count_messages(queue: dict[str, Any]) -> None:
    """Count the messages of a queue ("Available CloudWatch metrics for Amazon SQS", Developer Guide)."""
    now, of = time.time(), {"QueueName": queue["attributes"]["QueueArn"].rpartition(":")[2]}
    visible = [message for message in list(queue["messages"]) if message["visible_at"] <= now]
    age = max((now - message["sent_at"] for message in visible), default=0.0)
    metrics.record("AWS/SQS", "ApproximateNumberOfMessagesVisible", of, len(visible), unit="Count")
    metrics.record("AWS/SQS", "ApproximateAgeOfOldestMessage", of, age, unit="Seconds")
