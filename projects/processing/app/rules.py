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
from .errors import RefusedError, UnavailableError

CHECK = """
INSERT INTO findings (transaction_id, rule)
SELECT t.transaction_id, found.rule
FROM transactions AS t CROSS JOIN LATERAL (
    SELECT 'amount' WHERE t.amount > (:amount::jsonb ->> t.currency)::numeric
    UNION ALL
    SELECT 'velocity' WHERE :velocity_transactions::integer <= (
        SELECT count(*) FROM transactions AS o
        WHERE o.customer_id = t.customer_id AND o.occurred_at <= t.occurred_at
            AND o.occurred_at > t.occurred_at - make_interval(secs => :velocity_seconds::float8))
    UNION ALL
    SELECT 'repeat' WHERE EXISTS (
        SELECT FROM transactions AS o
        WHERE o.customer_id = t.customer_id AND (o.occurred_at, o.transaction_id) < (t.occurred_at, t.transaction_id)
            AND o.occurred_at > t.occurred_at - make_interval(secs => :repeat_seconds::float8)
            AND o.amount = t.amount AND o.currency = t.currency
            AND o.body ->> 'merchant' = t.body ->> 'merchant')
) AS found (rule)
WHERE t.transaction_id IN (SELECT jsonb_array_elements_text(:ids::jsonb))
ON CONFLICT DO NOTHING
RETURNING transaction_id, rule"""


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

        Raises:
            UnavailableError: PostgreSQL does not answer, or refuses the values of a rule.
        """
        if self == Rules() or not transaction_ids:
            return []
        try:
            found = database.run(
                CHECK,
                amount=json.dumps(self.amount, default=str),
                velocity_transactions=self.velocity_transactions,
                velocity_seconds=self.velocity_seconds,
                repeat_seconds=self.repeat_seconds,
                ids=json.dumps(transaction_ids),
            )
        except RefusedError as refused:  # for which the transactions must not be rejected
            raise UnavailableError(f"the rules cannot be checked: {refused}") from None
        return [Finding(*row) for row in found]
