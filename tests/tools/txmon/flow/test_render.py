"""Tables of transactions, rejected records, dead letters and findings."""

import io
from typing import Any

from rich.console import Console

from tools.txmon.flow import render
from tools.txmon.flow.dead_letters import DeadLetter
from tools.txmon.flow.stores import Found

ROW = {
    "transaction_id": "t-1",
    "occurred_at": "2026-01-02T03:04:05+09:00",
    "customer_id": "c-1",
    "amount": "1280.00",
    "currency": "JPY",
    "arrived_at": "2026-01-01T18:04:05+00:00",
    "stored_at": "2026-01-01T18:04:06+00:00",
}
REMEMBERED = {"transaction_id": "t-2", "expires_at": 1767312000, "body": {"customer_id": "c-2", "amount": 7}}


def printed(table: Any) -> list[list[str]]:
    console = Console(file=io.StringIO(), width=300)
    console.print(table)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return [[cell for cell in line.split("  ") if cell] for line in lines]


def test_a_transaction_is_shown_once_with_the_stores_that_have_it() -> None:
    both = Found.model_validate({"postgresql": [ROW], "redis": [REMEMBERED, {**REMEMBERED, "transaction_id": "t-1"}]})
    [_, first, second] = printed(render.found(both))
    stored, expires = "2026-01-01 18:04:06", "2026-01-02 00:00:00"
    assert [cell.strip() for cell in first] == [
        "t-1", "2026-01-01 18:04:05", "c-1", "1280.00", "JPY", stored, expires
    ]  # fmt: skip
    assert [cell.strip() for cell in second] == ["t-2", "-", "c-2", "7", "-", "-", expires]


def test_a_message_of_somebody_else_is_shown_as_such() -> None:
    assert "not a message of Lambda" in printed(render.dead_letters([DeadLetter("m1", "r1", None)]))[1][-1]


def test_findings_have_the_columns_that_the_function_names() -> None:
    rows = [{"rule": "amount", "limit": 5}, {"rule": "repeat", "of": "t-1"}]
    assert printed(render.findings(rows))[0] == ["rule", "limit", "of"]


def test_a_sentence_says_that_there_is_nothing() -> None:
    assert render.listed([], render.findings, "findings in dev") == "there are no findings in dev"
    assert printed(render.listed([{"rule": "amount"}], render.findings, ""))[0] == ["rule"]
