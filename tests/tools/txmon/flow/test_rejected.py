"""Rejected records: which are found, what is put on the stream for them, and when they count as resolved."""

import base64
from collections.abc import Mapping
from typing import Any

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow import rejected
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
    with pytest.raises(OrchestratorError, match=r"^shardId-0/1 was resolved already; nothing was put"):
        rejected.find(migrator, ["shardId-0/1"])


def test_a_record_goes_as_it_was_unless_a_file_mends_it(function) -> None:
    found = rejected.find(function(lambda _: [row(1, b'{"customer_id": "c", "amount": "x"}')]), ["shardId-0/1"])
    assert rejected.mend(found, None) == [Record("c", b'{"customer_id": "c", "amount": "x"}')]
    mended = [Record("c", b'{"customer_id": "c", "amount": "1"}')]
    assert rejected.mend(found, mended) == mended
    with pytest.raises(OrchestratorError, match=r"^--file has 2 transactions for 1 rejected records"):
        rejected.mend(found, mended * 2)


def test_only_what_the_stream_accepted_is_resolved(function) -> None:
    def put_records(**request: Any) -> Mapping[str, Any]:
        [record] = request["Records"]
        refused = {"ErrorCode": "InternalFailure"}
        return {"Records": [refused if record["Data"] == b"no" else {"ShardId": "shardId-0"}]}

    migrator = function(lambda event: [row(1, b"no"), row(2, b"yes")] if "rejected" in event else {"resolved": 1})
    found = rejected.find(migrator, ["shardId-0/1", "shardId-0/2"])
    sender = Sender(put_records, "arn:stream", sleep=lambda _: None)
    assert rejected.replay(migrator, sender, found, rejected.mend(found, None)) == 1
    assert migrator.events[1:] == [{"resolved": ["shardId-0/2"]}]
