"""Makes well-formed sample transactions, as a shop would put them on the stream."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterator

CUSTOMERS: Final = 5_000
PRODUCTS: Final = {
    "green tea, 100 g": 1_280,
    "tea pot, cast iron": 8_900,
    "bento box": 2_480,
    "chopsticks, lacquered": 1_650,
    "furoshiki cloth": 990,
    "rice cooker": 19_800,
}
"""Product -> its price in yen."""


@dataclass
class Samples:
    """An endless source of transactions; the same seed gives the same ones, but for the time."""

    random: random.Random = field(default_factory=random.SystemRandom)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        while True:
            yield self.transaction(datetime.now(UTC))

    def transaction(self, occurred_at: datetime) -> dict[str, Any]:
        """Return a purchase at a time."""
        basket = {name: self.random.randint(1, 3) for name in self.random.sample(sorted(PRODUCTS), 3)}
        return {
            "transaction_id": str(UUID(int=self.random.getrandbits(128), version=4)),
            "occurred_at": occurred_at.isoformat(timespec="milliseconds"),
            "customer_id": f"customer-{self.random.randrange(CUSTOMERS):05}",
            "amount": sum(PRODUCTS[name] * quantity for name, quantity in basket.items()),
            "currency": "JPY",
            "merchant": "japancart",
            "payment": self.random.choice(("card", "konbini", "wallet")),
            "items": [{"product": name, "quantity": quantity} for name, quantity in basket.items()],
        }
