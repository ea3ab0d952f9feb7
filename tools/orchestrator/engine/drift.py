"""Turns what a refresh reports of a resource into the properties that differ between AWS and the state."""

import re
from collections.abc import Iterable
from typing import Any

from tools.orchestrator.model.operation import SECRET, Difference, ResourceChange, ResourceState

NOISE = {
    ("aws:rds/parameterGroup:ParameterGroup", "applyMethod"): "AWS chooses it if nothing else differs",
    ("aws:rds/instance:Instance", "latestRestorableTime"): "moves on by itself every five minutes",
}
"""(Type, last part of the property's path) -> why a difference there is not drift."""


def differences(change: ResourceChange) -> list[Difference]:
    """Return the drift that the engine reports of a resource, without noise; empty for an event of noise alone."""
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
