"""What a layer's stack says of itself: resources, outputs, which stacks it reads, how its last update ended."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.environments import find_layer
from shared.errors import TxmonError
from shared.graph import LAYERS
from tools.orchestrator.engine.operation import STACK, STACK_REFERENCE
from tools.orchestrator.engine.workspace import Workspace, layer_of

READING = {STACK_REFERENCE, "pulumi:providers:pulumi"}
"""The types that stand in a state for the other stacks it reads."""
SETTLED = "txmon unlock, settled "
"""How the message of the refresh begins by which `./inv unlock` ends what a killed update was in the middle of."""
REMEMBERED = 20
"""How many updates are looked at for one that is no refresh."""


@dataclass(frozen=True)
class Update:
    """A finished update of a stack."""

    kind: str
    result: str
    ended: str
    message: str
    commit: str = ""
    """The git commit it was made from; empty if its work tree had changes, or was none."""

    @property
    def succeeded(self) -> bool:
        return self.result == "succeeded"


@dataclass(frozen=True)
class LayerState:
    """A stack's checkpoint and its last update, as the engine tells them."""

    layer: str
    deployment: dict[str, Any]
    last: Update | None

    @property
    def resources(self) -> list[dict[str, Any]]:
        return self.deployment.get("resources") or []

    @property
    def size(self) -> int:
        """How many resources there are, as the engine's summaries count them: without what reads other stacks."""
        return sum(resource["type"] not in READING for resource in self.resources)

    @property
    def pending_operations(self) -> list[dict[str, Any]]:
        """What a killed update was in the middle of: AWS may or may not have done it."""
        return self.deployment.get("pending_operations") or []

    @property
    def pending(self) -> list[str]:
        """The pending operations in words, as in `creating vpc-dev`."""
        return [
            f"{operation['type']} {operation['resource']['urn'].rsplit('::', 1)[-1]}"
            for operation in self.pending_operations
        ]

    @property
    def is_deployed(self) -> bool:
        """Whether the stack holds anything; a destroyed one is empty."""
        return bool(self.resources)

    @cached_property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs; none of them is secret, the contracts see to that."""
        return next((r.get("outputs") or {} for r in self.resources if r["type"] == STACK), {})

    @property
    def reads(self) -> set[str]:
        """The stacks whose outputs this one has read, as in `txmon-network/dev`, whatever the organization."""
        return {"/".join(r.get("id", "").split("/")[-2:]) for r in self.resources if r["type"] == STACK_REFERENCE}

    @property
    def protected(self) -> list[str]:
        """The logical names of the resources that Pulumi refuses to delete."""
        return [r["urn"].rsplit("::", 1)[-1] for r in self.resources if r.get("protect")]

    @property
    def condition(self) -> str:
        """`never`, `destroyed`, `ok`, `failed` or `interrupted`."""
        if not self.is_deployed and (self.last is None or self.last.succeeded):
            return "never" if self.last is None else "destroyed"
        if self.pending:
            return "interrupted"
        if self.last is None or not self.last.succeeded:
            return "failed"
        return "interrupted" if self._was_settled or self._is_half_destroyed else "ok"

    @property
    def _was_settled(self) -> bool:
        return bool(self.last and self.last.message.startswith(SETTLED))

    @property
    def _is_half_destroyed(self) -> bool:
        return bool(self.is_deployed and self.last and self.last.kind == "destroy")

    @property
    def fault(self) -> str:
        """What is wrong with a layer that failed or was interrupted, as in `last update failed`."""
        if self.pending:
            return f"last update was interrupted while {', '.join(self.pending)}"
        if self._is_half_destroyed:  # of an update that was killed after a destroy, the history does not know
            failed = self.last is not None and not self.last.succeeded
            what = "failed" if failed else "or an update after it was interrupted"
            return f"destroy {what} with {self.size} resource{'s' * (self.size > 1)} left"
        return "last update was interrupted" if self._was_settled else "last update failed"

    @property
    def mended_by(self) -> list[str]:
        """The verbs that go on from there, whichever is wanted."""
        if self.pending:
            return ["unlock"]
        return ["up", "destroy"] if self._is_half_destroyed else ["up"]


def read_state(workspace: Workspace, layer: str) -> LayerState:
    """The state of one layer whose stack exists."""
    exported = json.loads(workspace.call(layer, "stack", "export"))
    history = json.loads(workspace.call(layer, "stack", "history", "--json", "--page-size", str(REMEMBERED)))
    return LayerState(layer, exported.get("deployment") or {}, decisive([_update(entry) for entry in history]))


def _update(entry: dict[str, Any]) -> Update:
    facts = entry.get("environment") or {}
    commit = "" if facts.get("git.dirty") == "true" else facts.get("git.head", "")
    return Update(entry["kind"], entry["result"], entry.get("endTime", ""), entry.get("message", ""), commit)


def decisive(history: list[Update]) -> Update | None:
    """The update of a history, newest first, that says how a layer is: a refresh does nothing of what is to be done.

    One that failed says so all the same, and one that settled a killed update is all that this one has left behind.
    """
    for update in history:
        if update.kind != "refresh" or not update.succeeded or update.message.startswith(SETTLED):
            return update
    return history[0] if history else None


def read_states(workspace: Workspace, layers: Iterable[str]) -> dict[str, LayerState]:
    """The states of many layers, read side by side; a layer without a stack is empty."""
    missing = set(workspace.missing_stacks())
    wanted = list(layers)
    with ThreadPoolExecutor() as pool:
        states = pool.map(
            lambda layer: LayerState(layer, {}, None) if layer in missing else read_state(workspace, layer), wanted
        )
        return dict(zip(wanted, states, strict=True))


def deployed_states(workspace: Workspace, *, everywhere: bool = False) -> dict[str, LayerState]:
    """The state of every stack that holds something, in the environment or `everywhere` in the backend.

    By layer, also one that is no layer any more; stacks of other environments and products by `project/stack`.
    How the last updates ended is not looked up.
    """
    exported = workspace.export_all(everywhere=everywhere)
    states = {_name(workspace, stack): deployment for stack, deployment in exported.items()}
    return {name: LayerState(name, deployment, None) for name, deployment in states.items()}


def _name(workspace: Workspace, stack: str) -> str:
    owner, _, env = stack.partition("/")
    return (env == workspace.env and layer_of(owner)) or stack


def removed_layers(names: Iterable[str | None]) -> list[str]:
    """Of what is deployed, by layer, what is no layer any more; its stack has outlived its program."""
    return sorted(name for name in names if name and "/" not in name and name not in LAYERS)


def outlived(workspace: Workspace) -> list[str]:
    """What is still deployed in the environment and no layer any more."""
    return removed_layers(layer_of(owner) for owner, resources in workspace.stacks().items() if resources)


def find_deployed(workspace: Workspace, name: str) -> str:
    """The layer `name`, or what is no layer any more but still deployed.

    Raises:
        TxmonError: it is neither.
    """
    return name if name not in LAYERS and name in outlived(workspace) else find_layer(name)


def nothing_deployed(workspace: Workspace) -> TxmonError:
    """What to raise where something must be deployed."""
    return TxmonError(f"nothing is deployed in {workspace.env}: ./inv deploy-all --env {workspace.env}")
