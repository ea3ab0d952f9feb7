"""Refuses what AWS refuses and the emulator accepts, so that a mistake shows on the local cloud already.

A validator takes the known inputs and returns the reason to refuse them, or None. The numbers in its arguments are
from each service's API reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.values import contains_unknown

if TYPE_CHECKING:
    from tools.localcloud.schema.values import Props


class Known(dict[str, Any]):
    """The inputs that are known."""

    def __init__(self, inputs: Props) -> None:
        super().__init__({key: value for key, value in inputs.items() if not contains_unknown(value)})
        self._unknown = inputs.keys() - self.keys()

    def lacks(self, key: str) -> bool:
        """Return whether an input is absent or empty; one that is not known yet is not absent."""
        return key not in self._unknown and self.get(key) in (None, "", [])


Validator = Callable[[Known], str | None]


def between(key: str, least: float, most: float, *, also: tuple[float, ...] = ()) -> Validator:
    """Accept numbers from `least` to `most`, and those in `also`."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        if value is None or least <= value <= most or value in also:
            return None
        return f"{key} is {value}; AWS takes {least} to {most}"

    return validate


def one_of(key: str, *allowed: Any) -> Validator:
    """Accept the values `allowed`."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        if value is None or value in allowed:
            return None
        return f"{key} is {value!r}; AWS takes {', '.join(map(str, allowed))}"

    return validate


def length(key: str, least: int, most: int) -> Validator:
    """Accept texts of `least` to `most` characters. The reason does not show the text, which may be a secret."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        if value is None or least <= len(value) <= most:
            return None
        return f"{key} has {len(value)} characters; AWS takes {least} to {most}"

    return validate


def identifier(key: str, most: int) -> Validator:
    """Accept names of lower-case letters, digits and single hyphens."""

    def validate(news: Known) -> str | None:
        name = news.get(key)
        if not name or (len(name) <= most and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)):
            return None
        return f"{key} {name!r}: AWS takes up to {most} lower-case letters, digits and single hyphens"

    return validate


def json_text(key: str) -> Validator:
    """Accept JSON."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        try:
            if isinstance(value, str):
                json.loads(value)
        except ValueError as error:
            return f"{key} is not JSON: {error}"
        return None

    return validate


def policies(key: str) -> Validator:
    """Accept an IAM policy document: JSON with statements that each have an Effect and an Action."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        if not value:
            return None
        try:
            document = json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            return f"{key} is malformed, it is not JSON: {error}"
        if not isinstance(document, dict) or not document.get("Statement"):
            return f"{key} is malformed, it has no Statement"
        statements = document["Statement"]
        for number, statement in enumerate(statements if isinstance(statements, list) else [statements]):
            if statement.get("Effect") not in ("Allow", "Deny"):
                return f"{key} is malformed, statement {number} has no Effect of Allow or Deny"
            if not statement.keys() & {"Action", "NotAction"}:
                return f"{key} is malformed, statement {number} has no Action"
        return None

    return validate


def exclusive(*keys: str) -> Validator:
    """Accept at most one of some inputs."""

    def validate(news: Known) -> str | None:
        given = [key for key in keys if news.get(key) not in (None, [], "", False)]
        return f"{' and '.join(given)} exclude each other" if len(given) > 1 else None

    return validate


def needs(key: str, *others: str) -> Validator:
    """Accept `key` only with each of `others`."""

    def validate(news: Known) -> str | None:
        if not news.get(key):
            return None
        absent = [other for other in others if news.lacks(other)]
        return f"{key} needs {' and '.join(absent)}" if absent else None

    return validate
