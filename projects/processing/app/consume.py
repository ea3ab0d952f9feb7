"""The consumer: takes a batch of the stream to PostgreSQL, then to Redis.

A batch may come twice. A transaction's id makes every write repeatable, so that it is stored exactly once in effect.
"""

import base64
import os
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

from .credentials import AwsCredentials, Credentials
from .database import Database
from .errors import RefusedError, UnavailableError
from .history import History
from .patience import PAUSE_SECONDS, limited, wait_out
from .rules import Rules
from .settings import Settings
from .tables import Outcome, Rejection, require_schema, store
from .telemetry import emit, log
from .transaction import Record, Transaction, parse

SECONDS_A_RECORD = 0.04
"""What processing may take longer for each record of a batch, in addition to PROCESSING_SECONDS."""


class Consumer:
    """Keeps the sessions with both stores from one batch to the next."""

    def __init__(self, settings: Settings, credentials: Credentials, *, pause: float = PAUSE_SECONDS) -> None:
        self._settings = settings
        self._pause = pause
        self._database = Database(
            settings,
            lambda: (settings.db_user, credentials.database_token(settings.db_user)),
            on_connect=require_schema,
        )
        self._history = History(settings, credentials)
        self._rules = Rules.read(settings.rules)

    def handle(self, event: dict[str, Any]) -> dict[str, Any]:
        """Store a batch. If a store stays away, name the first record, so that Lambda brings the batch again.

        An outage is waited for here, because Lambda counts attempts: a record that crashes the code should use them
        up quickly, and an outage slowly.

        Raises:
            DeadlineError: processing takes too long.
        """
        began = time.monotonic()
        batch = _Batch([Record.from_event(record) for record in event["Records"]])
        failed = []
        try:
            wait_out(
                lambda: self._advance(batch),
                self._settings.outage_seconds,
                on_outage=lambda outage: self._report_outage(batch, outage),
                pause=self._pause,
            )
        except UnavailableError as outage:
            log("ERROR", f"Lambda has to bring the batch again: {outage}", records=len(batch.records))
            failed = [{"itemIdentifier": batch.records[0].sequence_number}]
        self._report(batch, time.monotonic() - began)
        return {"batchItemFailures": failed}

    def _advance(self, batch: "_Batch") -> None:
        """Do what has not been done with the batch."""
        with limited(self._settings.processing_seconds + SECONDS_A_RECORD * len(batch.records)):
            if batch.parsed is None:
                batch.parsed = _parse(batch.records)
            if batch.outcome is None:
                batch.outcome = store(self._database, *batch.parsed, self._rules)
            self._history.remember([*batch.outcome.stored, *batch.outcome.repeated])

    def _report_outage(self, batch: "_Batch", outage: UnavailableError) -> None:
        if not batch.waited:
            log("WARN", f"the batch waits: {outage}", records=len(batch.records))
        batch.waited = True
        # Lambda's own IteratorAge comes only when the batch ends.
        emit({"Environment": self._settings.environment}, {"Waiting": batch.lag()})

    def _report(self, batch: "_Batch", seconds: float) -> None:
        if (outcome := batch.outcome) is None:
            return
        values = {
            "Stored": len(outcome.stored),
            "Repeated": len(outcome.repeated),
            "Rejected": len(outcome.rejected),
            "Conflicting": len(outcome.conflicting),
            "LagSeconds": batch.lag(),
            "Seconds": round(seconds, 4),
        }
        emit({"Environment": self._settings.environment}, values)
        for rule, count in Counter(finding.rule for finding in outcome.findings).items():
            emit({"Environment": self._settings.environment, "Rule": rule}, {"Findings": count})


class _Batch:
    """A batch, and how far it got."""

    def __init__(self, records: Sequence[Record]) -> None:
        self.records = records
        self.parsed: tuple[list[Transaction], list[Rejection]] | None = None
        self.outcome: Outcome | None = None
        self.waited = False

    def lag(self) -> float:
        """Return how long the oldest record has waited, in seconds."""
        return round(time.time() - min(record.arrived_at for record in self.records), 3)


def _parse(records: Sequence[Record]) -> tuple[list[Transaction], list[Rejection]]:
    transactions, rejections = [], []
    for record in records:
        try:
            transactions.append(parse(record, base64.b64decode(record.data)))
        except RefusedError as refused:
            rejections.append(Rejection(record, str(refused)))
    return transactions, rejections


@cache
def _consumer() -> Consumer:
    settings = Settings.read(os.environ)
    return Consumer(settings, AwsCredentials(settings))


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Handle a batch of the stream."""
    return _consumer().handle(event)
