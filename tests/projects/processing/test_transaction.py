import json
from datetime import datetime
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projects.processing.app.errors import RefusedError
from projects.processing.app.transaction import MAX_BYTES, SCHEMA, Record, Transaction, parse

FIELDS: dict[str, Any] = {
    "transaction_id": "t-1",
    "occurred_at": "2026-11-28T09:00:00.5+09:00",
    "customer_id": "c-1",
    "amount": 1980,
    "currency": "JPY",
}
NOON = datetime(2026, 11, 27, 12)  # noqa: DTZ001 (hypothesis wants it without a zone)
ARRIVED = 1_795_824_000.0  # 2026-11-28T00:00:00Z


def parsed(data: bytes) -> Transaction:
    return parse(Record("shardId-000000000000", "1", "", ARRIVED), data)


def with_field(**changed: Any) -> Transaction:
    return parsed(json.dumps(FIELDS | changed).encode())


def test_a_transaction_is_read() -> None:
    transaction = with_field(merchant="m", note={"kept": [1]})

    assert (transaction.transaction_id, transaction.customer_id, transaction.merchant) == ("t-1", "c-1", "m")
    assert transaction.occurred_at.isoformat() == "2026-11-28T00:00:00.500000+00:00"
    assert (transaction.amount, transaction.currency) == ("1980", "JPY")
    assert json.loads(transaction.body)["note"] == {"kept": [1]}


def test_order_of_keys_and_spaces_do_not_change_the_digest() -> None:
    spaced = json.dumps(dict(reversed(FIELDS.items())), indent=1).encode()

    assert parsed(spaced).digest == with_field().digest != with_field(amount=1981).digest


@pytest.mark.parametrize("amount", [0, -5, 19.99, 0.1, 1234567890123.45, 9_999_999_999_999.99, "12.5", "-0.01"])
def test_amounts_of_13_digits_and_2_decimals_are_read_exactly(amount: Any) -> None:
    assert with_field(amount=amount).amount == str(amount)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"transaction_id": ""}, "transaction_id must be longer"),
        ({"transaction_id": "x" * 65}, "transaction_id must be shorter"),
        ({"transaction_id": 5}, "transaction_id must be string"),
        ({"customer_id": None}, "customer_id must be string"),
        ({"occurred_at": "2026-11-28T09:00:00"}, "occurred_at must match"),
        ({"occurred_at": "2026-02-30T09:00:00Z"}, "occurred_at is not a date"),
        ({"occurred_at": "2026-11-28T09:00:00+99:00"}, "occurred_at is not a date"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "occurred_at is not a date"),
        ({"occurred_at": "2026-11-28T01:00:01Z"}, "more than an hour in the future"),
        ({"amount": 0.005}, "amount must be multiple"),
        ({"amount": 10**13}, "amount must be smaller"),
        ({"amount": 10**400}, "amount must be smaller"),
        ({"amount": 1e308}, "amount must be smaller"),
        ({"amount": -1e308}, "amount must be bigger"),
        ({"amount": True}, "amount must be string or number"),
        ({"amount": "\u0661"}, "amount must match"),
        ({"currency": "jpy"}, "currency must match"),
        ({"currency": "JPY\n"}, "currency must match"),
        ({"merchant": 1}, "merchant must be string"),
        ({"note": "\0"}, "U+0000"),
        ({"\0": 1}, "U+0000"),
        ({"note": "\ud800"}, "not valid Unicode"),
        ({"note": float("nan")}, "cannot be read"),
    ],
)
def test_a_field_against_the_contract_is_refused(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(RefusedError, match=reason.replace("+", r"\+")):
        with_field(**changed)


@pytest.mark.parametrize("name", SCHEMA["required"])
def test_each_required_field_must_be_there(name: str) -> None:
    with pytest.raises(RefusedError, match="must contain"):
        parsed(json.dumps({key: value for key, value in FIELDS.items() if key != name}).encode())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "not JSON"),
        (b"plain text", "not JSON"),
        (b"\xff\xfe", "not valid Unicode"),
        (b"\xef\xbb\xbf{}", "not JSON"),
        (b"[]", "must be object"),
        (b"[" * 200_000, "cannot be read"),
        (b"9" * 5_000, "cannot be read"),
        (b'{"a": 1e999}', "cannot be read"),
        (b" " * (MAX_BYTES + 1), "more than"),
    ],
)
def test_what_is_not_a_json_object_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(RefusedError, match=reason):
        parsed(data)


def test_a_backslash_before_u0000_as_text_is_not_the_character() -> None:
    assert with_field(note=r"\u0000").body


def outcome(data: bytes) -> Transaction | None:
    try:
        return parsed(data)
    except RefusedError:
        return None


@given(st.binary() | st.text().map(str.encode))
@example(b'{"transaction_id"')
def test_any_bytes_are_a_transaction_or_refused(data: bytes) -> None:
    outcome(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*SCHEMA["properties"], "note"]), JSON))
def test_any_field_values_are_a_transaction_or_refused(changed: dict[str, Any]) -> None:
    outcome(json.dumps(FIELDS | changed).encode())


@given(
    st.fixed_dictionaries(
        {
            "transaction_id": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=64),
            "customer_id": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=64),
            "amount": st.decimals(-(10**13) + 1, 10**13 - 1, places=2).map(str)
            | st.integers(-(10**13) + 1, 10**13 - 1),
            "currency": st.from_regex(r"[A-Z]{3}", fullmatch=True),
            "occurred_at": st.datetimes(max_value=NOON).map(lambda moment: f"{moment.isoformat()}Z"),
        }
    )
)
def test_whatever_keeps_the_contract_is_read(fields: dict[str, Any]) -> None:
    transaction = parsed(json.dumps(fields).encode())

    assert transaction.transaction_id == fields["transaction_id"]
    assert transaction.amount == str(fields["amount"])
