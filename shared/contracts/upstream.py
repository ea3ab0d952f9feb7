"""Reads the outputs of another layer's stack, and checks them against its contract."""

import json
import os
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import Output

from shared.config import refusal
from shared.contracts.output_spec import OutputSpec
from shared.graph import PLANNED_OUTPUTS, project
from shared.pulumi_sdk import UNKNOWN, unknown_output
from shared.stack import StackContext


class Upstream:
    """The stack of another layer in the same environment.

    Its outputs are those that are deployed. A preview prefers those that a preview of the other layer, made just
    before, has planned.
    """

    def __init__(self, layer: str, version: int, specs: Mapping[str, OutputSpec], reader: StackContext) -> None:
        """Read the outputs that `specs` describes from the stack of `layer`, for the running stack `reader`."""
        self._layer = layer
        self._version = version
        self._specs = specs
        self._reader = reader
        self._env = reader.environment.name
        self._mend = f"deploy that layer: ./inv up {layer} --env {self._env}"
        stack = f"{pulumi.get_organization()}/{project(layer)}/{pulumi.get_stack()}"
        reference = pulumi.StackReference(stack)
        self._outputs = Output.all(reference.outputs, reference.secret_output_names).apply(self._checked)

    def output(self, name: str) -> Any:
        """Return the output `name`; a list of fixed length as a list of outputs.

        Raises:
            pulumi.RunError: (when the value arrives) the stack or the output breaks the contract.
        """
        length = self._specs[name].length
        if length is None:
            return self._element(name)
        return [self._element(name, index) for index in range(length)]

    def _element(self, name: str, index: int | None = None) -> Output[Any]:
        spec = self._specs[name]

        def take(outputs: dict[str, Any]) -> Any:
            value = outputs.get(name, UNKNOWN)
            if value == UNKNOWN:
                return unknown_output()
            if index is not None and isinstance(value, list) and UNKNOWN in value:
                return unknown_output() if value[index] == UNKNOWN else value[index]
            fault = spec.fault(value)
            if fault:
                raise self._fault(f"output {name!r}, but it breaks the contract: {fault}")
            return value if index is None else value[index]

        return self._outputs.apply(take)

    def _checked(self, arrived: list[Any]) -> dict[str, Any]:
        """Return the outputs of the stack; `arrived` is what is deployed, and the names of its secret outputs."""
        deployed, secret_names = (each or () for each in arrived)
        outputs = {name: _integer(value) for name, value in dict(self._planned() or deployed).items()}
        self._check_missing(outputs)
        self._check_secret(secret_names)
        self._check_identity(outputs)
        return outputs

    def _planned(self) -> dict[str, Any] | None:
        """Return the outputs that a preview of the upstream layer has planned; None without such a preview."""
        if not pulumi.runtime.is_dry_run():
            return None
        planned: dict[str, Any] | None = json.loads(os.environ.get(PLANNED_OUTPUTS, "{}")).get(self._layer)
        return planned

    def _check_missing(self, outputs: Mapping[str, Any]) -> None:
        missing = sorted(self._specs.keys() - outputs.keys())
        if not missing:
            return
        undeployed = f"not deployed in {self._env}"
        if pulumi.runtime.is_dry_run():
            fault = f"lacks {', '.join(missing)}" if outputs else f"is {undeployed}"
            pulumi.log.warn(f"{self._layer} {fault}: what depends on it is unknown in this preview")
        elif outputs:
            raise self._fault(f"{_listed(missing)}, but {_they(missing)} missing")
        else:
            raise pulumi.RunError(f"{self._reader.name} reads {self._layer}, which is {undeployed}; {self._mend}")

    def _check_secret(self, secret_names: Any) -> None:
        secret = sorted(self._specs.keys() & set(secret_names))
        if secret:
            raise self._fault(f"{_listed(secret)}, but {_they(secret)} secret, which a contract forbids")

    def _check_identity(self, outputs: Mapping[str, Any]) -> None:
        for name, expected in {
            "contract_version": self._version,
            "environment_suffix": self._reader.suffix,
        }.items():
            if outputs.get(name, expected) != expected:
                raise self._fault(f"output {name!r} as {expected!r}, but it is {outputs[name]!r}")
        region = outputs.get("region", self._reader.region)
        if region != self._reader.region:
            raise refusal(
                "aws:region",
                f"{self._reader.region!r}, but {self._layer}, which {self._reader.name} reads, is in"
                f" {region}; an environment has one region: write it into the stack file of every layer, then"
                f" ./inv deploy-all --env {self._env}",
            )

    def _fault(self, fault: str) -> pulumi.RunError:
        return pulumi.RunError(f"{self._reader.name} reads {self._layer}'s {fault}; {self._mend}")


def _integer(value: Any) -> Any:
    """Return a whole number as an int, since the engine sends every number as a float."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _listed(names: list[str]) -> str:
    return f"output{'s' if len(names) > 1 else ''} {', '.join(repr(name) for name in names)}"


def _they(names: list[str]) -> str:
    return "they are" if len(names) > 1 else "it is"
