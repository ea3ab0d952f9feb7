"""What other layers still use of a layer, and so has to be destroyed before it can be replaced."""

from collections.abc import Iterable, Iterator
from typing import Any

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import Operation, OperationStatus, logical_name
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.model.stack import Snapshot, StackSnapshot

Users = dict[str, set[str]]
"""Layer -> the logical names of its resources that use something."""


def users(workspace: Workspace, snapshot: Snapshot, layer: str) -> dict[tuple[str, str], Users]:
    """Return (type, name) -> its users in other layers, for what of `layer` may be deleted only when unused."""
    found: dict[tuple[str, str], Users] = {}
    others = [stack for name, stack in snapshot.deployed.items() if name != layer]
    for used in snapshot.stack(layer).resources:
        if used["type"] not in workspace.monorepo.deleted_unused_types or "id" not in used:
            continue
        by_layer = {stack.name: _users_in(stack, used["id"]) for stack in others}
        if any(by_layer.values()):
            found[used["type"], logical_name(used["urn"])] = {
                name: names for name, names in by_layer.items() if names
            }
    return found


def require_unused(workspace: Workspace, snapshot: Snapshot, plan: Plan) -> None:
    """Check that no layer would lose what another one still uses.

    A layer is deployed before its readers, so that they let go too late. No order of one deploy-all avoids this.

    Raises:
        OrchestratorError: names what is used, its users, and the commands in an order that AWS allows.
    """
    for layer, planned in plan.layers.items():
        losses = {(step.type, step.name) for step in planned.steps if step.is_loss}
        in_use = users(workspace, snapshot, layer) if losses else {}
        used = {key: each for key, each in in_use.items() if key in losses}
        if used:
            raise _refusal(workspace, snapshot, layer, used)


def require_previewed(previews: Iterable[Operation]) -> None:
    """Check that every preview succeeded: a failed one says nothing about what the layer would lose.

    Raises:
        OrchestratorError: names the layer and why its preview failed.
    """
    failed = [f"{each.layer}: {each.reason}" for each in previews if each.status is not OperationStatus.SUCCEEDED]
    if failed:
        raise OrchestratorError(
            "what other layers use of a layer may only be deployed after a preview, and the preview failed of "
            f"{'; '.join(failed)}. Nothing was changed"
        )


def _refusal(
    workspace: Workspace, snapshot: Snapshot, layer: str, used: dict[tuple[str, str], Users]
) -> OrchestratorError:
    env, monorepo = workspace.env, workspace.monorepo
    holders: Users = {}
    for by_layer in used.values():
        for name, names in by_layer.items():
            holders.setdefault(name, set()).update(names)
    concerned = {dependent for holder in holders for dependent in (holder, *monorepo.dependents(holder))}
    order = [name for name in reversed(monorepo.deploy_order) if name in concerned & snapshot.deployed.keys()]
    named = "; ".join(f"{name} ({', '.join(sorted(names))})" for name, names in holders.items())
    commands = [f"./inv destroy {name} --env {env}" for name in order] + [f"./inv deploy-all --env {env}"]
    return OrchestratorError(
        f"{layer} would replace or delete {', '.join(name for _, name in used)}, which AWS refuses while other "
        f"layers use it: {named}. Nothing was changed. If what these layers hold may be lost, run in this order: "
        f"{'; '.join(commands)}"
    )


def _users_in(stack: StackSnapshot, identifier: str) -> set[str]:
    return {
        logical_name(user["urn"])
        for user in stack.resources
        if user.get("custom") and identifier in _texts(user.get("inputs"))
    }


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in a resource's inputs."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)
