"""Who is changing what: the engine's locks on single stacks, and the runner's own on a whole environment.

The runner's lock lies beside the state, so that everyone who shares the state shares the lock: a file in a folder
backend, an object in an S3 bucket. A backend of another kind cannot hold it; there it guards this clone only.
"""

import getpass
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import psutil
from pydantic import BaseModel, Field

from shared.deploy.workspace import ROOT, Workspace, folder_of
from shared.errors import TxmonError
from shared.layers import LAYERS, project


class Lock(BaseModel):
    """Who holds a stack or an environment, since when."""

    user: str = Field(default_factory=getpass.getuser)
    host: str = Field(default_factory=socket.gethostname)
    pid: int = Field(default_factory=os.getpid)
    since: datetime = Field(default_factory=lambda: datetime.now(UTC))
    verb: str = ""

    @property
    def abandoned(self) -> bool:
        """Whether the owner is provably gone: a process of this host that does not run any more."""
        return self.host == socket.gethostname() and not psutil.pid_exists(self.pid)

    def __str__(self) -> str:
        age = datetime.now(UTC) - self.since
        gone = ", which is gone" if self.abandoned else ""
        verb = f" ({self.verb})" if self.verb else ""
        return f"{self.user}@{self.host} process {self.pid}{verb}{gone}, since {int(age.total_seconds())} s"


def stack_lock(workspace: Workspace, layer: str) -> Lock | None:
    """The engine's lock on the layer's stack; None also where the backend keeps it out of sight (all but folders)."""
    state = folder_of(workspace.backend)
    if state is None:
        return None
    folder = state / ".pulumi" / "locks" / "organization" / project(layer) / workspace.env
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # its owner may end at any moment
            held = json.loads(path.read_text())
            since = datetime.fromisoformat(held["timestamp"])
            return Lock(user=held["username"], host=held["hostname"], pid=held["pid"], since=since)
    return None


def require_unlocked(workspace: Workspace) -> None:
    """No stack of the environment is being changed by someone else, or was left locked.

    Raises:
        TxmonError: names the layer, the owner and what frees it.
    """
    for layer in LAYERS:
        lock = stack_lock(workspace, layer)
        if lock:
            wait = "" if lock.abandoned else "wait for it to end, or if it hangs: "
            raise TxmonError(f"{layer} is locked by {lock}; {wait}./inv unlock {layer} --env {workspace.env}")


def free_own(workspace: Workspace, layer: str, pid: int) -> None:
    """Free the lock of an engine that an interruption has ended before it did anything."""
    lock = stack_lock(workspace, layer)
    if lock and lock.pid == pid and lock.abandoned:
        workspace.call(layer, "cancel", "--yes")


def free_stack(workspace: Workspace, layer: str, *, force: bool) -> Lock | None:
    """Free the layer's stack; gives the lock that was freed.

    Raises:
        TxmonError: the owner may still be at work and `force` is not given.
    """
    lock = stack_lock(workspace, layer)
    if lock is None:
        return None
    _require_free_to_break(lock, layer, f"./inv unlock {layer} --env {workspace.env} --force", force=force)
    workspace.call(layer, "cancel", "--yes")
    return lock


def _require_free_to_break(lock: Lock, what: str, command: str, *, force: bool) -> None:
    if not lock.abandoned and not force:
        raise TxmonError(f"{what} is locked by {lock}: it may still be at work; wait, or free it with {command}")


class Place(Protocol):
    """Where an environment's lock lies."""

    def create(self, text: str) -> bool:
        """Write the lock if there is none; whether it was written."""

    def read(self) -> str | None: ...

    def delete(self) -> None: ...


@dataclass(frozen=True)
class FilePlace:
    """A file, made exclusively and at once with all that is in it."""

    path: Path

    def create(self, text: str) -> bool:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        fresh.write_text(text)
        try:
            self.path.hardlink_to(fresh)
        except FileExistsError:
            return False
        finally:
            fresh.unlink()
        return True

    def read(self) -> str | None:
        try:
            return self.path.read_text()
        except FileNotFoundError:
            return None

    def delete(self) -> None:
        self.path.unlink(missing_ok=True)


def place_of(workspace: Workspace) -> Place:
    """Where the lock of the workspace's environment lies."""
    backend = urlsplit(workspace.backend)
    name = f".txmon/locks/{workspace.env}.json"
    if backend.scheme == "s3":
        from shared.deploy.buckets import object_place  # noqa: PLC0415 (only S3 backends need the AWS SDK)

        return object_place(backend, name)
    return FilePlace((folder_of(workspace.backend) or ROOT) / name)


@contextmanager
def environment_lock(workspace: Workspace, verb: str) -> Iterator[None]:
    """Hold the environment while it is changed; a lock whose owner is provably gone is taken over.

    Raises:
        TxmonError: another run holds it; names the owner.
    """
    place = place_of(workspace)
    text = Lock(verb=verb).model_dump_json()
    while not place.create(text):
        held = _held(place)
        if held and not held.abandoned:
            raise TxmonError(
                f"{workspace.env} is being changed by {held}; wait for it to end, or if it hangs: "
                f"./inv unlock all --env {workspace.env} --force"
            )
        if held:  # else it was freed just now, and what is there next may be another run's
            place.delete()
    try:
        yield
    finally:
        if place.read() == text:  # else it was freed by force, and what is there may be another run's
            place.delete()


def free_environment(workspace: Workspace, *, force: bool) -> Lock | None:
    """Free the environment's lock; gives the lock that was freed.

    Raises:
        TxmonError: the owner may still be at work and `force` is not given.
    """
    place = place_of(workspace)
    lock = _held(place)
    if lock:
        _require_free_to_break(lock, workspace.env, f"./inv unlock all --env {workspace.env} --force", force=force)
        place.delete()
    return lock


def _held(place: Place) -> Lock | None:
    text = place.read()
    return Lock.model_validate_json(text) if text else None
