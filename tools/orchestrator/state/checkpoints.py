"""The only reader of state. A run reads it once into a `Snapshot` and hands that on.

The engine takes a tenth of a second to list or export one stack, and reads the same files; a folder or a bucket is
read directly. Checkpoints are replaced as a whole, so that a reader never sees half of one.
"""

import logging
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from pydantic import BaseModel, Field, TypeAdapter

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.document import parse
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.stack import (
    Deployment,
    Export,
    Snapshot,
    StackSnapshot,
    Timestamp,
    UpdateRecord,
    last_significant_update,
)
from tools.orchestrator.state.backend import open_store
from tools.orchestrator.state.object_store import ObjectStore

STACKS = ".pulumi/stacks"
"""Where the engine keeps checkpoints in a folder or a bucket (pkg/backend/diy)."""
CHECKPOINT = re.compile(r"(?P<stack>[^/]+/[^/]+)\.json(?P<compressed>\.gz|\.zst)?")
"""A checkpoint's path below that. Its name has a second ending if the engine is told to compress."""
HISTORY_LENGTH = 20
"""How many updates are searched for the last significant one."""

logger = logging.getLogger(__name__)


class _Checkpoint(BaseModel):
    """What the engine has recorded of a stack."""

    latest: Deployment | None = None


class _CheckpointFile(BaseModel):
    """A checkpoint as the engine keeps it (`apitype.VersionedCheckpoint`)."""

    checkpoint: _Checkpoint


class _Listed(BaseModel):
    """A stack as `pulumi stack ls` prints it."""

    name: str
    resourceCount: int | None = None  # noqa: N815 (the engine's name)


class _HistoryEntry(BaseModel):
    """An update as `pulumi stack history` prints it."""

    kind: str
    result: str
    end_time: Timestamp | None = Field(None, alias="endTime")
    message: str = ""
    environment: dict[str, str] | None = None


CHECKPOINT_FILE = TypeAdapter(_CheckpointFile)
EXPORT = TypeAdapter(Export)
STACKS_LISTED = TypeAdapter(list[_Listed])
HISTORY = TypeAdapter(list[_HistoryEntry] | None)


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


def _stored(store: ObjectStore, suffix: str) -> dict[str, Deployment] | None:
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


def _deployment(store: ObjectStore, key: str) -> Deployment:
    found, where = store.get(key), store.url(key)
    if found is None:
        return Deployment()
    remedy = f"the one before it is {where}.bak"
    return (
        parse(CHECKPOINT_FILE, found.text, where=where, kind="a checkpoint", remedy=remedy).checkpoint.latest
        or Deployment()
    )


def _exported(workspace: Workspace, suffix: str) -> dict[str, Deployment]:
    """Return `project/stack` -> deployment as the engine exports it, side by side; an empty stack is not exported."""
    command = ("stack", "ls", "--all", "--json")
    listing = parse(STACKS_LISTED, workspace.call_backend(*command), **_answer_of("pulumi", *command))
    named = {"/".join(entry.name.split("/")[-2:]): entry for entry in listing}
    entries = {stack: entry for stack, entry in named.items() if stack.endswith(suffix)}
    with ThreadPoolExecutor() as pool:
        return dict(zip(entries, pool.map(lambda entry: _export(workspace, entry), entries.values()), strict=True))


def _export(workspace: Workspace, entry: _Listed) -> Deployment:
    if not entry.resourceCount:
        return Deployment()
    command = ("stack", "export", "--stack", entry.name)
    exported = parse(EXPORT, workspace.call_backend(*command), **_answer_of("pulumi", *command))
    return exported["deployment"] or Deployment()


def export(workspace: Workspace, layer: str) -> Export:
    """Return a layer's stack as the engine exports it, to be imported again.

    Raises:
        OrchestratorError: the engine does not export it.
    """
    command = ("stack", "export")
    return parse(EXPORT, workspace.call(layer, *command), **_answer_of(workspace.display_command(layer, *command)))


def _answer_of(*command: str) -> dict[str, str]:
    """Return what to say of an answer of the engine that cannot be read."""
    command_line = " ".join(command)
    return {"where": f"the answer of {command_line}", "kind": "what it should be", "remedy": "run that to see why"}


def with_last_updates(workspace: Workspace, snapshot: Snapshot, layers: Iterable[str]) -> Snapshot:
    """Return the snapshot with the last significant update of those of the layers that have a stack."""
    present = [layer for layer in layers if layer in snapshot.stacks]
    with ThreadPoolExecutor() as pool:
        updates = pool.map(lambda layer: _last_update(workspace, layer), present)
        return snapshot.with_updates(dict(zip(present, updates, strict=True)))


def _last_update(workspace: Workspace, layer: str) -> UpdateRecord | None:
    command = ("stack", "history", "--json", "--page-size", str(HISTORY_LENGTH))
    answer = workspace.call(layer, *command)
    history = parse(HISTORY, answer, **_answer_of(workspace.display_command(layer, *command)))
    return last_significant_update([_update(entry) for entry in history or []])


def _update(entry: _HistoryEntry) -> UpdateRecord:
    facts = entry.environment or {}
    commit = "" if facts.get("git.dirty") == "true" else facts.get("git.head", "")
    return UpdateRecord(entry.kind, entry.result, entry.end_time or "", entry.message, commit)


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
