"""The contract of a layer: its outputs as a type, which the layer exports and later layers read."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self, get_args, get_type_hints

import pulumi
from pulumi import Output

from shared.contracts.output_spec import OutputSpec
from shared.contracts.upstream import Upstream
from shared.stack import StackContext

COMMON = {
    "contract_version": OutputSpec(
        "Version of the contract; raised when an output is removed or changes its meaning.", 1, int
    ),
    "region": OutputSpec("AWS region of the layer.", "ap-northeast-1", str),
    "environment_suffix": OutputSpec("Suffix of every name.", "dev", str),
}
"""Outputs of every layer."""


@dataclass(frozen=True, kw_only=True)
class Contract:
    """A layer's outputs: flat, plain and never secret (a secret's ARN is exported, not its value).

    A subclass annotates each output with `Annotated[Output[T], OutputSpec(description, example)]`. A list that
    readers loop over is a `list[Output[T]]` with as many elements as its example, so that a preview can loop over it
    before the values are known. An `Output[list[T]]` may have any length.
    """

    layer: ClassVar[str]
    version: ClassVar[int] = 1

    @classmethod
    def outputs(cls) -> dict[str, OutputSpec]:
        """Return every output of the layer by name, including the outputs of every layer.

        Raises:
            TypeError: a field is not annotated as the class asks.
        """
        hints = get_type_hints(cls, include_extras=True)
        own = {}
        for field in fields(cls):
            try:
                annotation, spec = get_args(hints[field.name])
                own[field.name] = spec.typed(annotation)
            except (AttributeError, TypeError, ValueError) as error:
                wanted = "Annotated[Output[T], OutputSpec(description, example)]"
                raise TypeError(f"{cls.__name__}.{field.name} has to be {wanted}: {error}") from None
        return own | COMMON

    @classmethod
    def example(cls) -> dict[str, Any]:
        """Return an example of every output by name: the upstream values in the tests of later layers."""
        return {name: spec.example for name, spec in cls.outputs().items()} | {"contract_version": cls.version}

    def export(self, stack: StackContext) -> None:
        """Export every output, each checked when its value is known.

        Raises:
            pulumi.RunError: (when the value is known) an output is not what the contract says.
        """
        common = {
            "contract_version": self.version,
            "region": stack.region,
            "environment_suffix": stack.suffix,
        }
        for name, spec in self.outputs().items():
            value = common[name] if name in common else getattr(self, name)
            pulumi.export(name, Output.from_input(value).apply(_check(spec, f"{self.layer} exports {name}")))

    @classmethod
    def read(cls, stack: StackContext) -> Self:
        """Return the outputs of this contract's layer in the environment of `stack`, each checked when it arrives.

        In a preview, an output that does not exist yet is unknown.

        Raises:
            pulumi.RunError: (when the value arrives) an output is missing, secret or not what the contract says,
                or belongs to another region, another suffix or another version of the contract.
        """
        upstream = Upstream(cls.layer, cls.version, cls.outputs(), stack)
        return cls(**{field.name: upstream.output(field.name) for field in fields(cls)})


def _check(spec: OutputSpec, subject: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        fault = spec.fault(value)
        if fault:
            raise pulumi.RunError(f"{subject}, but it breaks the contract: {fault}")
        return value

    return check
