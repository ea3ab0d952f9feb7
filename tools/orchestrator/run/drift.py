"""Drift: where AWS differs from the state of what is deployed, property by property."""

from collections.abc import Iterable
from dataclasses import dataclass

from tools.orchestrator.model.operation import Difference, Operation, OperationStatus, by_layer

DRIFTED = 2
"""Exit code if drift was found."""


@dataclass(frozen=True)
class Drift:
    """The drift of an environment."""

    env: str
    layers: dict[str, list[Difference]]
    """The layers that could be compared with AWS."""
    failed: list[str]

    @property
    def drifted(self) -> list[str]:
        return [layer for layer, found in self.layers.items() if found]

    @property
    def exit_code(self) -> int:
        """1 if a layer could not be compared, else 2 if there is drift, else 0."""
        if self.failed:
            return 1
        return DRIFTED if self.drifted else 0


def drift_of(env: str, operations: Iterable[Operation]) -> Drift:
    """Return the drift that the layers' operations have found."""
    found = by_layer(operations)
    failed = [layer for layer, operation in found.items() if operation.status is not OperationStatus.SUCCEEDED]
    compared = {
        layer: sorted(found[layer].drifted, key=lambda each: (each.type, each.resource))
        for layer in found
        if layer not in failed
    }
    return Drift(env, compared, failed)
