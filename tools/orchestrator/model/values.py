"""Outputs, settings and properties as text."""

import json
from typing import Any

from tools.orchestrator.model.operation import SECRET, is_unknown

SECRET_MARK = "4dabf18193072939515e22adb298388d"  # noqa: S105 (the key under which the engine marks a secret)


def value_text(value: Any) -> str:
    """Return a string as it is and any other value as JSON, with secrets masked at every depth."""
    if value is None:
        return "none"
    if is_unknown(value):
        return "known after the deploy"
    plain = masked(value)
    return plain if isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)


def masked(value: Any) -> Any:
    """Return a value with a mask in place of each secret."""
    if isinstance(value, dict):
        return SECRET if SECRET_MARK in value else {name: masked(part) for name, part in value.items()}
    return [masked(part) for part in value] if isinstance(value, list) else value
