"""Drift: where AWS and the state disagree on what is deployed, property by property. Nothing is changed."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from shared.environments import require_files
from shared.errors import Ended
from shared.graph import LAYERS, project, readers
from tools.orchestrator.engine.operation import Action, Operation, Status
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.render import live
from tools.orchestrator.run.scheduler import Run

DRIFTED = 2
"""Exit code: drift was found."""
SECRET = "[secret]"  # noqa: S105 (what the engine's events say instead of one)
NOISE = {
    ("aws:rds/parameterGroup:ParameterGroup", "applyMethod"): "AWS chooses it itself where only it differs",
    ("aws:rds/instance:Instance", "latestRestorableTime"): "moves on by itself every five minutes",
}
"""(Type, last part of the property's path) -> why a difference there is not drift."""


@dataclass(frozen=True)
class Difference:
    """One property of a resource of which AWS says something else than the state."""

    resource: str
    type: str
    property: str | None
    """Its path, as in `tags.Owner`; None: the whole resource is gone."""
    state: Any
    actual: Any


@dataclass(frozen=True)
class Drift:
    """What was found in an environment."""

    env: str
    layers: dict[str, list[Difference]]
    """The layers that could be asked about."""
    failed: list[str]

    @property
    def drifted(self) -> list[str]:
        return [layer for layer, found in self.layers.items() if found]

    @property
    def exit_code(self) -> int:
        """1 a layer could not be asked about, else 2 drift, 0 none."""
        if self.failed:
            return 1
        return DRIFTED if self.drifted else 0


def find(workspace: Workspace, console: Console, parallel: int) -> Drift:
    """Compare every deployed layer with AWS, side by side; the progress and what fails go to `console`.

    Raises:
        TxmonError: the state backend does not answer, or a deployed layer lacks its stack file.
        Ended: it was interrupted.
    """
    stacks = workspace.stacks()
    deployed = [layer for layer in LAYERS if stacks.get(project(layer))]
    if not deployed:
        return Drift(workspace.env, {}, [])
    require_files(workspace.env, deployed)
    with TemporaryDirectory() as folder:
        run = Run(workspace, Action.DRIFT, dict.fromkeys(deployed, ()), Path(folder))
        with live.following(run, console) as tell:
            run.execute(tell, parallel)
    live.summarize(run, console)
    if run.interruptions:
        raise Ended(run.exit_code)
    return drift_of(workspace.env, run.operations.values())


def drift_of(env: str, operations: Iterable[Operation]) -> Drift:
    """The drift that searches of layers have found."""
    made = {operation.layer: operation for operation in operations}
    failed = [layer for layer, operation in made.items() if operation.status is not Status.SUCCEEDED]
    found = {layer: differences(made[layer]) for layer in LAYERS if layer in made and layer not in failed}
    return Drift(env, found, failed)


def differences(operation: Operation) -> list[Difference]:
    """The drift of a layer, without noise."""
    differing = sorted(operation.differing, key=lambda each: str(each["urn"]))
    return [difference for metadata in differing for difference in _differences(metadata)]


def _differences(metadata: dict[str, Any]) -> list[Difference]:
    name, kind = metadata["urn"].rsplit("::", 1)[-1], metadata["type"]
    if metadata["op"] == "delete":
        return [Difference(name, kind, None, "deployed", "gone")]
    return [
        Difference(name, kind, path, state, actual)
        for path in _deepest(metadata.get("detailedDiff") or metadata.get("diffs") or _differing_outputs(metadata))
        if (kind, _parts(path)[-1]) not in NOISE
        for state, actual in [_values(metadata, path)]
        if state != actual or state == SECRET  # after a failed update the engine names what is the same
    ]


def _differing_outputs(metadata: dict[str, Any]) -> list[str]:
    """The outputs that differ; for a provider that does not say what does."""
    old, new = _outputs(metadata, "old"), _outputs(metadata, "new")
    return [name for name in old | new if old.get(name) != new.get(name)]


def _deepest(paths: Iterable[str]) -> list[str]:
    """Each difference once: `tags.Owner`, and neither `tags` nor `tagsAll.Owner` (the tags with the default ones)."""
    parts = {path: _parts(path) for path in paths}
    return sorted(
        path
        for path, own in parts.items()
        if not any(other[: len(own)] == own and other != own for other in parts.values())
        and not (own[0] == "tagsAll" and any(other == ("tags", *own[1:]) for other in parts.values()))
    )


def _parts(path: str) -> tuple[str | int, ...]:
    """`("tags", "a.b")` for `tags["a.b"]`, `("rules", 0, "port")` for `rules[0].port`."""
    found = re.findall(r'\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.\[]+)', path)
    return tuple(int(index) if index else quoted or plain for quoted, index, plain in found)


def _values(metadata: dict[str, Any], path: str) -> tuple[Any, Any]:
    """What the state and AWS say; of a secret, neither. Tags are told with the default ones, which a tag may hide."""
    own = _parts(path)
    places = [("tagsAll", *own[1:]), own] if own[0] == "tags" else [own]
    old, new = (
        next((value for place in places if (value := _at(_outputs(metadata, side), place)) is not None), None)
        for side in ("old", "new")
    )
    return (SECRET, SECRET) if SECRET in (old, new) else (old, new)


def _outputs(metadata: dict[str, Any], side: str) -> dict[str, Any]:
    return (metadata.get(side) or {}).get("outputs") or {}


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    """The value at a path; None if there is none, the mask if it lies in a secret."""
    for part in path:
        if value == SECRET:
            return SECRET
        try:
            value = value[part]
        except (LookupError, TypeError):
            return None
    return value


def as_json(drift: Drift) -> str:
    """`{layer: [{resource, type, property, state, actual}]}`."""
    return json.dumps({layer: [asdict(each) for each in found] for layer, found in drift.layers.items()}, indent=2)


def as_text(drift: Drift) -> str:
    """The drift by layer and resource, and what mends it."""
    if not drift.layers and not drift.failed:
        return f"nothing is deployed in {drift.env}"
    lines = [line for layer in drift.drifted for line in _layer_lines(layer, drift.layers[layer])]
    lines += [f"{layer}: not known" for layer in drift.failed]
    return "\n".join([*lines, *_mend(drift)] if lines else [f"no drift in {drift.env}"])


def _layer_lines(layer: str, found: list[Difference]) -> list[str]:
    lines: list[str] = []
    for each in found:
        heading = f"{layer}: {each.type} {each.resource}"
        lines += [heading] if heading not in lines else []
        lines.append("    is gone" if each.property is None else f"    {each.property}: {_change(each)}")
    return lines


def _change(each: Difference) -> str:
    return SECRET + " differs" if each.state == SECRET else f"{_said(each.state)} → {_said(each.actual)}"


def _said(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


def _mend(drift: Drift) -> list[str]:
    """The commands that put back what the programs say, in the order to run them in."""
    if not drift.drifted:
        return []
    commands = [f"./inv up {layer} --refresh --env {drift.env}" for layer in drift.drifted]
    gone = {layer for layer in drift.drifted if any(each.property is None for each in drift.layers[layer])}
    if any(readers(layer) for layer in gone):
        commands.append(f"./inv deploy-all --env {drift.env}  # what is made anew has new ids, which others read")
    return ["state → AWS; put back what the programs say with:", *(f"    {command}" for command in commands)]
