"""The only reader of state. A run reads it once into a `Snapshot` and hands that on.

The engine takes a tenth of a second to list or export one stack, and reads the same files; a folder or a bucket is
read directly. Checkpoints are replaced as a whole, so that a reader never sees half of one.
"""

import json
import logging
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.stack import Snapshot, StackSnapshot, UpdateRecord, last_significant_update
from tools.orchestrator.state.backend import open_store
from tools.orchestrator.state.object_store import ObjectStore

STACKS = ".pulumi/stacks"
"""Where the engine keeps checkpoints in a folder or a bucket (pkg/backend/diy)."""
CHECKPOINT = re.compile(r"(?P<stack>[^/]+/[^/]+)\.json(?P<compressed>\.gz|\.zst)?")
"""A checkpoint's path below that. Its name has a second ending if the engine is told to compress."""
HISTORY_LENGTH = 20
"""How many updates are searched for the last significant one."""

logger = logging.getLogger(__name__)


def read_snapshot(workspace: Workspace, *, everywhere: bool = False) -> Snapshot:
    """Read the stacks of the environment, or of the whole backend; secrets stay encrypted.

    Raises:
        OrchestratorError: the state backend does not answer, or a checkpoint is damaged.
    """
    logger.debug("read the checkpoints of %s", "the backend" if everywhere else workspace.env)
    suffix = "" if everywhere else f"/{workspace.env}"
    store = open_store(workspace.backend)
    deployments = _stored(store, suffix) if store else None
    if deployments is None:  # Pulumi Cloud, another service's bucket, or compressed checkpoints
        deployments = _exported(workspace, suffix)
    stacks = {_name(workspace, stack): deployment for stack, deployment in deployments.items()}
    return Snapshot(workspace.env, {name: StackSnapshot(name, deployment) for name, deployment in stacks.items()})


def _name(workspace: Workspace, stack: str) -> str:
    project, _, env = stack.partition("/")
    return (env == workspace.env and workspace.monorepo.layer_of(project)) or stack


def _stored(store: ObjectStore, suffix: str) -> dict[str, dict[str, Any]] | None:
    """Return `project/stack` -> deployment; None if checkpoints are compressed, which only the engine can read."""
    keys: dict[str, str] = {}
    for key in store.list(STACKS):
        found = CHECKPOINT.fullmatch(key)
        if found and found["stack"].endswith(suffix):
            if found["compressed"]:
                return None
            keys[found["stack"]] = f"{STACKS}/{key}"
    with ThreadPoolExecutor() as pool:
        return dict(zip(keys, pool.map(lambda key: _deployment(store, key), keys.values()), strict=True))


def _deployment(store: ObjectStore, key: str) -> dict[str, Any]:
    found = store.get(key)
    try:
        return (json.loads(found.text)["checkpoint"].get("latest") or {}) if found else {}
    except (ValueError, KeyError):
        where = store.url(key)
        raise OrchestratorError(f"the state {where} cannot be read; the one before it is {where}.bak") from None


def _exported(workspace: Workspace, suffix: str) -> dict[str, dict[str, Any]]:
    """Return `project/stack` -> deployment as the engine exports it, side by side; an empty stack is not exported."""
    listing = json.loads(workspace.call_backend("stack", "ls", "--all", "--json"))
    named = {"/".join(entry["name"].split("/")[-2:]): entry for entry in listing}
    entries = {stack: entry for stack, entry in named.items() if stack.endswith(suffix)}
    with ThreadPoolExecutor() as pool:
        return dict(zip(entries, pool.map(lambda entry: _export(workspace, entry), entries.values()), strict=True))


def _export(workspace: Workspace, entry: dict[str, Any]) -> dict[str, Any]:
    if not entry.get("resourceCount"):
        return {}
    exported = json.loads(workspace.call_backend("stack", "export", "--stack", entry["name"]))
    deployment: dict[str, Any] = exported.get("deployment") or {}
    return deployment


def with_last_updates(workspace: Workspace, snapshot: Snapshot, layers: Iterable[str]) -> Snapshot:
    """Return the snapshot with the last significant update of those of the layers that have a stack."""
    present = [layer for layer in layers if layer in snapshot.stacks]
    with ThreadPoolExecutor() as pool:
        updates = pool.map(lambda layer: _last_update(workspace, layer), present)
        return snapshot.with_updates(dict(zip(present, updates, strict=True)))


def _last_update(workspace: Workspace, layer: str) -> UpdateRecord | None:
    history = workspace.call(layer, "stack", "history", "--json", "--page-size", str(HISTORY_LENGTH))
    return last_significant_update([_update(entry) for entry in json.loads(history)])


def _update(entry: dict[str, Any]) -> UpdateRecord:
    facts = entry.get("environment") or {}
    commit = "" if facts.get("git.dirty") == "true" else facts.get("git.head", "")
    return UpdateRecord(entry["kind"], entry["result"], entry.get("endTime", ""), entry.get("message", ""), commit)


def find_deployed(workspace: Workspace, snapshot: Snapshot, name: str) -> str:
    """Return the layer `name`; it may be a removed layer that is still deployed.

    Raises:
        OrchestratorError: there is no such layer.
    """
    removed = workspace.monorepo.removed_layers(snapshot.deployed)
    return name if name in removed else workspace.monorepo.find_layer(name)


def nothing_deployed(env: str) -> OrchestratorError:
    """Return the error for a verb that needs something deployed."""
    return OrchestratorError(f"nothing is deployed in {env}: ./inv deploy-all --env {env}")
