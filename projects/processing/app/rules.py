"""Rules on transactions: what they find is written in the transaction that stores them, so once.

A customer's transactions are compared with those that occurred before. They arrive in order, because `customer_id` is
the partition key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Self

from .database import Database
from .errors import RefusedError
from .telemetry import log

RULE_SECONDS = 1
"""PostgreSQL's `statement_timeout` for a rule: a slow rule must not hold up its shard."""

CHECK = """
INSERT INTO findings (transaction_id, rule)
SELECT t.transaction_id, :rule FROM transactions AS t
WHERE t.transaction_id IN (SELECT jsonb_array_elements_text(:ids::jsonb)) AND {condition}
ON CONFLICT DO NOTHING
RETURNING transaction_id"""

CONDITIONS = {
    "amount": "t.amount > (:limits::jsonb ->> t.currency)::numeric",
    # LIMIT: of a customer with a million transactions, only as many are read as the rule needs.
    "velocity": """:transactions::integer <= (SELECT count(*) FROM (
        SELECT FROM transactions AS o
        WHERE o.customer_id = t.customer_id AND o.occurred_at <= t.occurred_at
            AND o.occurred_at > t.occurred_at - make_interval(secs => :seconds::float8)
        LIMIT :transactions::integer) AS counted)""",
    "repeat": """EXISTS (
        SELECT FROM transactions AS o
        WHERE o.customer_id = t.customer_id AND (o.occurred_at, o.transaction_id) < (t.occurred_at, t.transaction_id)
            AND o.occurred_at > t.occurred_at - make_interval(secs => :seconds::float8)
            AND o.amount = t.amount AND o.currency = t.currency
            AND o.body ->> 'merchant' = t.body ->> 'merchant')""",
}
"""What a transaction `t` has to be for a rule to find it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule that a transaction breaks: amount, velocity or repeat."""

    transaction_id: str
    rule: str


@dataclass(frozen=True)
class Rules:
    """The rules of an environment. One that is not configured finds nothing."""

    amount: Mapping[str, Decimal] = field(default_factory=dict)
    """By currency: more than this is a finding."""

    velocity_transactions: int | None = None
    """This many transactions of a customer within `velocity_seconds` are a finding."""

    velocity_seconds: float | None = None

    repeat_seconds: float | None = None
    """The same customer, merchant, amount and currency within this time are a finding: a double charge."""

    @classmethod
    def read(cls, text: str) -> Self:
        """Read RULES.

        An example: {"amount": {"JPY": 1000000}, "velocity": {"transactions": 10, "seconds": 60},
        "repeat": {"seconds": 120}}.

        Raises:
            ArithmeticError, KeyError, TypeError, ValueError: it is not written like this.
        """
        rules = json.loads(text)
        velocity, repeat = rules.get("velocity"), rules.get("repeat")
        return cls(
            {currency: Decimal(str(limit)) for currency, limit in rules.get("amount", {}).items()},
            int(velocity["transactions"]) if velocity is not None else None,
            float(velocity["seconds"]) if velocity is not None else None,
            float(repeat["seconds"]) if repeat is not None else None,
        )

    def check(self, database: Database, transaction_ids: Sequence[str]) -> list[Finding]:
        """Write down which of the stored transactions break a rule, and return what was not written before.

        A rule that fails finds nothing and is logged as an error; the transactions are stored all the same.

        Raises:
            UnavailableError: PostgreSQL does not answer.
        """
        findings = []
        for rule, values in self._values().items() if transaction_ids else ():
            try:
                with database.savepoint(RULE_SECONDS):
                    found = database.run(
                        CHECK.format(condition=CONDITIONS[rule]), rule=rule, ids=json.dumps(transaction_ids), **values
                    )
                findings += [Finding(transaction_id, rule) for [transaction_id] in found]
            except RefusedError as refused:
                message = f"the rule {rule} was not checked: {refused}"
                log("ERROR", message, transactions=len(transaction_ids))
        return findings

    def _values(self) -> dict[str, dict[str, object]]:
        """Return the values in the condition of each rule that is configured."""
        values: dict[str, dict[str, object]] = {}
        if self.amount:
            values["amount"] = {"limits": json.dumps(self.amount, default=str)}
        if self.velocity_transactions is not None:
            values["velocity"] = {"transactions": self.velocity_transactions, "seconds": self.velocity_seconds}
        if self.repeat_seconds is not None:
            values["repeat"] = {"seconds": self.repeat_seconds}
        return values
