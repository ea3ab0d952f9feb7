"""The options of the flow's verbs."""

from pathlib import Path

import pytest

from tools.orchestrator.model.errors import OrchestratorError
from tools.txmon.flow.stores import Found
from tools.txmon.flow.verbs import load, show_found


def test_without_options_a_hundred_samples_are_sent_at_once() -> None:
    chosen = load(None, None, None, None)
    assert (len(list(chosen.records)), chosen.rate, chosen.description) == (100, None, "100 sample transactions")


@pytest.mark.parametrize(
    ("count", "rate", "for_", "number"),
    [("7", None, None, 7), ("7", "1/s", None, 7), (None, "1000/min", None, 1000), (None, "50/s", "10s", 500)],
)
def test_count_or_rate_and_duration_say_how_many(
    count: str | None, rate: str | None, for_: str | None, number: int
) -> None:
    assert len(list(load(count, rate, for_, None).records)) == number


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("7", "1/s", "1m", None), "--count, --for and --file each say how many: give one of them"),
        (("7", None, None, "f"), "give one of them"),
        ((None, None, "1m", None), "--for needs --rate"),
        (("0", None, None, None), "--count '0' has to be a whole number, 1 or more"),
        (("x", None, None, None), "--count 'x' has to be"),
        ((None, None, None, ""), "the name of a file or folder is empty"),
    ],
)
def test_options_that_contradict_or_are_malformed_are_refused(
    options: tuple[str | None, str | None, str | None, str | None], message: str
) -> None:
    with pytest.raises(OrchestratorError, match=message):
        load(*options)


def test_a_file_may_be_sent_at_a_rate(tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"a": 1}\n')
    assert load(None, "1/s", None, str(path)).rate == 1


@pytest.mark.parametrize("shown_as", ["table", "json"])
def test_what_one_store_has_is_shown_before_the_error_of_the_other(
    capsys: pytest.CaptureFixture[str], shown_as: str
) -> None:
    row = {
        "transaction_id": "t-1",
        "occurred_at": "2026-01-02T03:04:05+09:00",
        "customer_id": "c-1",
        "amount": "1280.00",
        "currency": "JPY",
        "arrived_at": "2026-01-01T18:04:05+00:00",
        "stored_at": "2026-01-01T18:04:06+00:00",
    }
    answer = {"postgresql": [row], "redis": [], "found": 1, "away": ["Redis does not answer: Connection refused"]}

    with pytest.raises(OrchestratorError, match=r"^this is not all: Redis does not answer: Connection refused$"):
        show_found(Found.model_validate(answer), shown_as, newest=False)

    assert "t-1" in capsys.readouterr().out
