"""What real AWS refuses and the emulator accepts, checked where the layers could produce it.

A check gets the inputs that are known and answers the reason to refuse them, or nothing. The numbers are those
of each service's API reference.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tools.localcloud.provider.property_values import unknown_in

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props


class Known(dict[str, Any]):
    """The inputs that are known, for a check; `lacks` tells what is absent from what is not known yet."""

    def __init__(self, inputs: Props) -> None:
        super().__init__({key: value for key, value in inputs.items() if not unknown_in(value)})
        self._unknown = inputs.keys() - self.keys()

    def lacks(self, key: str) -> bool:
        return key not in self._unknown and self.get(key) in (None, "", [])


Check = Callable[[Known], str | None]


def between(key: str, least: float, most: float, *, also: tuple[float, ...] = ()) -> Check:
    def check(news: Known) -> str | None:
        value = news.get(key)
        if value is None or least <= value <= most or value in also:
            return None
        return f"{key} is {value}; AWS takes {least} to {most}"

    return check


def one_of(key: str, *allowed: Any) -> Check:
    def check(news: Known) -> str | None:
        value = news.get(key)
        if value is None or value in allowed:
            return None
        return f"{key} is {value!r}; AWS takes {', '.join(map(str, allowed))}"

    return check


def length(key: str, least: int, most: int) -> Check:
    """The value itself is not shown: it may be a secret."""

    def check(news: Known) -> str | None:
        value = news.get(key)
        if value is None or least <= len(value) <= most:
            return None
        return f"{key} has {len(value)} characters; AWS takes {least} to {most}"

    return check


def identifier(key: str, most: int) -> Check:
    def check(news: Known) -> str | None:
        name = news.get(key)
        if not name or (len(name) <= most and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)):
            return None
        return f"{key} {name!r}: AWS takes up to {most} lower-case letters, digits and single hyphens"

    return check


def json_text(key: str) -> Check:
    def check(news: Known) -> str | None:
        value = news.get(key)
        try:
            if isinstance(value, str):
                json.loads(value)
        except ValueError as error:
            return f"{key} is not JSON: {error}"
        return None

    return check


def policies(key: str) -> Check:
    """An IAM policy document: JSON with statements that each say Effect, Action and whom or what."""

    def check(news: Known) -> str | None:
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

    return check


def exclusive(*keys: str) -> Check:
    def check(news: Known) -> str | None:
        given = [key for key in keys if news.get(key) not in (None, [], "", False)]
        return f"{' and '.join(given)} exclude each other" if len(given) > 1 else None

    return check


def needs(key: str, *others: str) -> Check:
    """With `key` set, each of `others` must be given."""

    def check(news: Known) -> str | None:
        if not news.get(key):
            return None
        absent = [other for other in others if news.lacks(other)]
        return f"{key} needs {' and '.join(absent)}" if absent else None

    return check
