"""What the migrator tells of the stores, as types."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter

from tools.txmon.flow.functions import Function

SHOWN: Final = 20
"""How many rejected records, findings or transactions of a customer a verb shows."""
PAYLOADS: Final = 4
"""Payloads of an answer, which has 6 MB at most: each has up to 1 MiB, a third more in base64."""
IDS: Final = 10_000
"""How many ids of rejected records an answer has: each takes about 85 bytes."""


class Stored(BaseModel):
    """A transaction in PostgreSQL."""

    transaction_id: str
    occurred_at: datetime
    customer_id: str
    amount: str
    currency: str
    arrived_at: datetime
    stored_at: datetime
    body: dict[str, Any] | None = None
    """None in a status."""


class Remembered(BaseModel):
    """A transaction in Redis."""

    transaction_id: str
    expires_at: int
    """Unix time at which Redis forgets it."""
    body: dict[str, Any]


class Status(BaseModel):
    """The numbers of rows in PostgreSQL, and its newest transactions."""

    schema_version: int
    transactions: int
    rejected: int
    conflicting: int
    newest: list[Stored]
    lag_seconds: float | None
    """How long the newest took from the stream to the table; None if there is none in the last hour."""


class Found(BaseModel):
    """The same transactions in both stores."""

    postgresql: list[Stored]
    redis: list[Remembered]
    found: int = 0
    """How many were found of a customer, of which only the newest may fit into the answer."""
    away: list[str] = []
    """Why a store does not tell what it has."""


class Rejected(BaseModel):
    """A record that is not a transaction, or whose id was taken by another one."""

    id: str
    """Shard and sequence number, as in `shardId-000000000000/4961…`."""
    reason: str
    conflicting: bool
    arrived_at: datetime
    rejected_at: datetime
    resolved_at: datetime | None = None
    data: str | None = None
    """The payload in base64, if it was asked for."""


class _Written(BaseModel):
    written: int


STATUS: Final = TypeAdapter(Status)
FOUND: Final = TypeAdapter(Found)
REJECTED: Final = TypeAdapter(list[Rejected])
LISTED: Final = TypeAdapter(list[str])
RESOLVED: Final = TypeAdapter(dict[str, int])
STORED: Final = TypeAdapter(dict[str, set[str]])
WRITTEN: Final = TypeAdapter(_Written)
FINDINGS: Final = TypeAdapter(list[dict[str, Any]])


def status(migrator: Function) -> Status:
    return migrator.call({"status": True}, STATUS)


def transactions(migrator: Function, *, identity: str | None, customer: str | None) -> Found:
    """Return one transaction, or a customer's newest, or the newest of all, which PostgreSQL alone can tell."""
    if identity is not None:
        return migrator.call({"transactions": {"id": identity}}, FOUND)
    if customer is not None:
        return migrator.call({"transactions": {"customer": customer, "limit": SHOWN}}, FOUND)
    return Found(postgresql=status(migrator).newest, redis=[])


def stored(migrator: Function, ids: Sequence[str]) -> set[str]:
    """Return those ids of transactions that PostgreSQL has."""
    return migrator.call({"stored": list(ids)}, STORED)["stored"]


def rejected(migrator: Function) -> list[Rejected]:
    """Return the newest rejected records that are not resolved."""
    return migrator.call({"rejected": {"limit": SHOWN}}, REJECTED)


def rejected_ids(migrator: Function) -> list[str]:
    """Return the ids of all rejected records that are not resolved."""
    found: list[str] = []
    while page := migrator.call({"rejected": {"after": found[-1] if found else "", "limit": IDS}}, LISTED):
        found += page
    return found


def payloads(migrator: Function, ids: Sequence[str]) -> list[Rejected]:
    """Return rejected records with their payloads."""
    parts = [ids[start : start + PAYLOADS] for start in range(0, len(ids), PAYLOADS)]
    return [each for part in parts for each in migrator.call({"rejected": {"ids": part}}, REJECTED)]


def resolve(migrator: Function, ids: Iterable[str]) -> None:
    """Note that rejected records are dealt with."""
    migrator.call({"resolved": list(ids)}, RESOLVED)


def rebuild_history(migrator: Function, hours: int) -> int:
    """Write the last hours from PostgreSQL to Redis, and return how many transactions those are."""
    return migrator.call({"rebuild": hours}, WRITTEN).written


def findings(migrator: Function) -> list[dict[str, Any]]:
    """Return what the rules found last."""
    return migrator.call({"findings": {"limit": SHOWN}}, FINDINGS)
