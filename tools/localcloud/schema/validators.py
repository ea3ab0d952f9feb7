"""Refuses what AWS refuses and the emulator accepts, so that a mistake shows on the local cloud already.

A validator takes the known inputs and returns the reason to refuse them, or None. The numbers in its arguments are
from each service's API reference.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.schema.values import contains_unknown

if TYPE_CHECKING:
    from tools.localcloud.schema.values import Props

SHOWN: Final = 60
"""The longest value that a message shows, in characters."""
ARN: Final = (
    r"arn:aws(-[a-z]+)*:[^:]+:([a-z]{2}(-[a-z]+)+-\d{1,2})?"
    r":(aws|aws-managed|third-party|aws-marketplace|\d{12}|cw.{10})?:.+"
)
"""As hashicorp/aws 5.100 checks it."""
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY: Final = 1440
"""Minutes of a day."""


class Known(dict[str, Any]):
    """The inputs that are known, and which of them was looked at last: one that breaks a check has the wrong type."""

    def __init__(self, inputs: Props) -> None:
        super().__init__({key: value for key, value in inputs.items() if not contains_unknown(value)})
        self._unknown = inputs.keys() - self.keys()
        self.last = ""

    def get(self, key: str, default: Any = None) -> Any:
        self.last = key
        return super().get(key, default)

    def lacks(self, key: str) -> bool:
        """Return whether an input is absent or empty; one that is not known yet is not absent."""
        return key not in self._unknown and self.get(key) in (None, "", [])


Validator = Callable[[Known], str | None]


def shown(value: object) -> str:
    """Return a value as a message shows it: itself, or its length if it is long."""
    text = str(value)
    return f"'{text}'" if len(text) <= SHOWN else f"of {len(text)} characters"


def between(key: str, least: float, most: float, *, also: tuple[float, ...] = ()) -> Validator:
    """Accept numbers from `least` to `most`, and those in `also`."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        if value is None or least <= value <= most or value in also:
            return None
        return f"{key} is {value}; AWS takes {least} to {most}"

    return validate


def one_of(key: str, *allowed: Any) -> Validator:
    """Accept the values `allowed`; each item of a list has to be one."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        for item in value if isinstance(value, list) else [value]:
            if item is not None and item not in allowed:
                return f"{key} {shown(item)} must be one of {', '.join(map(str, allowed))}"
        return None

    return validate


def length(key: str, least: int, most: int) -> Validator:
    """Accept texts of `least` to `most` characters. The reason does not show the text, which may be a secret."""

    def validate(news: Known) -> str | None:
        value = news.get(key)
        if value is None or least <= len(value) <= most:
            return None
        return f"{key} has {len(value)} characters; AWS takes {least} to {most}"

    return validate


def matches(key: str, pattern: str, words: str) -> Validator:
    """Accept texts, or lists of texts, that a pattern matches as a whole; the reason says the `words`."""
    compiled = re.compile(pattern, re.ASCII | re.DOTALL)

    def validate(news: Known) -> str | None:
        value = news.get(key)
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and not compiled.fullmatch(text):
                return f"{key} {shown(text)} {words}"
        return None

    return validate


def word(key: str, most: int) -> Validator:
    """Accept texts of 1 to `most` letters, digits, underscores and hyphens."""
    return matches(
        key, rf"[0-9A-Za-z_-]{{1,{most}}}", f"must have 1 to {most} letters, digits, underscores and hyphens"
    )


def arns(*keys: str) -> tuple[Validator, ...]:
    """Accept ARNs only, in texts or lists of texts; an empty text means that there is none."""
    words = "is an invalid ARN: it must be arn:partition:service:region:account:resource"
    return tuple(matches(key, f"({ARN})?", words) for key in keys)


def ipv4_network(key: str, longest: int, shortest: int) -> Validator:
    """Accept IPv4 networks without host bits, with a prefix of `longest` to `shortest` bits."""

    def validate(news: Known) -> str | None:
        text = news.get(key)
        if text is None:
            return None
        try:
            network = ipaddress.IPv4Network(text, strict=False)
        except ValueError:
            return f"{key} {shown(text)} is not a valid IPv4 CIDR block"
        if str(network) != text:
            return f"{key} {shown(text)} is not a valid IPv4 CIDR block; did you mean {network}?"
        if not longest <= network.prefixlen <= shortest:
            return f"{key} {text} must be between /{longest} and /{shortest}"
        return None

    return validate


def window(key: str, least: int, *, weekly: bool = False) -> Validator:
    """Accept windows of at least `least` minutes, in each day or, if `weekly`, in each week."""
    form = "ddd:hh24:mi-ddd:hh24:mi" if weekly else "hh24:mi-hh24:mi"
    time = (f"({'|'.join(DAYS)}):" if weekly else "()") + r"([01]\d|2[0-3]):([0-5]\d)"

    def minutes(day: str, hour: str, minute: str) -> int:
        return (DAYS.index(day) * DAY if day else 0) + int(hour) * 60 + int(minute)

    def validate(news: Known) -> str | None:
        text = news.get(key)
        if not text:
            return None
        match = re.fullmatch(f"{time}-{time}", text.lower())
        if match is None:
            return f'{key} {shown(text)} must satisfy the format of "{form}"'
        first, last = match.groups()[:3], match.groups()[3:]
        duration = (minutes(*last) - minutes(*first)) % (DAY * (7 if weekly else 1))
        return f"{key} {text} must be at least {least} minutes long" if duration < least else None

    return validate


def identifier(key: str, most: int) -> Validator:
    """Accept names of lower-case letters, digits and single hyphens."""

    def validate(news: Known) -> str | None:
        name = news.get(key)
        if name is None or (len(name) <= most and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name)):
            return None
        return f"{key} {shown(name)}: AWS takes up to {most} lower-case letters, digits and single hyphens"

    return validate


def each_has(key: str, *names: str) -> Validator:
    """Accept lists whose items have all of `names`."""

    def validate(news: Known) -> str | None:
        for number, item in enumerate(news.get(key) or ()):
            for name in names:
                if item.get(name) is None:
                    return f"{key}[{number}].{name} is required"
        return None

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


def any_of(*keys: str) -> Validator:
    """Accept at least one of some inputs."""

    def validate(news: Known) -> str | None:
        return f"one of {', '.join(keys)} must be given" if all(map(news.lacks, keys)) else None

    return validate


def needs(key: str, *others: str) -> Validator:
    """Accept `key` only with each of `others`."""

    def validate(news: Known) -> str | None:
        if not news.get(key):
            return None
        absent = [other for other in others if news.lacks(other)]
        return f"{key} needs {' and '.join(absent)}" if absent else None

    return validate
