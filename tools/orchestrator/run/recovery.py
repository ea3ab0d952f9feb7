"""Removes the lock of a killed run and resolves its pending operations."""

import json
import logging
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import logical_name
from tools.orchestrator.model.stack import Deployment, Export, StackSnapshot
from tools.orchestrator.repository.environments import require_files
from tools.orchestrator.run.preconditions import require_secrets_provider
from tools.orchestrator.state import locks
from tools.orchestrator.state.checkpoints import export, find_deployed, read_snapshot

logger = logging.getLogger(__name__)


def left_behind(workspace: Workspace, layers: Iterable[str]) -> list[str]:
    """Return those of the layers in which a killed engine has left its lock or a pending operation."""
    held, snapshot = locks.stack_locks(workspace), read_snapshot(workspace)
    return [
        layer for layer in layers if snapshot.stack(layer).pending or ((lock := held.get(layer)) and lock.abandoned)
    ]


def unlock_all(workspace: Workspace, may_break: locks.MayBreak) -> None:
    """Free the environment's own lock, then every layer that has a stack.

    Raises:
        OrchestratorError: as `unlock`, or a layer lacks its stack file.
    """
    freed = locks.EnvironmentLock(workspace).free(may_break)
    logger.info("freed the lock of %s" if freed else "%s itself is not locked", freed or workspace.env)
    snapshot, monorepo = read_snapshot(workspace), workspace.monorepo
    present = [layer for layer in monorepo.layers if layer in snapshot.stacks]
    require_files(monorepo, workspace.env, present)
    for layer in [*present, *monorepo.removed_layers(snapshot.deployed)]:
        _unlock(workspace, layer, may_break)


def unlock(workspace: Workspace, name: str, may_break: locks.MayBreak) -> None:
    """Free the lock of a layer and resolve its pending operations.

    Raises:
        OrchestratorError: there is no such layer, or it lacks a file; `may_break` does not allow to free the lock of
            an owner that may still be running; another run is active; or only a person can find out whether AWS did
            a pending operation.
    """
    layer = find_deployed(workspace, read_snapshot(workspace), name)
    require_files(workspace.monorepo, workspace.env, [layer])
    _unlock(workspace, layer, may_break)


def _unlock(workspace: Workspace, layer: str, may_break: locks.MayBreak) -> None:
    freed = locks.free_stack(workspace, layer, may_break)
    if freed:
        logger.info("freed the lock of %s", freed)
    with locks.EnvironmentLock(workspace).hold("unlock"):
        snapshot = read_snapshot(workspace)
        stack = snapshot.stack(layer)
        if stack.pending and layer in workspace.monorepo.layers:  # a removed layer is only destroyed
            require_secrets_provider(workspace, snapshot)
            _resolve_pending(workspace, stack)
        elif not freed:
            logger.info("%s is not locked and has no pending operation", layer)


def _resolve_pending(workspace: Workspace, stack: StackSnapshot) -> None:
    """Add created resources to the state and drop the others; the refresh finds out about updates and deletes."""
    layer = stack.name
    creating = [
        operation["resource"]["urn"] for operation in stack.pending_operations if operation["type"] == "creating"
    ]
    local_cloud = workspace.monorepo.local_cloud if workspace.environment.is_local else None
    created = local_cloud.created(creating) if local_cloud else {}
    unknown = [urn for urn in creating if urn not in created]
    if unknown and local_cloud is None:
        raise _needs_a_person(workspace, layer, unknown)
    with TemporaryDirectory() as folder:
        resolved = Path(folder) / "state.json"
        resolved.write_text(json.dumps(_with_created(export(workspace, layer), created)), "utf-8")
        workspace.call(layer, "stack", "import", "--file", str(resolved))
    pending = ", ".join(stack.pending)
    message = f"{workspace.monorepo.product} unlock, resolved {pending}"
    with workspace.stack_file_copy(layer) as copy:
        settings = workspace.config_file(layer, copy)
        workspace.call(layer, "refresh", "--yes", "--skip-preview", *settings, "--message", message)
    logger.info("resolved the pending operations of %s: %s", layer, pending)


def _needs_a_person(workspace: Workspace, layer: str, urns: list[str]) -> OrchestratorError:
    importing = ("--import-pending-creates", f"'{urns[0]}'", "--import-pending-creates", "ID")
    command = workspace.display_command(layer, "refresh", *importing)
    clear = workspace.display_command(layer, "refresh", "--clear-pending-creates")
    names = ", ".join(map(logical_name, urns))
    return OrchestratorError(
        f"it is unknown whether AWS created {names}: check the console; if it exists, import it with {command}; "
        f"if not, run {clear}"
    )


def _with_created(exported: Export, created: Mapping[str, str]) -> dict[str, Any]:
    """Return a checkpoint without pending operations and with the resources that they created.

    A refresh then reads these, or finds them gone. `pulumi refresh --import-pending-creates` would do it, but drops
    them again with `--clear-pending-creates`, and without that the engine goes on warning about the others.
    """
    deployment = exported["deployment"] or Deployment()
    known = {resource["urn"] for resource in deployment.get("resources") or []}
    added = [
        {**operation["resource"], "id": created[urn], "outputs": operation["resource"].get("inputs", {})}
        for operation in deployment.get("pending_operations") or []
        if (urn := operation["resource"]["urn"]) in created and urn not in known
    ]
    resolved = {"resources": [*(deployment.get("resources") or []), *added], "pending_operations": []}
    return {**exported, "deployment": {**deployment, **resolved}}
