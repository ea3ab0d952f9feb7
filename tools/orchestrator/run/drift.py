"""Drift: where AWS differs from the state of what is deployed, property by property."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from tools.orchestrator.model.operation import (
    SECRET,
    Operation,
    OperationStatus,
    ResourceChange,
    ResourceState,
    by_layer,
)

DRIFTED = 2
"""Exit code if drift was found."""
NOISE = {
    ("aws:rds/parameterGroup:ParameterGroup", "applyMethod"): "AWS chooses it if nothing else differs",
    ("aws:rds/instance:Instance", "latestRestorableTime"): "moves on by itself every five minutes",
}
"""(Type, last part of the property's path) -> why a difference there is not drift."""


@dataclass(frozen=True)
class Difference:
    """A property of a resource that differs between AWS and the state."""

    resource: str
    type: str
    property: str | None
    """Its path, as in `tags.Owner`; None if the whole resource is gone."""
    state: Any
    actual: Any


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
    compared = {layer: differences(found[layer]) for layer in found if layer not in failed}
    return Drift(env, compared, failed)


def differences(operation: Operation) -> list[Difference]:
    """Return the drift of a layer, without noise."""
    drifted = sorted(operation.drifted, key=lambda change: change.urn)
    return [difference for change in drifted for difference in _differences(change)]


def _differences(change: ResourceChange) -> list[Difference]:
    if change.op == "delete":
        return [Difference(change.name, change.type, None, "deployed", "gone")]
    return [
        Difference(change.name, change.type, path, state, actual)
        for path in _deepest(change.diff_paths or _differing_outputs(change))
        if (change.type, _parts(path)[-1]) not in NOISE
        for state, actual in [_values(change, path)]
        if state != actual or state == SECRET  # after a failed update the engine also names equal properties
    ]


def _differing_outputs(change: ResourceChange) -> list[str]:
    """Return the outputs that differ, if the provider does not say which properties do."""
    old, new = _outputs(change.old), _outputs(change.new)
    return [name for name in old | new if old.get(name) != new.get(name)]


def _deepest(paths: Iterable[str]) -> list[str]:
    """Return each difference once: `tags.Owner`, but not `tags` or `tagsAll.Owner` (tags with the default ones)."""
    parts = {path: _parts(path) for path in paths}
    return sorted(
        path
        for path, own in parts.items()
        if not any(other[: len(own)] == own and other != own for other in parts.values())
        and not (own[0] == "tagsAll" and any(other == ("tags", *own[1:]) for other in parts.values()))
    )


def _parts(path: str) -> tuple[str | int, ...]:
    """Return `("tags", "a.b")` for `tags["a.b"]`, `("rules", 0, "port")` for `rules[0].port`."""
    found = re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[]+)', path)
    return tuple(int(index) if index else quoted or plain for quoted, index, plain in found)


def _values(change: ResourceChange, path: str) -> tuple[Any, Any]:
    """Return the values of the state and of AWS; the mask for a secret. Tags include the provider's default tags."""
    own = _parts(path)
    places = [("tagsAll", *own[1:]), own] if own[0] == "tags" else [own]
    old, new = (
        next((value for place in places if (value := _at(_outputs(side), place)) is not None), None)
        for side in (change.old, change.new)
    )
    return (SECRET, SECRET) if SECRET in (old, new) else (old, new)


def _outputs(state: ResourceState | None) -> dict[str, Any]:
    return state.outputs if state else {}


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    """Return the value at a path; None if it does not exist, the mask if it is inside a secret."""
    for part in path:
        if value == SECRET:
            return SECRET
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value
