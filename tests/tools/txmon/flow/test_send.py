"""What `./inv send` puts on the stream, how fast, and what it reports."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow import send
from tools.txmon.flow.send import Record, Sender, batches, parse_duration, parse_rate, records_in


class Stream:
    """A stream that refuses each record as often as `refusals` says, and a clock that only sleeping moves."""

    def __init__(self, **refusals: int) -> None:
        self.refusals = refusals
        self.taken: list[str] = []
        self.calls: list[tuple[float, int]] = []
        self.now = 0.0

    def put_records(self, **request: Any) -> Mapping[str, Any]:
        self.calls.append((round(self.now, 3), len(request["Records"])))
        return {"Records": [self._result(record["Data"].decode()) for record in request["Records"]]}

    def _result(self, data: str) -> dict[str, str]:
        if self.refusals.get(data, 0):
            self.refusals[data] -= 1
            return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
        self.taken.append(data)
        return {"ShardId": "shardId-000000000000", "SequenceNumber": "1"}

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def sender(self) -> Sender:
        return Sender(self.put_records, "arn:stream", sleep=self.sleep, clock=lambda: self.now)


def records(*texts: str) -> list[Record]:
    return [Record("customer", text.encode()) for text in texts]


def test_records_that_the_stream_refuses_for_the_moment_are_put_again_alone() -> None:
    stream = Stream(b=2)
    report = stream.sender().send(records("a", "b", "c"))
    assert stream.taken == ["a", "c", "b"]
    assert [size for _, size in stream.calls] == [3, 1, 1]
    assert (report.accepted, report.refused) == (3, {})


def test_a_record_that_stays_refused_is_reported_with_the_reason() -> None:
    stream = Stream(b=99)
    report = stream.sender().send(records("a", "b"))
    assert len(stream.calls) == send.ATTEMPTS
    assert str(report).startswith("1 accepted by 1 shard in ")
    assert str(report).endswith(" s, 1 refused (ProvisionedThroughputExceededException)")


def test_the_report_counts_what_was_accepted_before_an_error() -> None:
    stream = Stream()

    def put_once(**request: Any) -> Mapping[str, Any]:
        if stream.calls:
            raise KeyboardInterrupt
        return stream.put_records(**request)

    sender = Sender(put_once, "arn:stream")
    with pytest.raises(KeyboardInterrupt):
        sender.send(records(*"x" * 501))
    assert sender.report.accepted == 500


def test_a_rate_spreads_the_records_evenly() -> None:
    stream = Stream()
    report = stream.sender().send(records(*"abcde"), rate=2)
    assert stream.calls == [(0.0, 1), (0.5, 1), (1.0, 1), (1.5, 1), (2.0, 1)]
    assert report.seconds == pytest.approx(2.5)


def test_records_that_became_due_during_a_slow_call_go_together() -> None:
    stream = Stream()

    def put_slowly(**request: Any) -> Mapping[str, Any]:
        stream.now += 1
        return stream.put_records(**request)

    Sender(put_slowly, "arn:stream", sleep=stream.sleep, clock=lambda: stream.now).send(records(*"x" * 40), rate=10)
    assert sum(size for _, size in stream.calls) == 40
    assert max(size for _, size in stream.calls) >= 10


def test_a_record_is_made_when_it_is_due() -> None:
    stream = Stream()
    made: list[float] = []

    def source() -> Iterator[Record]:
        for _ in range(3):
            made.append(stream.now)
            yield from records("x")

    stream.sender().send(source(), rate=1)
    assert made == [0, 1, 2]


def test_batches_hold_what_one_request_may() -> None:
    assert [len(batch) for batch in batches(records(*"x" * 1001))] == [500, 500, 1]
    large = records(*["x" * 1_000_000] * 6)
    assert [len(batch) for batch in batches(large)] == [5, 1]


def test_transactions_of_one_customer_have_one_partition_key() -> None:
    assert Record.of(b'{"customer_id": "c-1"}').key == "c-1"
    for other in (b'{"customer_id": 7}', b'{"customer_id": ""}', b"[]", b"\xff", b"[" * 100_000):
        assert Record.of(other).key == "unknown"


def test_a_file_has_a_transaction_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"customer_id": "a"}\n\n {"customer_id": "b", "amount": "not one"} \n')
    assert [json.loads(record.data)["customer_id"] for record in records_in(path)] == ["a", "b"]


def test_a_byte_order_mark_is_not_part_of_the_first_transaction(tmp_path: Path) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text('{"customer_id": "a"}\n', encoding="utf-8-sig")
    assert [record.data for record in records_in(path)] == [b'{"customer_id": "a"}']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no transactions; it needs one JSON object on each line"),
        ('{"a": 1}\n{"a"', r"^line 2 of \S+ is not a JSON object; nothing was put$"),
        ("[1]", r"^line 1 of \S+ is not a JSON object"),
        ("[" * 100_000, r"^line 1 of \S+ is not a JSON object"),
        (f'{{"a": "{"x" * 2**20}"}}', r"^line 1 of \S+ has 1048\d+ bytes; a record has at most 1048576$"),
    ],
)
def test_a_malformed_file_is_refused_before_anything_is_put(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "some.jsonl"
    path.write_text(text)
    with pytest.raises(OrchestratorError, match=message):
        records_in(path)


def test_a_missing_file_is_refused_with_the_reason(tmp_path: Path) -> None:
    with pytest.raises(OrchestratorError, match="cannot be read: No such file or directory"):
        records_in(tmp_path / "none.jsonl")


@pytest.mark.parametrize(("given", "rate"), [("1000/min", 1000 / 60), ("50/s", 50), ("36/h", 0.01)])
def test_a_rate_is_a_number_with_its_unit(given: str, rate: float) -> None:
    assert parse_rate(given) == pytest.approx(rate)


@pytest.mark.parametrize("given", ["", "1000", "0/s", "-1/s", "1/day", "1.5/s", "99999999/s", "²/s", "1 /s"])
def test_a_malformed_rate_is_refused(given: str) -> None:
    with pytest.raises(OrchestratorError, match=r"^--rate '.*' has to be 1 or more with its unit, as in 1000/min"):
        parse_rate(given)


def test_a_duration_is_a_number_with_its_unit() -> None:
    assert [parse_duration(given) for given in ("90s", "1m", "2h")] == [90, 60, 7200]
    for given in ("", "1", "0s", "1min", "-1s", "1d"):
        with pytest.raises(OrchestratorError, match=r"^--for '.*' has to be 1 or more with its unit, as in 30s"):
            parse_duration(given)
