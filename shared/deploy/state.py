"""What a layer's stack says of itself: resources, outputs, which stacks it reads, how its last update ended."""

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shared.deploy.operation import STACK, STACK_REFERENCE
from shared.deploy.workspace import Workspace, layer_of
from shared.errors import TxmonError


@dataclass(frozen=True)
class Update:
    """The last finished update of a stack."""

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
        """The layers (or foreign projects) whose outputs this stack has read."""
        return {
            layer_of(r["id"].split("/")[-2])
            for r in self.resources
            if r["type"] == STACK_REFERENCE and r.get("id", "").count("/")
        }

    @property
    def protected(self) -> list[str]:
        """The logical names of the resources that Pulumi refuses to delete."""
        return [r["urn"].rsplit("::", 1)[-1] for r in self.resources if r.get("protect")]

    @property
    def condition(self) -> str:
        """`never`, `ok`, `failed` or `interrupted`."""
        if not self.is_deployed and (self.last is None or self.last.succeeded):
            return "never" if self.last is None else "destroyed"
        if self.pending:
            return "interrupted"
        return "ok" if self.last and self.last.succeeded else "failed"


def read_state(workspace: Workspace, layer: str) -> LayerState:
    """The state of one layer whose stack exists."""
    exported = json.loads(workspace.call(layer, "stack", "export"))
    history = json.loads(workspace.call(layer, "stack", "history", "--json", "--page-size", "1"))
    last = None
    if history:
        [newest] = history
        facts = newest.get("environment") or {}
        commit = "" if facts.get("git.dirty") == "true" else facts.get("git.head", "")
        last = Update(newest["kind"], newest["result"], newest.get("endTime", ""), newest.get("message", ""), commit)
    return LayerState(layer, exported.get("deployment") or {}, last)


def read_states(workspace: Workspace, layers: Iterable[str]) -> dict[str, LayerState]:
    """The states of many layers, read side by side; a layer without a stack is empty."""
    missing = set(workspace.missing_stacks())
    wanted = list(layers)
    with ThreadPoolExecutor() as pool:
        states = pool.map(
            lambda layer: LayerState(layer, {}, None) if layer in missing else read_state(workspace, layer), wanted
        )
        return dict(zip(wanted, states, strict=True))


def deployed_states(workspace: Workspace) -> dict[str, LayerState]:
    """The state of every stack of the environment that holds something, by layer or else by project.

    Stacks of other repositories are among them. How the last updates ended is not looked up.
    """
    return {
        layer_of(owner): LayerState(layer_of(owner), deployment, None)
        for owner, deployment in workspace.export_all().items()
    }


def nothing_deployed(workspace: Workspace) -> TxmonError:
    """What to raise where something must be deployed."""
    return TxmonError(f"nothing is deployed in {workspace.env}: ./inv deploy-all --env {workspace.env}")
