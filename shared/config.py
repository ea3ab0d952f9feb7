"""The one door for a layer's configuration: typed, checked before anything is created, one sentence a fault."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from importlib.util import find_spec
from typing import Annotated, Any, Self

import pulumi
from annotated_types import GroupedMetadata
from pulumi.runtime.config import CONFIG, get_config_env, is_config_secret
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from shared.environments import shown, stack_file, suggestion
from shared.graph import project
from shared.names import Names

IN_PLACE = {"tuple_type": "it must be a list", "too_short": "the list is too short"}
"""Sentences in place of pydantic's, which speak of Python, by the type of fault."""


def _decoded(value: Any) -> Any:
    """Pulumi hands lists and objects to a program as JSON text."""
    if isinstance(value, str) and value[:1] in "[{":
        try:
            return json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{value!r} is broken: {error}") from None
    return value


Structured = BeforeValidator(_decoded)
"""For fields that hold a list or an object."""


class OneOf(GroupedMetadata):
    """For fields that take one of these values only."""

    def __init__(self, allowed: Iterable[Any]) -> None:
        self.allowed = tuple(allowed)

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._checked)
        yield WithJsonSchema({"enum": list(self.allowed)})

    def _checked(self, value: Any) -> Any:
        if value not in self.allowed:
            raise ValueError(f"{value!r} must be one of {', '.join(str(each) for each in self.allowed)}")
        return value


class Matching(GroupedMetadata):
    """For fields whose text follows a pattern, which people are told in words."""

    def __init__(self, pattern: str, words: str) -> None:
        self.pattern, self.words = re.compile(pattern), words

    def __iter__(self) -> Iterator[Any]:
        yield AfterValidator(self._checked)
        yield WithJsonSchema({"type": "string", "words": self.words})

    def _checked(self, value: str) -> str:
        if not self.pattern.fullmatch(value):
            raise ValueError(f"{value!r} must be {self.words}")
        return value


def _checked_principal(end: str) -> str:
    if not re.fullmatch(r"\*|(role|user)/[\w+=,.@*?/-]+", end):
        raise ValueError(
            f"{end!r} must be role/<path/name>, user/<path/name> or *, the end of an IAM ARN of this account"
        )
    return end


IamPrincipals = Annotated[str, AfterValidator(_checked_principal)]
"""Roles or users of the account, as the end of an IAM ARN with `*`. A policy takes any text, and matches nobody."""


def _day(given: Any) -> date:
    """Without quotes in the stack file, a day comes from the engine as a point in time."""
    text = str(given).removesuffix(" 00:00:00 +0000 UTC")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day, as 2026-12-31 is") from None


Day = Annotated[date, BeforeValidator(_day)]
"""A day as in `2026-12-31`."""

LogRetentionDays = Annotated[
    int,
    # CloudWatch Logs API reference, PutRetentionPolicy.
    OneOf((1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)),
]
"""Days that a log group can keep its events."""


def _checked_suffix(suffix: str) -> str:
    return Names(suffix).suffix


def region() -> str:
    """The stack's `aws:region`.

    Raises:
        pulumi.RunError: it is not set, or no region's name.
    """
    given = pulumi.Config("aws").get("region")
    if given is None:
        raise refusal("aws:region", "it is not set; every stack needs it, as in ap-northeast-1")
    if not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d", given):
        raise refusal("aws:region", f"{given!r} is no region, as ap-northeast-1 is")
    return given


def refusal(key: str, why: str) -> pulumi.RunError:
    """The sentence for a setting that only AWS, or another setting of the stack, shows to be wrong."""
    return pulumi.RunError(f"{_stack_file()}: {key}: {why}")


def _stack_file() -> str:
    return shown(stack_file(pulumi.get_project().removeprefix(project("")), pulumi.get_stack()))


def require_known_keys(keys: Iterable[str], project: str, stack_file: str) -> None:
    """No key of a stack file is one that nobody reads.

    Raises:
        pulumi.RunError: one has a namespace that is neither the project's nor a provider's, or sets what the layers'
            AWS provider does not take from a stack file; names them all.
    """
    faults = [fault for key in keys if (fault := _key_fault(key, project))]
    if faults:
        raise pulumi.RunError(f"{stack_file}: {'; '.join(faults)}")


def _key_fault(key: str, project: str) -> str | None:
    namespace, _, name = key.partition(":")
    if namespace == "aws" and name != "region":  # the engine gives these to the default provider, which no layer uses
        return f"{key} has no effect: layers take only aws:region from here, the rest from the environment (AWS_…)"
    if namespace in {project, "pulumi", "aws"} or find_spec(re.sub(r"\W", "_", f"pulumi_{namespace}")):
        return None
    return f"nothing reads {key}; {suggestion(namespace, [project, 'aws', 'pulumi'])}"


class LayerConfig(BaseModel):
    """What every layer can be told. Defaults are production's; a stack file states only where it differs."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        alias_generator=to_camel,
        use_attribute_docstrings=True,
        validate_default=True,
        coerce_numbers_to_str=True,  # the version `17` without quotes is text to the engine, and a number in YAML
    )

    environment_suffix: Annotated[str, AfterValidator(_checked_suffix)] = Field(default_factory=pulumi.get_stack)
    """Ends every name; the stack's name unless set."""

    protect: bool = True
    """Pulumi's `protect` and AWS's deletion protection on what holds state."""

    expires: Day | None = None
    """The day, as in `2026-12-31`, on which an ephemeral environment may be destroyed; every tag list tells it."""

    @classmethod
    def load(cls) -> Self:
        """The configuration of the running stack.

        Raises:
            pulumi.RunError: a key that nobody reads, a wrong type, a value out of range; names them all.
        """
        namespace = f"{pulumi.get_project()}:"
        given = {**get_config_env(), **CONFIG.get()}
        require_known_keys(given, pulumi.get_project(), _stack_file())
        own = {key.removeprefix(namespace): value for key, value in given.items() if key.startswith(namespace)}
        return cls.parse(own, _stack_file(), secret={key for key in own if is_config_secret(namespace + key)})

    @classmethod
    def parse(cls, values: Mapping[str, Any], stack_file: str, *, secret: Collection[str] = ()) -> Self:
        """`values` by Pulumi's keys (camelCase), as `load` takes them; those of `secret` keys are never shown."""
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            faults = "; ".join(cls._sentence(fault, secret) for fault in error.errors())
            raise pulumi.RunError(f"{stack_file}: {faults}") from None

    @classmethod
    def _sentence(cls, fault: Any, secret: Collection[str]) -> str:
        keys = [field.alias or name for name, field in cls.model_fields.items()]
        key = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "extra_forbidden":
            return f"there is no setting {key!r}; {suggestion(key, keys)}"
        if fault["loc"] and fault["loc"][0] in secret:
            return f"{key}: the secret value is not accepted ({fault['type'].replace('_', ' ')})"
        message = IN_PLACE.get(fault["type"]) or fault["msg"].removeprefix("Value error, ")
        if not key:
            return str(message)
        given = "" if fault["type"] == "value_error" else f", not {fault['input']!r}"
        return f"{key}: {message[0].lower()}{message[1:]}{given}"
