"""Sample transactions follow the contract of a record."""

import random
import re
from datetime import UTC, datetime
from itertools import islice

from tools.txmon.flow.samples import PRODUCTS, Samples

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_sample_is_a_well_formed_transaction() -> None:
    sample = Samples(random.Random(1)).transaction(NOW)  # noqa: S311 (a sample)
    assert sample["occurred_at"] == "2026-01-02T03:04:05.000+00:00"
    assert re.fullmatch(r"[0-9a-f-]{36}", sample["transaction_id"])
    assert re.fullmatch(r"customer-\d{5}", sample["customer_id"])
    assert sample["currency"] == "JPY"
    assert sample["amount"] == sum(PRODUCTS[item["product"]] * item["quantity"] for item in sample["items"]) > 0


def test_samples_have_different_ids_and_come_at_the_present_time() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    samples = list(islice(Samples(), 200))
    assert len({sample["transaction_id"] for sample in samples}) == 200
    assert all(before <= datetime.fromisoformat(sample["occurred_at"]) for sample in samples)
