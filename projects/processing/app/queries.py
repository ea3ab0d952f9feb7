"""What operators ask, read as `tx_consumer`. Ids of rejected records are `shard_id/sequence_number`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate, zip_longest
from typing import Any

from .database import Database
from .history import History

FIELDS = "transaction_id, occurred_at, customer_id, amount, currency, arrived_at, stored_at"
COLUMNS = f"{FIELDS}, body"

ANSWER_BYTES = 5_000_000
"""An answer of Lambda has 6 MB at most (Lambda Developer Guide, "Lambda quotas")."""

EXACT = 1_000_000
"""Up to this many rows are counted; PostgreSQL's own estimate is told from there on: counting takes minutes."""

STATUS = f"""
SELECT
    (SELECT CASE WHEN reltuples < {EXACT} THEN (SELECT count(*) FROM transactions) ELSE reltuples::bigint END
     FROM pg_class WHERE oid = 'transactions'::regclass),
    (SELECT count(*) FROM rejected WHERE NOT conflicting),
    (SELECT count(*) FROM rejected WHERE conflicting)"""  # noqa: S608 (a number of ours)

NEWEST = f"""
SELECT {FIELDS} FROM transactions WHERE occurred_at > now() - interval '1 hour'
ORDER BY stored_at DESC LIMIT 10"""  # noqa: S608 (names of columns)

REJECTED = """
SELECT shard_id || '/' || sequence_number, reason, conflicting, arrived_at, rejected_at, resolved_at, {data}
FROM rejected LEFT JOIN resolved USING (shard_id, sequence_number) {which}"""

UNRESOLVED = """
SELECT shard_id || '/' || sequence_number FROM rejected LEFT JOIN resolved USING (shard_id, sequence_number)
WHERE resolved_at IS NULL
    AND (shard_id, sequence_number) > (split_part(:after::text, '/', 1), split_part(:after::text, '/', 2))
ORDER BY shard_id, sequence_number LIMIT :limit"""

STORED = """
SELECT transaction_id FROM transactions
WHERE transaction_id IN (SELECT jsonb_array_elements_text(:ids::jsonb))"""

FINDINGS = """
SELECT transaction_id, rule, found_at, customer_id, occurred_at, amount, currency
FROM findings JOIN transactions USING (transaction_id) ORDER BY found_at DESC LIMIT :limit"""

IDS = """
(SELECT split_part(id, '/', 1), split_part(id, '/', 2) FROM jsonb_array_elements_text(:ids::jsonb) AS id)"""

PAGE = 100
"""Transactions that are read and written at once when history is rebuilt: 100 MiB of the largest."""


@dataclass(frozen=True, slots=True)
class Stored:
    """What history keeps of a transaction of PostgreSQL."""

    transaction_id: str
    customer_id: str
    occurred_at: datetime
    body: str


def status(database: Database) -> dict[str, Any]:
    """Return counts, the newest transactions of the last hour, and how long the newest took from the stream."""
    [[transactions, rejected, conflicting]] = database.run(STATUS)
    rows = database.run(NEWEST)
    lag = (rows[0][-1] - rows[0][-2]).total_seconds() if rows else None
    return {
        "transactions": transactions,
        "rejected": rejected,
        "conflicting": conflicting,
        "newest": [_named(FIELDS, row) for row in rows],
        "lag_seconds": lag,
    }


def transaction(database: Database, transaction_id: str) -> list[dict[str, Any]]:
    sql = f"SELECT {COLUMNS} FROM transactions WHERE transaction_id = :id"  # noqa: S608 (names of columns)
    return [_named(COLUMNS, row) for row in database.run(sql, id=transaction_id)]


def stored(database: Database, ids: Sequence[str]) -> list[str]:
    """Return those ids of transactions that PostgreSQL has."""
    return [found for [found] in database.run(STORED, ids=json.dumps(ids))]


def of_customer(database: Database, customer_id: str, limit: int) -> list[dict[str, Any]]:
    """Return a customer's newest transactions."""
    sql = f"""
        SELECT {COLUMNS} FROM transactions WHERE customer_id = :customer
        ORDER BY occurred_at DESC LIMIT :limit"""  # noqa: S608 (names of columns)
    return [_named(COLUMNS, row) for row in database.run(sql, customer=customer_id, limit=limit)]


def rejected(database: Database, limit: int) -> list[dict[str, Any]]:
    """Return the newest rejected records that are not resolved, without payloads."""
    sql = REJECTED.format(data="NULL", which="WHERE resolved_at IS NULL ORDER BY rejected_at DESC LIMIT :limit")
    return [_rejected(row) for row in database.run(sql, limit=limit)]


def unresolved(database: Database, after: str, limit: int) -> list[str]:
    """Return the ids that follow one, in their order, of rejected records that are not resolved."""
    return [found for [found] in database.run(UNRESOLVED, after=after, limit=limit)]


def payloads(database: Database, ids: Sequence[str]) -> list[dict[str, Any]]:
    """Return rejected records with their payloads in base64."""
    which = f"WHERE (shard_id, sequence_number) IN {IDS}"
    sql = REJECTED.format(data="translate(encode(data, 'base64'), E'\\n', '')", which=which)
    return [_rejected(row) for row in database.run(sql, ids=json.dumps(ids))]


def resolve(database: Database, ids: Sequence[str]) -> int:
    """Note that rejected records are dealt with, and return how many were not before."""
    sql = f"INSERT INTO resolved (shard_id, sequence_number) {IDS} ON CONFLICT DO NOTHING RETURNING 1"
    return len(database.run(sql, ids=json.dumps(ids)))


def findings(database: Database, limit: int) -> list[dict[str, Any]]:
    """Return what the rules found last, and in which transactions."""
    rows = database.run(FINDINGS, limit=limit)
    names = ("transaction_id", "rule", "found_at", "customer_id", "occurred_at", "amount", "currency")
    return [dict(zip(names, map(_plain, row), strict=True)) for row in rows]


def rebuild(database: Database, history: History, hours: int) -> int:
    """Write the last hours from PostgreSQL to Redis, and return how many transactions those were."""
    written = 0
    with database.transaction():
        database.run(f"""
            DECLARE recent NO SCROLL CURSOR FOR SELECT transaction_id, customer_id, occurred_at, body::text
            FROM transactions WHERE occurred_at > now() - interval '{hours} hours'""")  # noqa: S608 (an integer)
        while page := database.run(f"FETCH {PAGE} FROM recent"):
            history.remember([Stored(*row) for row in page])
            written += len(page)
    return written


def fitting(*lists: Sequence[Any]) -> int:
    """Return how many rows of each list fit into an answer together."""
    pairs = (json.dumps(rows, ensure_ascii=False) for rows in zip_longest(*lists))
    return sum(size <= ANSWER_BYTES for size in accumulate(len(pair.encode()) for pair in pairs))


def _named(names: str, row: Sequence[Any]) -> dict[str, Any]:
    return dict(zip(names.split(", "), map(_plain, row), strict=True))


def _rejected(row: Sequence[Any]) -> dict[str, Any]:
    names = ("id", "reason", "conflicting", "arrived_at", "rejected_at", "resolved_at", "data")
    fields = dict(zip(names, map(_plain, row), strict=True))
    return {name: value for name, value in fields.items() if name != "data" or value is not None}


def _plain(value: Any) -> Any:
    """Return a value as JSON has it: times in ISO 8601, amounts as text."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | bool | int | dict | None) else str(value)
