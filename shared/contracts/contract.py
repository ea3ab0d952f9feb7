"""What a layer promises to the layers above, as a type: it exports the type, they read it."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin, get_type_hints

import pulumi
from annotated_types import Len
from pulumi import Output
from pulumi.runtime.rpc import UNKNOWN
from pydantic import TypeAdapter, ValidationError

from shared.config import refusal
from shared.graph import PLANNED_OUTPUTS, project
from shared.stack import StackContext


@dataclass(frozen=True)
class Means:
    """What an output is, with an example of its value.

    The length of a `list[Output[T]]` is part of the contract: it is that of the example, so that a reader can loop
    over the list in a preview that does not know the values yet.
    """

    description: str
    example: Any


@dataclass(frozen=True)
class Promise:
    """One output of a contract: its plain type (as it stands in the state) and what it means."""

    type: Any
    means: Means
    length: int | None = None
    """How many elements a list of outputs has; None for all others, an output that is a list of any length too."""

    @cached_property
    def _adapter(self) -> TypeAdapter[Any]:
        expected: Any = self.type
        if self.length is not None:
            expected = Annotated[expected, Len(self.length, self.length)]
        return TypeAdapter(expected)

    def fault(self, value: Any) -> str | None:
        """What is wrong with a value, never the value itself; None if it keeps the promise."""
        try:
            self._adapter.validate_python(value, strict=True)
        except ValidationError as error:
            return error.errors()[0]["msg"].lower()
        return None


COMMON = {
    "contract_version": Promise(int, Means("Raised when an output is removed or changes its meaning.", 1)),
    "region": Promise(str, Means("Region the layer is deployed in.", "ap-northeast-1")),
    "environment_suffix": Promise(str, Means("Suffix that ends every name.", "dev")),
}
"""Outputs of every layer."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A layer's outputs: flat, plain and never secret (a secret's ARN is exported, not its value).

    A subclass annotates each output with `Annotated[Output[T], Means(…)]`. A list that readers loop over is a
    `list[Output[T]]`, as long as its example; an `Output[list[T]]` may have any length.
    """

    layer: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def promises(cls) -> dict[str, Promise]:
        """Every output of the layer by name, those of every layer included."""
        hints = get_type_hints(cls, include_extras=True)
        own = {}
        for field in fields(cls):
            annotated, means = get_args(hints[field.name])
            length = len(means.example) if get_origin(annotated) is list else None
            own[field.name] = Promise(_plain(annotated), means, length)
        return {**own, **COMMON}

    @classmethod
    def example(cls) -> dict[str, Any]:
        """The outputs as a reader finds them: what the tests of the layers above see as upstream."""
        return {name: promise.means.example for name, promise in cls.promises().items()} | {
            "contract_version": cls.version
        }

    def export(self, stack: StackContext) -> None:
        """Export every output, each checked against its promise as it becomes known.

        Raises:
            pulumi.RunError: (when the value is known) an output is not what the contract says.
        """
        common = {
            "contract_version": self.version,
            "region": stack.region,
            "environment_suffix": stack.suffix,
        }
        for name, promise in self.promises().items():
            value = common[name] if name in common else getattr(self, name)
            pulumi.export(name, Output.from_input(value).apply(_kept(promise, f"{self.layer} exports {name}")))

    @classmethod
    def read(cls, stack: StackContext) -> Self:
        """The outputs of this contract's layer in the environment of `stack`, each checked as it arrives.

        In a preview, an output that is not there yet is unknown.

        Raises:
            pulumi.RunError: (when the value arrives) an output is missing, secret or not what the contract says,
                or belongs to another region, another suffix or another version of the contract.
        """
        upstream = _Upstream(cls, stack)
        return cls(**{field.name: upstream.output(field.name) for field in fields(cls)})


def _plain(annotated: Any) -> Any:
    """`str` for `Output[str]`, `list[str]` for `list[Output[str]]`."""
    (inner,) = get_args(annotated)
    return list[_plain(inner)] if get_origin(annotated) is list else inner  # type: ignore[misc]


def _kept(promise: Promise, subject: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        fault = promise.fault(value)
        if fault:
            raise pulumi.RunError(f"{subject}, but it breaks the contract: {fault}")
        return value

    return check


class _Upstream:
    """Another layer's stack in the same environment, seen through its contract."""

    def __init__(self, contract: type[Contract], reader: StackContext) -> None:
        self._contract = contract
        self._reader = reader
        self._where = f"deployed in {reader.environment.name}"
        self._mend = f"deploy that layer: ./inv up {contract.layer} --env {reader.environment.name}"
        stack = f"{pulumi.get_organization()}/{project(contract.layer)}/{pulumi.get_stack()}"
        reference = pulumi.StackReference(stack)
        self._outputs = Output.all(reference.outputs, reference.secret_output_names).apply(self._checked)

    def _planned(self) -> dict[str, Any] | None:
        """What a preview of the upstream layer, made just before, has planned; None if there was none."""
        if not pulumi.runtime.is_dry_run():
            return None
        planned: dict[str, Any] | None = json.loads(os.environ.get(PLANNED_OUTPUTS, "{}")).get(self._contract.layer)
        return planned

    def _checked(self, given: list[Any]) -> dict[str, Any]:
        deployed = given[0] or {}
        outputs = {name: _whole(value) for name, value in (self._planned() or deployed).items()}
        secret_names = given[1] or []
        missing = sorted(self._contract.promises().keys() - outputs.keys())
        if missing and not pulumi.runtime.is_dry_run():
            if not outputs:
                raise pulumi.RunError(
                    f"{self._reader.name} reads {self._contract.layer}, which is not {self._where}; {self._mend}"
                )
            raise self._fault(f"{_listed(missing)}, but {_they(missing)} missing")
        if missing:
            fault = f"lacks {', '.join(missing)}" if outputs else f"is not {self._where}"
            pulumi.log.warn(f"{self._contract.layer} {fault}: what depends on it is unknown in this preview")
        secret = sorted(self._contract.promises().keys() & set(secret_names))
        if secret:
            raise self._fault(f"{_listed(secret)}, but {_they(secret)} secret, which a contract forbids")
        for name, expected in {
            "contract_version": self._contract.version,
            "environment_suffix": self._reader.suffix,
        }.items():
            if outputs.get(name, expected) != expected:
                raise self._fault(f"output {name!r} as {expected!r}, but it is {outputs[name]!r}")
        region = outputs.get("region", self._reader.region)
        if region != self._reader.region:
            raise refusal(
                "aws:region",
                f"{self._reader.region!r}, but {self._contract.layer}, which {self._reader.name} reads, is in"
                f" {region}; an environment has one region: write it into the stack file of every layer, then"
                f" ./inv deploy-all --env {self._reader.environment.name}",
            )
        return outputs

    def _fault(self, what: str) -> pulumi.RunError:
        return pulumi.RunError(f"{self._reader.name} reads {self._contract.layer}'s {what}; {self._mend}")

    def output(self, name: str) -> Any:
        """The output `name`; a list as a list of outputs of the declared length."""
        length = self._contract.promises()[name].length
        if length is None:
            return self._take(name)
        return [self._take(name, index) for index in range(length)]

    def _take(self, name: str, index: int | None = None) -> Output[Any]:
        promise = self._contract.promises()[name]

        def take(outputs: dict[str, Any]) -> Any:
            if name not in outputs:
                return unknown()
            value = outputs[name]
            if value == UNKNOWN:
                return unknown()
            if index is not None and UNKNOWN in value:
                return unknown() if value[index] == UNKNOWN else value[index]
            fault = promise.fault(value)
            if fault:
                raise self._fault(f"output {name!r}, but it breaks the contract: {fault}")
            return value if index is None else value[index]

        return self._outputs.apply(take)


def _whole(value: Any) -> Any:
    """The engine hands every number over as a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(names: list[str]) -> str:
    return f"output{'s' if len(names) > 1 else ''} {', '.join(repr(name) for name in names)}"


def _they(names: list[str]) -> str:
    return "they are" if len(names) > 1 else "it is"


def unknown() -> Output[Any]:
    """An output that the engine shows as unknown, as those of a resource that does not exist yet."""

    async def given(value: Any) -> Any:
        return value

    return Output(set(), given(None), given(False), given(False))
