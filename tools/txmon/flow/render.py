"""Turns transactions, rejected records, dead letters and findings into tables."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from tools.orchestrator.render.table import table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.table import Table

    from tools.txmon.flow.console import Answer
    from tools.txmon.flow.dead_letters import DeadLetter
    from tools.txmon.flow.stores import Found, Rejected, Remembered, Stored

ABSENT = "-"
Row = TypeVar("Row")


def number(value: int | None) -> str:
    return ABSENT if value is None else f"{value:,}"


def seconds(value: float | None) -> str:
    return ABSENT if value is None else f"{value:.2f} s"


def moment(value: datetime | None) -> str:
    """Return a time in UTC, to the second."""
    return ABSENT if value is None else f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def listed(rows: Sequence[Row], as_table: Callable[[Sequence[Row]], Table], what: str) -> Table | str:
    """Return the table of some rows, or a sentence if there are none."""
    return as_table(rows) if rows else f"there are no {what}"


def stored(rows: Sequence[Stored], title: str | None = None) -> Table:
    """Return a row for each transaction of PostgreSQL."""
    headings = ("transaction", "occurred at (UTC)", "customer", "amount", "currency")
    cells = [
        (each.transaction_id, moment(each.occurred_at), each.customer_id, each.amount, each.currency) for each in rows
    ]
    return table(*headings, rows=cells, right=("amount",), title=title)


def found(both: Found) -> Table:
    """Return a row for each transaction, and where it is."""
    in_postgresql = {each.transaction_id: each for each in both.postgresql}
    in_redis = {each.transaction_id: each for each in both.redis}
    rows = [
        _found(identity, in_postgresql.get(identity), in_redis.get(identity))
        for identity in dict.fromkeys([*in_postgresql, *in_redis])
    ]
    headings = (
        "transaction", "occurred at (UTC)", "customer", "amount", "currency", "PostgreSQL since", "Redis until"
    )  # fmt: skip
    return table(*headings, rows=rows, right=("amount",))


def _found(identity: str, row: Stored | None, copy: Remembered | None) -> tuple[str, ...]:
    fields: Mapping[str, Any] = row.model_dump() if row else copy.body if copy else {}
    told = (str(fields.get(name, ABSENT)) for name in ("customer_id", "amount", "currency"))
    occurred_at = moment(row.occurred_at) if row else str(fields.get("occurred_at", ABSENT))
    until = moment(datetime.fromtimestamp(copy.expires_at, UTC)) if copy else ABSENT
    return identity, occurred_at, *told, moment(row.stored_at) if row else ABSENT, until


def rejected(rows: Sequence[Rejected]) -> Table:
    """Return a row for each rejected record."""
    headings = ("id", "rejected at (UTC)", "reason")
    return table(*headings, rows=[(r.id, moment(r.rejected_at), r.reason) for r in rows], fold=("reason",))


def dead_letters(letters: Sequence[DeadLetter]) -> Table:
    """Return a row for each message of the dead-letter queue."""
    headings = ("message", "discarded at (UTC)", "records", "shard", "from sequence number", "why")
    rows = []
    for letter in letters:
        if letter.invocation is None:
            rows.append((letter.message_id, ABSENT, ABSENT, ABSENT, ABSENT, "not a message of Lambda"))
            continue
        invocation, batch = letter.invocation, letter.invocation.batch
        when, size = moment(invocation.timestamp), str(batch.batch_size)
        first = batch.start_sequence_number
        rows.append((letter.message_id, when, size, batch.shard_id, first, invocation.context.condition))
    return table(*headings, rows=rows, right=("records",))


def findings(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a row for each finding, with the columns that the function names."""
    headings = list(dict.fromkeys(name for row in rows for name in row))
    return table(*headings, rows=[tuple(_text(row.get(name)) for name in headings) for row in rows], fold=headings)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def as_json(value: Any) -> str:
    """Return a value of pydantic's models, or of plain ones, as JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def answer(result: Answer) -> Table:
    """Return the rows of a query's result."""
    return table(*result.columns, rows=[tuple(map(_text, row)) for row in result.rows])
