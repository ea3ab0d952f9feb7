"""Rejected records: which are found, what is put on the stream for them, and when they count as resolved."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow import rejected, stores
from tools.txmon.flow.send import Record, Sender


def row(number: int, data: bytes = b"{}", **more: Any) -> dict[str, Any]:
    return {
        "id": f"shardId-0/{number}",
        "reason": "amount is not a number",
        "conflicting": False,
        "arrived_at": "2026-01-02T03:04:05+00:00",
        "rejected_at": "2026-01-02T03:04:06+00:00",
        "resolved_at": None,
        "data": base64.b64encode(data).decode(),
        **more,
    }


def test_records_are_found_in_the_order_that_was_asked_for(function) -> None:
    migrator = function(lambda _: [row(1), row(2)])
    found = rejected.find(migrator, ["shardId-0/2", "shardId-0/1"])
    assert [each.id for each in found] == ["shardId-0/2", "shardId-0/1"]
    assert migrator.events == [{"rejected": {"ids": ["shardId-0/2", "shardId-0/1"]}}]


def test_an_unknown_or_a_resolved_record_is_refused(function) -> None:
    migrator = function(lambda _: [row(1, resolved_at="2026-01-03T00:00:00+00:00")])
    with pytest.raises(OrchestratorError, match=r"^no record 'x' was rejected; \./inv rejected shows"):
        rejected.find(migrator, ["x"])
    with pytest.raises(OrchestratorError, match=r"^shardId-0/1 was resolved already$"):
        rejected.find(migrator, ["shardId-0/1"])


class Stream:
    """A stream that does not take the data `no`."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.sender = Sender(self._put_records, "arn:stream", sleep=lambda _: None)

    def _put_records(self, **request: Any) -> Mapping[str, Any]:
        [record] = request["Records"]
        if record["Data"] == b"no":
            return {"Records": [{"ErrorCode": "InternalFailure"}]}
        self.taken.append(record["Data"])
        return {"Records": [{"ShardId": "shardId-0"}]}


def test_a_record_goes_as_it_was_unless_a_file_mends_it(function) -> None:
    def migrator() -> Any:
        return function(lambda event: [row(1, b"was")] if "rejected" in event else {"resolved": 1})

    stream = Stream()
    assert rejected.replay(migrator(), stream.sender, ["shardId-0/1"]) == 1
    assert rejected.replay(migrator(), stream.sender, ["shardId-0/1"], [Record("c", b"mended")]) == 1
    assert stream.taken == [b"was", b"mended"]
    with pytest.raises(OrchestratorError, match=r"^--file has 2 transactions for 1 rejected records"):
        rejected.require_one_each(["shardId-0/1"], [Record("c", b"mended")] * 2)


def test_only_what_the_stream_accepted_is_resolved(function) -> None:
    migrator = function(lambda event: [row(1, b"no"), row(2, b"yes")] if "rejected" in event else {"resolved": 1})
    assert rejected.replay(migrator, Stream().sender, ["shardId-0/1", "shardId-0/2"]) == 1
    assert migrator.events[1:] == [{"resolved": ["shardId-0/2"]}]


def test_all_rejected_records_are_replayed_however_many(function) -> None:
    left = [f"shardId-0/{number:05}" for number in range(25_000)]

    def answer(event: Mapping[str, Any]) -> Any:
        match event:
            case {"rejected": {"after": after, "limit": limit}}:
                return [each for each in left if each > after][:limit]
            case {"rejected": {"ids": ids}}:
                return [row(0) | {"id": each} for each in ids]
        return {"resolved": 1}

    ids = stores.rejected_ids(function(answer))
    assert ids == left
    several = ids[: 2 * rejected.PART + 1]
    assert rejected.replay(function(answer), Stream().sender, several) == len(several)
