"""Who is changing what: the engine's locks on single stacks, and the orchestrator's own on a whole environment.

The orchestrator's lock is stored beside the state, so that everyone who shares the state shares the lock: a file in a
folder backend, an object in an S3 bucket. In any other backend it guards this clone only.
"""

import os
import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from pydantic import AliasChoices, BaseModel, Field, TypeAdapter

from tools.orchestrator.engine.workspace import Workspace, current_user
from tools.orchestrator.model.document import Line, Moment, ProcessId, UnreadableDocumentError, parse
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.state.backend import open_store
from tools.orchestrator.state.folder_store import FolderStore
from tools.orchestrator.state.object_store import ObjectStore, StoredObject
from tools.orchestrator.state.processes import is_gone, start_of

STACK_LOCKS = ".pulumi/locks/organization"
"""Where the engine keeps its locks in a folder or a bucket (pkg/backend/diy)."""
STACK_LOCK = re.compile(r"(?P<project>[^/]+)/(?P<env>[^/]+)/[^/]+\.json")
"""The path of a lock below that."""


def format_age(age: timedelta) -> str:
    """Return an age as in `3 h 20 min`."""
    minutes, seconds = divmod(int(age.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [
        f"{number} {unit}"
        for number, unit in zip((days, hours, minutes, seconds), ("d", "h", "min", "s"), strict=True)
        if number
    ]
    return " ".join(parts[:2]) or "0 s"


class Lock(BaseModel):
    """Who holds a stack or an environment, and since when. The engine's locks name the same facts differently."""

    user: Line = Field(validation_alias=AliasChoices("user", "username"))
    host: Line = Field(validation_alias=AliasChoices("host", "hostname"))
    pid: ProcessId
    since: Moment = Field(validation_alias=AliasChoices("since", "timestamp"))
    verb: Line = ""
    start: Line = ""
    """When the process began, independent of the clock; the engine's locks lack it."""

    @classmethod
    def of_this_process(cls, verb: str) -> Self:
        pid = os.getpid()
        return cls(
            user=current_user(),
            host=socket.gethostname(),
            pid=pid,
            since=datetime.now(UTC),
            verb=verb,
            start=start_of(pid),
        )

    @property
    def abandoned(self) -> bool:
        """Whether the owner has provably ended."""
        return is_gone(self.host, self.pid, self.since, self.start)

    def __str__(self) -> str:
        gone = ", which is gone" if self.abandoned else ""
        verb = f" ({self.verb})" if self.verb else ""
        age = format_age(datetime.now(UTC) - self.since)
        return f"{self.user}@{self.host} process {self.pid}{verb}{gone}, since {age}"


LOCK = TypeAdapter(Lock)


@dataclass(frozen=True)
class UnreadableLock:
    """A lock without a readable owner: damaged by a full disk or a power cut, or not written by this program."""

    url: str
    pid: int = 0
    abandoned: bool = False

    def __str__(self) -> str:
        return f"an unknown owner ({self.url} cannot be read)"


AnyLock = Lock | UnreadableLock

MayBreak = Callable[[str], bool]
"""Decides whether to free a lock whose owner may still be running; receives the situation as a sentence."""


def _parse(url: str, found: StoredObject) -> AnyLock:
    try:
        return parse(LOCK, found.text, where=url, kind="a lock", remedy="")
    except UnreadableDocumentError:
        return UnreadableLock(url)


def _environment_locks(monorepo: Monorepo) -> str:
    """Return where the orchestrator keeps its locks: a file an environment."""
    return f".{monorepo.product}/locks"


def stack_locks(workspace: Workspace) -> dict[str, AnyLock]:
    """Return the engine's locks on the environment's stacks, by layer; none if the backend does not show them."""
    store = open_store(workspace.backend)
    if store is None:
        return {}
    locks: dict[str, AnyLock] = {}
    for name in store.list(STACK_LOCKS):
        path = STACK_LOCK.fullmatch(name)
        layer = workspace.monorepo.layer_of(path["project"]) if path and path["env"] == workspace.env else None
        key = f"{STACK_LOCKS}/{name}"
        if layer and (found := store.get(key)):  # otherwise its owner has just ended
            locks[layer] = _parse(store.url(key), found)
    return locks


def require_idle(store: ObjectStore, monorepo: Monorepo) -> None:
    """Check that no run and no engine changes anything that is kept in the store.

    Raises:
        OrchestratorError: one does, or may do so; names the owner and what frees the lock.
    """
    for folder in (_environment_locks(monorepo), STACK_LOCKS):
        for name in store.list(folder):
            found = store.get(f"{folder}/{name}") if name.endswith(".json") else None
            lock = _parse(store.url(f"{folder}/{name}"), found) if found else None
            if lock and not lock.abandoned:
                stack, _, _ = name.rpartition("/")
                raise _busy(stack or name.removesuffix(".json"), lock)


def _busy(what: str, lock: AnyLock) -> OrchestratorError:
    """Return the error for a locked environment, or a locked stack as in `txmon-data/dev`."""
    return OrchestratorError(
        f"{what} is being changed by {lock}; wait for it to end, or if it hangs: "
        f"./inv unlock all --env {what.rpartition('/')[2]} --force"
    )


def require_unlocked(workspace: Workspace) -> None:
    """Check that no stack of the environment is locked, by an active run or by one that is gone.

    Raises:
        OrchestratorError: names the layers, the owners and what frees them.
    """
    locks = stack_locks(workspace)
    if locks:
        held = "; ".join(f"{layer} is locked by {lock}" for layer, lock in locks.items())
        them, hang = ("them", "they hang") if len(locks) > 1 else ("it", "it hangs")
        gone = all(lock.abandoned for lock in locks.values())
        what = f"to free {them}" if gone else f"wait for {them} to end, or if {hang}"
        which = "all" if len(locks) > 1 else next(iter(locks))
        raise OrchestratorError(f"{held}; {what}: ./inv unlock {which} --env {workspace.env}")


def free_own(workspace: Workspace, layer: str, pid: int) -> None:
    """Free the lock of an engine that an interruption has ended before it did anything."""
    lock = stack_locks(workspace).get(layer)
    if lock and lock.pid == pid and lock.abandoned:
        workspace.call(layer, "cancel", "--yes")


def free_stack(workspace: Workspace, layer: str, may_break: MayBreak) -> AnyLock | None:
    """Free the layer's stack; return the lock that was freed.

    Raises:
        OrchestratorError: the owner may still be running, and the lock may not be broken.
    """
    lock = stack_locks(workspace).get(layer)
    if lock:
        _require_breakable(lock, layer, f"./inv unlock {layer} --env {workspace.env} --force", may_break)
        workspace.call(layer, "cancel", "--yes")
    return lock


def _require_breakable(lock: AnyLock, what: str, command: str, may_break: MayBreak) -> None:
    held = f"{what} is locked by {lock}: it may still be running"
    if not lock.abandoned and not may_break(held):
        raise OrchestratorError(f"{held}; wait, or free it with {command}")


@dataclass(frozen=True)
class EnvironmentLock:
    """The orchestrator's lock on an environment."""

    workspace: Workspace

    @property
    def store(self) -> ObjectStore:
        return open_store(self.workspace.backend) or FolderStore(self.workspace.monorepo.root)

    @property
    def key(self) -> str:
        return f"{_environment_locks(self.workspace.monorepo)}/{self.workspace.env}.json"

    def _read(self) -> tuple[StoredObject, AnyLock] | None:
        found = self.store.get(self.key)
        return (found, _parse(self.store.url(self.key), found)) if found else None

    def holder(self) -> AnyLock | None:
        """Return who holds the environment."""
        held = self._read()
        return held[1] if held else None

    @contextmanager
    def hold(self, verb: str) -> Iterator[None]:
        """Hold the environment; take the lock over if its owner has provably ended.

        Raises:
            OrchestratorError: another run holds it; names the owner.
        """
        text = Lock.of_this_process(verb).model_dump_json()
        self._take(text)
        try:
            yield
        finally:
            held = self.store.get(self.key)
            if held and held.text == text:  # otherwise it was freed by force, and another run may hold it now
                self.store.delete_if_match(self.key, held.version)

    def _take(self, text: str) -> None:
        while not self.store.put_if_absent(self.key, text):
            held = self._read()
            if held is None:  # just freed
                continue
            found, lock = held
            if found.text == text:  # the store's answer was lost, and the SDK asked again
                return
            if not lock.abandoned:
                raise _busy(self.workspace.env, lock)
            if self.store.put_if_match(self.key, text, found.version):
                return

    def free(self, may_break: MayBreak) -> AnyLock | None:
        """Free the environment; return the lock that was freed.

        Raises:
            OrchestratorError: the owner may still be running, and the lock may not be broken.
        """
        held = self._read()
        if held is None:
            return None
        found, lock = held
        env = self.workspace.env
        _require_breakable(lock, env, f"./inv unlock all --env {env} --force", may_break)
        # If another run has taken it in the meantime, ask about that one.
        return lock if self.store.delete_if_match(self.key, found.version) else self.free(may_break)
