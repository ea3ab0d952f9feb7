"""A layer's configuration: typed, and checked before any resource is registered, with one sentence for each fault."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from importlib.util import find_spec
from typing import Annotated, Any, Self

import pulumi
from annotated_types import GroupedMetadata
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from shared.graph import PRODUCT
from shared.names import Names
from shared.pulumi_sdk import given_config, is_secret

MESSAGES = {"tuple_type": "it must be a list", "too_short": "the list is too short"}
"""Type of pydantic's error -> the message that replaces pydantic's, which names Python types."""

SECRET = "[secret]"  # noqa: S105 (the text shown for one)


def _decode(value: Any) -> Any:
    """Return the list or object that Pulumi passes to a program as JSON text; any other value as it is."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{value!r} is not valid JSON: {error}") from None
    return value


Structured = BeforeValidator(_decode)
"""Annotates a field that holds a list or an object."""


class OneOf(GroupedMetadata):
    """Annotates a field that accepts only these values."""

    def __init__(self, allowed: Iterable[Any]) -> None:
        self.allowed = tuple(allowed)

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._check)
        yield WithJsonSchema({"enum": list(self.allowed)})

    def _check(self, value: Any) -> Any:
        if value not in self.allowed:
            raise ValueError(f"{value!r} must be one of {', '.join(str(each) for each in self.allowed)}")
        return value


class Matching(GroupedMetadata):
    """Annotates a field whose text has to match a pattern; `words` describe the pattern in messages."""

    def __init__(self, pattern: str, words: str) -> None:
        self.pattern, self.words = re.compile(pattern), words

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._check)
        yield WithJsonSchema({"type": "string", "words": self.words})

    def _check(self, value: str) -> str:
        if not self.pattern.fullmatch(value):
            raise ValueError(f"{value!r} must be {self.words}")
        return value


def _check_principal(end: str) -> str:
    if not re.fullmatch(r"\*|(role|user)/[\w+=,.@*?/-]+", end):
        raise ValueError(
            f"{end!r} must be role/<path/name>, user/<path/name> or *, the end of an IAM ARN of this account"
        )
    return end


IamPrincipals = Annotated[str, AfterValidator(_check_principal)]
"""The end of an IAM ARN of the account, with `*`: roles or users. IAM accepts a wrong one; it matches nobody."""


def _parse_date(given: Any) -> date:
    """Return a date as written in the stack file. The engine turns one without quotes into a timestamp."""
    text = str(given).removesuffix(" 00:00:00 +0000 UTC")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a date (YYYY-MM-DD)") from None


Date = Annotated[date, BeforeValidator(_parse_date)]
"""A date as in `2026-12-31`."""

LogRetentionDays = Annotated[
    int,
    # CloudWatch Logs API reference, PutRetentionPolicy.
    OneOf((1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)),
]
"""The retention periods that CloudWatch Logs offers, in days."""


def _check_suffix(suffix: str) -> str:
    return Names(suffix).suffix


def region() -> str:
    """Return the stack's `aws:region`.

    Raises:
        pulumi.RunError: it is not set, or it is not the name of a region.
    """
    given = pulumi.Config("aws").get("region")
    if given is None:
        raise refusal("aws:region", "it is not set; every stack needs it, for example ap-northeast-1")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", given):
        raise refusal("aws:region", f"{given!r} is not a region, such as ap-northeast-1")
    return given


def refusal(key: str, why: str) -> pulumi.RunError:
    """Return the error for a setting of the running stack whose own type does not show that it is wrong."""
    return pulumi.RunError(f"{_stack_file()}: {key}: {why}")


def _stack_file() -> str:
    """Return the running stack's file as a user types it, as in `projects/network/Pulumi.dev.yaml`."""
    return f"projects/{pulumi.get_project().removeprefix(f'{PRODUCT}-')}/Pulumi.{pulumi.get_stack()}.yaml"


def require_known_keys(keys: Iterable[str], project: str, stack_file: str) -> None:
    """Check that something reads every key of a stack file.

    Raises:
        pulumi.RunError: the namespace of a key is neither the project's nor a provider's, or the key configures AWS's
            default provider, which no layer uses; names all such keys.
    """
    faults = [fault for key in keys if (fault := _key_fault(key, project))]
    if faults:
        raise pulumi.RunError(f"{stack_file}: {'; '.join(faults)}")


def _key_fault(key: str, project: str) -> str | None:
    namespace, _, name = key.partition(":")
    if namespace == "aws" and name != "region":  # for the default provider
        return f"{key} has no effect: layers take only aws:region from a stack file, the rest from AWS_… variables"
    if namespace in {project, "pulumi", "aws"} or find_spec(re.sub(r"\W", "_", f"pulumi_{namespace}")):
        return None
    return f"nothing reads {key}; {suggestion(namespace, [project, 'aws', 'pulumi'])}"


def suggestion(name: str, known: list[str]) -> str:
    """Return `did you mean 'protect'?`, or all known names if none is near."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"


class LayerConfig(BaseModel):
    """The settings of every layer. The defaults are production's; a stack file sets only what differs."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        validate_default=True,
        coerce_numbers_to_str=True,  # the engine passes the version `17` as text, YAML as a number
    )

    environment_suffix: Annotated[str, AfterValidator(_check_suffix)] = Field(default_factory=pulumi.get_stack)
    """The end of every name; the stack's name unless set."""

    protect: bool = True
    """Pulumi's `protect` and AWS's deletion protection for resources that hold state."""

    expires: Date | None = None
    """The date, as in `2026-12-31`, from which an ephemeral environment may be destroyed; a tag on every resource."""

    @classmethod
    def load(cls) -> Self:
        """Return the configuration of the running stack.

        Raises:
            pulumi.RunError: a key is unknown, or a value has a wrong type or is out of range; names all such keys.
        """
        namespace = f"{pulumi.get_project()}:"
        given = given_config()
        require_known_keys(given, pulumi.get_project(), _stack_file())
        own = {key.removeprefix(namespace): value for key, value in given.items() if key.startswith(namespace)}
        return cls.parse(own, _stack_file(), secret={key for key in own if is_secret(namespace + key)})

    @classmethod
    def parse(cls, values: Mapping[str, Any], stack_file: str, *, secret: Collection[str] = ()) -> Self:
        """Return the configuration with these values by Pulumi's keys (camelCase).

        Raises:
            pulumi.RunError: as `load` does. Values of `secret` keys are never shown.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            faults = "; ".join(cls._message(fault, secret) for fault in error.errors())
            raise pulumi.RunError(f"{stack_file}: {faults}") from None

    @classmethod
    def effective(cls, given: Mapping[str, Any], project: str, env: str, stack_file: str) -> dict[str, Any]:
        """Return every setting by its full key: as `given` in the stack file, else the default.

        An encrypted setting is shown as `[secret]`, and not checked.

        Raises:
            pulumi.RunError: a setting is not accepted.
        """
        require_known_keys(given, project, stack_file)
        secret = {key: SECRET for key, value in given.items() if _is_encrypted(value)}
        namespace = f"{project}:"
        own = {
            key.removeprefix(namespace): value
            for key, value in given.items()
            if key.startswith(namespace) and key not in secret
        }
        parsed = cls.parse({"environmentSuffix": env} | own, stack_file).model_dump(mode="json", by_alias=True)
        return {**given, **{f"{namespace}{key}": value for key, value in parsed.items()}, **secret}

    @classmethod
    def _message(cls, fault: Any, secret: Collection[str]) -> str:
        """Return one sentence for an error of pydantic."""
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            return f"there is no setting {key!r}; {suggestion(key, keys)}"
        if fault["loc"] and fault["loc"][0] in secret:
            return f"{key}: the secret value is not accepted ({fault['type'].replace('_', ' ')})"
        message = MESSAGES.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        if not key:
            return str(message)
        given = "" if fault["type"] == "value_error" else f", not {fault['input']!r}"
        return f"{key}: {message[0].lower()}{message[1:]}{given}"


def _is_encrypted(value: Any) -> bool:
    """Return whether a setting, or a part of it, is encrypted in the stack file."""
    if isinstance(value, dict):
        return "secure" in value or any(map(_is_encrypted, value.values()))
    return isinstance(value, list) and any(map(_is_encrypted, value))
