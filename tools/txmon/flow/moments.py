"""Moments as verbs take and show them: UTC, to the second."""

from datetime import UTC, datetime
from typing import Final

from tools.orchestrator.model.errors import OrchestratorError

FORM: Final = "a time with its zone, as in 2026-11-28T03:00:00Z"


def parse_moment(option: str, given: str) -> datetime:
    """Return the moment that an option gives.

    Raises:
        OrchestratorError: it is not a time, or has no zone.
    """
    try:
        moment = datetime.fromisoformat(given)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise OrchestratorError(f"{option} {given!r} has to be {FORM}")
    return moment.astimezone(UTC)


def as_text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
