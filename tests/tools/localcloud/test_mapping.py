"""Tests the event source mapping on a function and a stream that stand in for the emulator's."""

from __future__ import annotations

import base64
import time
from typing import TYPE_CHECKING, Any

import pytest

from tools.localcloud import mapping
from tools.localcloud.mapping import Answer, Reader, Settings, event

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

STREAM = "arn:aws:kinesis:ap-northeast-1:000000000000:stream/s"
QUEUE = "arn:aws:sqs:ap-northeast-1:000000000000:dead"
CRASH = Answer(error="Unhandled")
REFUSED = Answer(refused=True)


def record(number: int, *, size: int = 4, age: float = 0) -> dict[str, Any]:
    return {
        "SequenceNumber": f"{number:030d}",
        "PartitionKey": "k",
        "Data": base64.b64encode(b"x" * size).decode(),
        "ApproximateArrivalTimestamp": time.time() - age,
    }


def report(*numbers: Any) -> Answer:
    return Answer({"batchItemFailures": [{"itemIdentifier": number} for number in numbers]})


class Stand:
    """A stream with one shard, and a function that answers as it is told."""

    def __init__(self, records: list[dict[str, Any]], answer: Callable[[list[int]], Answer], **given: Any) -> None:
        self.stream = records
        self.answer = answer
        settings = {"EventSourceArn": STREAM, "FunctionArn": "arn:f", "BatchSize": 100}
        self.given: Settings | None = Settings(**(settings | given))
        self.at = 0
        self.calls: list[list[int]] = []
        self.aside: list[dict[str, Any]] = []
        self.pauses: list[float] = []

    def settings(self) -> Settings | None:
        return self.given

    def records(self) -> Sequence[dict[str, Any]]:
        return self.stream

    def position(self) -> int:
        return self.at

    def advance(self, position: int) -> None:
        assert position > self.at, "it never goes back"
        self.at = position

    def invoke(self, records: Sequence[mapping.Record]) -> Answer:
        self.calls.append([mapping.sequence(each) for each in records])
        return self.answer(self.calls[-1])

    def send_to_destination(self, destination: str, message: dict[str, Any]) -> None:
        assert destination == QUEUE
        self.aside.append(message)

    def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)

    def run(self) -> Stand:
        """Read until nothing more is handed on."""
        reader = Reader("shardId-000000000000", self)
        while reader.step():
            pass
        return self


def stand(count: int, answer: Callable[[list[int]], Answer] = lambda _: Answer(), **given: Any) -> Stand:
    return Stand([record(number) for number in range(1, count + 1)], answer, **given)


def crashes_on(*bad: int) -> Callable[[list[int]], Answer]:
    return lambda numbers: CRASH if set(bad) & set(numbers) else Answer()


def test_all_records_are_handed_on_in_order_and_batches() -> None:
    done = stand(5, BatchSize=2).run()
    assert done.calls == [[1, 2], [3, 4], [5]]
    assert done.at == 5


def test_a_reader_goes_on_after_its_position() -> None:
    later = stand(5)
    later.at = 3
    assert later.run().calls == [[4, 5]]


def test_records_before_a_reported_failure_are_done() -> None:
    answers = iter([report(f"{3:030d}", f"{2:030d}"), Answer()])
    done = stand(4, lambda _: next(answers), FunctionResponseTypes=["ReportBatchItemFailures"]).run()
    assert done.calls == [[1, 2, 3, 4], [2, 3, 4]]


def test_a_report_is_ignored_by_a_mapping_without_that_setting() -> None:
    assert stand(2, lambda _: report(f"{1:030d}")).run().calls == [[1, 2]]


@pytest.mark.parametrize("body", [None, {}, {"batchItemFailures": None}, {"batchItemFailures": []}])
def test_an_answer_without_failures_means_that_all_is_done(body: Any) -> None:
    done = stand(2, lambda _: Answer(body), FunctionResponseTypes=["ReportBatchItemFailures"]).run()
    assert done.calls == [[1, 2]]


@pytest.mark.parametrize(
    "wrong",
    [
        report("99"),
        report(None),
        report(""),
        Answer({"batchItemFailures": [{"identifier": f"{1:030d}"}]}),
        Answer({"batchItemFailures": 1}),
        Answer("done"),
    ],
)
def test_a_wrong_report_fails_the_whole_batch(wrong: Answer) -> None:
    answers = iter([wrong, Answer()])
    done = stand(2, lambda _: next(answers), FunctionResponseTypes=["ReportBatchItemFailures"]).run()
    assert done.calls == [[1, 2], [1, 2]]
    assert done.at == 2


def test_a_batch_is_halved_until_the_bad_record_is_alone() -> None:
    done = stand(
        8, crashes_on(6), BisectBatchOnFunctionError=True, MaximumRetryAttempts=1,
        DestinationConfig={"OnFailure": {"Destination": QUEUE}},
    ).run()  # fmt: skip
    assert done.calls == [
        [1, 2, 3, 4, 5, 6, 7, 8],
        [1, 2, 3, 4],
        [5, 6, 7, 8],
        [5, 6],
        [5],
        [6],
        [6],
        [7, 8],
    ]
    assert done.at == 8
    [message] = done.aside
    assert message["KinesisBatchInfo"]["batchSize"] == 1
    assert message["requestContext"]["approximateInvokeCount"] == 2


def test_a_reported_failure_is_not_halved() -> None:
    answers = iter([report(f"{1:030d}"), Answer()])
    done = stand(
        2, lambda _: next(answers), FunctionResponseTypes=["ReportBatchItemFailures"], BisectBatchOnFunctionError=True
    ).run()
    assert done.calls == [[1, 2], [1, 2]]


def test_a_batch_is_given_up_after_its_retries_with_a_message_in_lambdas_form() -> None:
    done = stand(
        2, crashes_on(1), MaximumRetryAttempts=2, DestinationConfig={"OnFailure": {"Destination": QUEUE}}
    ).run()
    assert len(done.calls) == 3
    [message] = done.aside
    assert message["requestContext"]["condition"] == "RetryAttemptsExhausted"
    assert message["responseContext"] == {
        "statusCode": 200,
        "executedVersion": "$LATEST",
        "functionError": "Unhandled",
    }
    arrival = message["KinesisBatchInfo"].pop("approximateArrivalOfFirstRecord")
    assert arrival.endswith("Z")
    assert message["KinesisBatchInfo"].pop("approximateArrivalOfLastRecord") >= arrival
    assert message["KinesisBatchInfo"] == {
        "shardId": "shardId-000000000000",
        "startSequenceNumber": f"{1:030d}",
        "endSequenceNumber": f"{2:030d}",
        "batchSize": 2,
        "streamArn": STREAM,
    }


def test_what_is_given_up_without_a_destination_does_not_block_the_rest() -> None:
    done = stand(3, crashes_on(1), BatchSize=1, MaximumRetryAttempts=0).run()
    assert done.calls == [[1], [2], [3]]
    assert done.aside == []


def test_records_that_are_too_old_are_given_up_without_an_invocation() -> None:
    old = [record(1, age=90), record(2, age=80), record(3)]
    given = {"MaximumRecordAgeInSeconds": 60, "DestinationConfig": {"OnFailure": {"Destination": QUEUE}}}
    done = Stand(old, lambda _: Answer(), **given).run()
    assert done.calls == [[3]]
    [message] = done.aside
    assert message["requestContext"]["condition"] == "RecordAgeExceeded"
    assert message["KinesisBatchInfo"]["batchSize"] == 2
    assert message["responseContext"] is None


def test_a_refused_invocation_is_repeated_and_costs_no_attempt() -> None:
    answers = iter([REFUSED] * 5 + [Answer()])
    done = stand(1, lambda _: next(answers), MaximumRetryAttempts=0).run()
    assert len(done.calls) == 6
    assert done.pauses == [0.1, 0.2, 0.4, 0.8, 1.0]


def test_the_pause_between_attempts_begins_again_after_a_success() -> None:
    answers = iter([CRASH, CRASH, Answer(), CRASH, Answer()])
    done = stand(2, lambda _: next(answers), BatchSize=1).run()
    assert done.pauses == [0.1, 0.2, 0.1]


def test_an_event_has_no_more_than_lambda_takes() -> None:
    done = Stand([record(number, size=2**20) for number in range(1, 8)], lambda _: Answer())
    assert done.run().calls == [[1, 2, 3, 4], [5, 6, 7]]


def test_a_batch_waits_for_its_window_unless_it_is_full() -> None:
    now = 100.0
    waiting = stand(1, BatchSize=3, MaximumBatchingWindowInSeconds=5)
    reader = Reader("shard", waiting, lambda: now)
    assert not reader.step()
    now += 4
    waiting.stream.append(record(2))
    assert not reader.step()
    now += 1.5
    assert reader.step()
    assert waiting.calls == [[1, 2]]
    waiting.stream += [record(number) for number in (3, 4, 5)]
    assert reader.step(), "it is full"
    assert waiting.calls[1:] == [[3, 4, 5]]


def test_a_mapping_that_is_switched_off_leaves_the_rest_where_it_is() -> None:
    stopped = stand(4, BatchSize=2, MaximumRetryAttempts=5)

    def answer(_: list[int]) -> Answer:
        stopped.given = None
        return CRASH

    stopped.answer = answer
    stopped.run()
    assert stopped.calls == [[1, 2]]
    assert stopped.at == 0


def test_a_change_of_the_settings_counts_from_the_next_attempt() -> None:
    changed = stand(2, MaximumRetryAttempts=5)

    def answer(_: list[int]) -> Answer:
        changed.given = Settings(EventSourceArn=STREAM, FunctionArn="f", MaximumRetryAttempts=0)
        return CRASH

    changed.answer = answer
    assert len(changed.run().calls) == 2


def test_an_event_has_the_form_of_lambdas() -> None:
    [made] = event(STREAM, "shardId-0", "arn:role", [record(7)])["Records"]
    assert made["eventID"] == f"shardId-0:{7:030d}"
    assert (made["awsRegion"], made["eventSourceARN"]) == ("ap-northeast-1", STREAM)
    assert made["invokeIdentityArn"] == "arn:role"
    assert base64.b64decode(made["kinesis"]["data"]) == b"xxxx"
    assert made["kinesis"]["sequenceNumber"] == f"{7:030d}"
