"""Runs the event source mappings for Kinesis in MiniStack's process, in place of MiniStack's own.

MiniStack's own ignores reports of failures, discards nothing, and tells no destination, so that records are lost or
block their shard. Mappings, positions, streams and functions stay in MiniStack's records, which it saves and loads.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import metrics
from tools.localcloud.completions.call import ministack
from tools.localcloud.completions.roles import role_may
from tools.localcloud.mapping import Answer, Reader, Settings, event, sequence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tools.localcloud.mapping import Record

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.02
"""How soon a record is seen; AWS looks once a second."""
WATCH_SECONDS: Final = 0.05
"""How soon a mapping is seen that was made, switched or deleted."""
FAULT_SECONDS: Final = 1


@dataclass(frozen=True)
class Key:
    """A shard that a mapping reads."""

    account: str
    region: str
    mapping: str
    shard: str


class Mappings:
    """The mappings that run, a thread a shard."""

    def __init__(self) -> None:
        self._readers: dict[Key, ShardReader] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def start(self) -> None:
        """Switch MiniStack's own off, and begin to watch the mappings."""
        functions = ministack("services.lambda_svc")
        functions._poll_kinesis = lambda: False
        threading.Thread(target=self._watch, name="mappings", daemon=True).start()

    def stop(self) -> None:
        """Note no further position: a batch that is being processed is delivered again after the next start."""
        with self._lock:
            self._stopped = True
            for reader in self._readers.values():
                reader.stop()

    def _watch(self) -> None:
        while not self._stopped:
            try:
                with self._lock:
                    self._reconcile()
            except Exception:
                log.exception("the event source mappings cannot be watched")
            time.sleep(WATCH_SECONDS)

    def _reconcile(self) -> None:
        """Have those readers run that are wanted. One that stops has to end before its shard is read again."""
        wanted = set() if self._stopped else set(_wanted())
        for key, reader in list(self._readers.items()):
            if key not in wanted:
                reader.stop()
            if not reader.is_alive():
                del self._readers[key]
        for key in wanted - self._readers.keys():
            self._readers[key] = ShardReader(key)
            self._readers[key].start()


def _wanted() -> Iterator[Key]:
    """Yield the shards of the mappings that are enabled, and let each begin where it has to."""
    functions = ministack("services.lambda_svc")
    for (account, region, identity), mapping in list(functions._esms._data.items()):
        stream = _stream(mapping["EventSourceArn"])
        if stream is None or not mapping["Enabled"]:
            continue
        positions = functions._kinesis_positions._data.get((account, region, identity))
        first_time, latest = positions is None, mapping.get("StartingPosition") == "LATEST"
        begins = {
            shard: sequence(found["records"][-1]) if first_time and latest and found["records"] else 0
            for shard, found in stream["shards"].items()
            if shard not in (positions or {})
        }
        functions._kinesis_positions._data.setdefault((account, region, identity), {}).update(begins)
        for shard in stream["shards"]:
            yield Key(account, region, identity, shard)


def _stream(arn: str) -> dict[str, Any] | None:
    """Return MiniStack's record of a stream; None if it is none, or does not exist."""
    _, _, service, region, account, resource = arn.split(":", 5)
    if service != "kinesis":
        return None
    name = resource.partition("/")[2]
    found: dict[str, Any] | None = ministack("services.kinesis")._streams._data.get((account, region, name))
    return found


class ShardReader(threading.Thread):
    """Reads one shard for one mapping."""

    def __init__(self, key: Key) -> None:
        super().__init__(name=f"mapping-{key.mapping}-{key.shard}", daemon=True)
        self._key = key
        self._stopping = threading.Event()
        self._functions = ministack("services.lambda_svc")

    def stop(self) -> None:
        self._stopping.set()

    def run(self) -> None:
        with ministack("core.responses").request_scope(self._key.account, self._key.region):
            # As Lambda does, for which the policy of a destination may ask.
            ministack("core.iam_evaluator").pin_request_origin("127.0.0.1", secure_transport=True)
            self._read()

    def _read(self) -> None:
        reader = Reader(self._key.shard, self)
        while not self._stopping.is_set():
            try:
                if not reader.step():
                    self.sleep(POLL_SECONDS)
            except Exception:
                log.exception("the shard %s cannot be read", self._key.shard)
                self.sleep(FAULT_SECONDS)

    # What the reader works with.

    def settings(self) -> Settings | None:
        mapping = self._mapping()
        return Settings(**mapping) if mapping and mapping["Enabled"] and not self._stopping.is_set() else None

    def records(self) -> Sequence[Record]:
        stream = _stream(self._mapping().get("EventSourceArn", "")) or {"shards": {}}
        found: list[Record] = stream["shards"].get(self._key.shard, {"records": []})["records"]
        return found

    def position(self) -> int:
        return self._positions().get(self._key.shard, 0)

    def advance(self, position: int) -> None:
        positions = self._positions()
        if self._key.shard in positions and not self._stopping.is_set():
            positions[self._key.shard] = position

    def invoke(self, records: Sequence[Record]) -> Answer:
        mapping, shard = self._mapping(), self._key.shard
        function, config = self._functions._get_func_record_for_qualifier(
            mapping.get("FunctionName"), mapping.get("Qualifier")
        )
        if function is None:
            mapping["LastProcessingResult"] = "PROBLEM: Function not found"
            return Answer(refused=True)
        given = event(mapping["EventSourceArn"], shard, config["Role"], records)
        revision = config["RevisionId"]
        started = time.monotonic()
        result = self._functions._execute_function(function, given)
        refused, failed = bool(result.get("throttle")), bool(result.get("error"))
        if failed and config["RevisionId"] != revision:  # MiniStack ends a function that changes; AWS lets it finish
            return Answer(refused=True)
        metrics.invoked(config["FunctionName"], time.monotonic() - started, failed=failed, refused=refused)
        metrics.behind(config["FunctionName"], records[-1]["ApproximateArrivalTimestamp"])
        mapping["LastProcessingResult"] = "PROBLEM: Function call failed" if failed or refused else "OK"
        return Answer(result.get("body"), "Unhandled" if failed else None, refused)

    def send_to_destination(self, destination: str, message: dict[str, Any]) -> None:
        """Send a message with the rights of the function's role; AWS, too, only counts one that cannot be sent."""
        queues, name = ministack("services.sqs"), destination.rpartition(":")[2]
        function = self._functions._functions.get(self._mapping().get("FunctionName"))
        refusal: object = "the function's role may not send to it"
        if function and role_may(function["config"]["Role"], "sqs:SendMessage", destination):
            try:
                queues._act_send_message({"MessageBody": json.dumps(message)}, queues._queue_url(name))
            except queues._Err as error:
                refusal = error
            else:
                return
        metrics.undelivered(self._mapping().get("FunctionName", ""))
        log.warning("%s does not take the message %s: %s", destination, message, refusal)

    def sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _mapping(self) -> dict[str, Any]:
        return self._functions._esms.get(self._key.mapping) or {}

    def _positions(self) -> dict[str, int]:
        return self._functions._kinesis_positions.get(self._key.mapping) or {}
