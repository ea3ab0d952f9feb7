"""What the functions write to and read from the tables of PostgreSQL."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import schema
from .database import Database
from .errors import RefusedError, UnavailableError
from .rules import Finding, Rules
from .transaction import Record, Transaction

INSERT = """
INSERT INTO transactions (transaction_id, occurred_at, customer_id, amount, currency, body, digest, arrived_at)
SELECT transaction_id, occurred_at, customer_id, amount, currency, body, decode(digest, 'hex'),
    to_timestamp(arrived_at)
FROM jsonb_to_recordset(:rows::jsonb) AS r(
    transaction_id text, occurred_at timestamptz, customer_id text, amount numeric, currency text, body jsonb,
    digest text, arrived_at float8)
ON CONFLICT (transaction_id) DO NOTHING
RETURNING transaction_id"""

DIGESTS = """
SELECT transaction_id, encode(digest, 'hex') FROM transactions
WHERE transaction_id IN (SELECT jsonb_array_elements_text(:ids::jsonb))"""

REJECT = """
INSERT INTO rejected (shard_id, sequence_number, reason, conflicting, data, arrived_at)
SELECT shard_id, sequence_number, reason, conflicting, decode(data, 'base64'), to_timestamp(arrived_at)
FROM jsonb_to_recordset(:rows::jsonb) AS r(
    shard_id text, sequence_number text, reason text, conflicting boolean, data text, arrived_at float8)
ON CONFLICT DO NOTHING"""


@dataclass(frozen=True, slots=True)
class Rejection:
    """A record that is not stored as a transaction, and why."""

    record: Record
    reason: str


@dataclass(frozen=True)
class Outcome:
    """What became of a batch: every record is in one of the lists."""

    stored: Sequence[Transaction] = ()
    repeated: Sequence[Transaction] = ()
    rejected: Sequence[Rejection] = ()
    conflicting: Sequence[Rejection] = ()
    findings: Sequence[Finding] = ()
    """What the rules found among the stored ones."""

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            [*self.stored, *other.stored],
            [*self.repeated, *other.repeated],
            [*self.rejected, *other.rejected],
            [*self.conflicting, *other.conflicting],
            [*self.findings, *other.findings],
        )


def require_schema(database: Database) -> None:
    """Require at least the schema that this code needs; a newer one works with it.

    Raises:
        UnavailableError: the schema is older.
    """
    [[found]] = database.run("SELECT max(version) FROM schema_migrations")
    if (found or 0) < schema.VERSION:
        database.close()
        raise UnavailableError(
            f"the schema has version {found or 0}, older than {schema.VERSION} of the code: run the migrations"
            " (./inv up processing)"
        )


def store(
    database: Database, transactions: Sequence[Transaction], rejections: Sequence[Rejection], rules: Rules
) -> Outcome:
    """Store a batch, in the order in which it arrived; doing so again changes nothing.

    If PostgreSQL refuses the data of a transaction, halve the batch until that one stands alone, and reject it.

    Raises:
        UnavailableError: PostgreSQL does not take anything.
    """
    try:
        with database.transaction():
            return _store(database, transactions, rejections, rules)
    except RefusedError as refused:
        if not transactions:
            raise
        if len(transactions) == 1:
            return store(database, [], [*rejections, Rejection(transactions[0].record, str(refused))], rules)
        middle = len(transactions) // 2
        first = store(database, transactions[:middle], rejections, rules)
        return first + store(database, transactions[middle:], [], rules)


def _store(
    database: Database, transactions: Sequence[Transaction], rejections: Sequence[Rejection], rules: Rules
) -> Outcome:
    first: dict[str, Transaction] = {}
    for transaction in transactions:
        first.setdefault(transaction.transaction_id, transaction)
    digests = {transaction_id: transaction.digest for transaction_id, transaction in first.items()}
    # Writers that insert the same keys in one order do not deadlock.
    rows = [_row(first[transaction_id]) for transaction_id in sorted(first)]
    new = {row[0] for row in database.run(INSERT, rows=f"[{','.join(rows)}]")} if rows else set()
    if old := digests.keys() - new:
        digests |= dict(database.run(DIGESTS, ids=json.dumps(sorted(old))))

    stored, repeated, conflicting = [], [], []
    for transaction in transactions:
        if transaction.digest != digests[transaction.transaction_id]:
            reason = "another transaction has the same transaction_id and other content"
            conflicting.append(Rejection(transaction.record, reason))
        elif transaction.transaction_id in new and transaction is first[transaction.transaction_id]:
            stored.append(transaction)
        else:
            repeated.append(transaction)
    rejected = [(rejection, False) for rejection in rejections] + [(each, True) for each in conflicting]
    if rejected:
        database.run(REJECT, rows=json.dumps([_rejected_row(*each) for each in rejected]))
    findings = rules.check(database, [transaction.transaction_id for transaction in stored])
    return Outcome(stored, repeated, rejections, conflicting, findings)


def _row(transaction: Transaction) -> str:
    """Return the row as JSON. The body is JSON already and goes in as it is."""
    columns = {
        "transaction_id": transaction.transaction_id,
        "occurred_at": transaction.occurred_at.isoformat(),
        "customer_id": transaction.customer_id,
        "amount": transaction.amount,
        "currency": transaction.currency,
        "digest": transaction.digest,
        "arrived_at": transaction.record.arrived_at,
    }
    return f'{json.dumps(columns)[:-1]}, "body": {transaction.body}}}'


def _rejected_row(rejection: Rejection, conflicting: bool) -> dict[str, Any]:
    record = rejection.record
    return {
        "shard_id": record.shard_id,
        "sequence_number": record.sequence_number,
        "reason": rejection.reason,
        "conflicting": conflicting,
        "data": record.data,
        "arrived_at": record.arrived_at,
    }
