"""What a property value is in this package, so that schemas need not know Pulumi's wire format."""

from __future__ import annotations

from typing import Any, Final

Props = dict[str, Any]
"""Property name -> value, as in `{"retentionInDays": 7}`."""

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""The key that marks a map of Pulumi's which stands for something else: a secret, or an archive."""


class Unknown:
    """A value that the engine does not know yet, which happens in previews only."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Final = Unknown()


def contains_unknown(value: object) -> bool:
    """Return whether a value is unknown or has an unknown value inside."""
    if isinstance(value, dict):
        return any(contains_unknown(item) for item in value.values())
    if isinstance(value, list):
        return any(contains_unknown(item) for item in value)
    return value is UNKNOWN
