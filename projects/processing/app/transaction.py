"""Turns a record of the stream into a transaction, or refuses it with a reason."""

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any, Self

import fastjsonschema

from .errors import RefusedError

MAX_BYTES = 1024 * 1024
"""The largest record of a stream, unless its `MaxRecordSizeInKiB` is raised (Kinesis Data Streams quotas)."""

MAX_AHEAD = 3600
"""Seconds that `occurred_at` may lie after the record's arrival: producers' clocks differ."""

SCHEMA = json.loads(files(__package__).joinpath("transaction.schema.json").read_text("utf-8"))
"""The producers' contract."""

_validate = fastjsonschema.compile(SCHEMA)
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


@dataclass(frozen=True, slots=True)
class Record:
    """A record as Lambda hands it over; `data` is base64 and `arrived_at` seconds since 1970."""

    shard_id: str
    sequence_number: str
    data: str
    arrived_at: float

    @classmethod
    def from_event(cls, record: dict[str, Any]) -> Self:
        """Read an element of `Records` (Lambda Developer Guide, "Example Kinesis record")."""
        kinesis = record["kinesis"]
        shard_id = record["eventID"].split(":")[0]
        return cls(shard_id, kinesis["sequenceNumber"], kinesis["data"], kinesis["approximateArrivalTimestamp"])


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction to store. `body` is the record's JSON and `digest` identifies its content, in hexadecimal."""

    record: Record
    transaction_id: str
    occurred_at: datetime
    customer_id: str
    amount: str
    currency: str
    merchant: str | None
    body: str
    digest: str


def parse(record: Record, data: bytes) -> Transaction:
    """Return the transaction in a record.

    Raises:
        RefusedError: the record is not a transaction as the schema asks. Whatever its content makes Python raise is a
            refusal, too: deep nesting a RecursionError, a number of 5,000 digits a ValueError.
    """
    try:
        return _parse(record, data)
    except RefusedError:
        raise
    except fastjsonschema.JsonSchemaValueException as error:
        raise RefusedError(error.message) from None
    except UnicodeError:
        raise RefusedError("the record is not valid Unicode in UTF-8") from None
    except json.JSONDecodeError as error:
        raise RefusedError(f"the record is not JSON: {error.msg} at character {error.pos}") from None
    except (ArithmeticError, RecursionError, ValueError) as error:
        raise RefusedError(f"the record holds something that cannot be read ({type(error).__name__})") from None


def _parse(record: Record, data: bytes) -> Transaction:
    if len(data) > MAX_BYTES:
        raise RefusedError(f"the record has more than {MAX_BYTES} bytes")
    body = data.decode()
    fields = json.loads(body)
    # Refuses NaN and infinity (ValueError) and lone surrogates (UnicodeError), which PostgreSQL does not take either.
    content = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    digest = hashlib.sha256(content.encode()).hexdigest()
    if "\\u0000" in content and _NUL.search(content):
        raise RefusedError("the record holds the character U+0000")
    _validate(fields, name_prefix="record")
    return Transaction(
        record=record,
        transaction_id=fields["transaction_id"],
        occurred_at=_time(fields["occurred_at"], record.arrived_at),
        customer_id=fields["customer_id"],
        amount=str(fields["amount"]),
        currency=fields["currency"],
        merchant=fields.get("merchant"),
        body=body,
        digest=digest,
    )


def _time(text: str, arrived_at: float) -> datetime:
    try:
        occurred_at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise RefusedError("record.occurred_at is not a date and time that exists") from None
    if occurred_at.timestamp() > arrived_at + MAX_AHEAD:
        raise RefusedError("record.occurred_at is more than an hour in the future")
    return occurred_at
