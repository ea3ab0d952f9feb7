"""The engine's locks on stacks: whose they are, and how one that was left behind is freed."""

import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from shared.deploy.workspace import Workspace
from shared.errors import TxmonError
from shared.layers import project


@dataclass(frozen=True)
class Lock:
    """Who holds a stack."""

    user: str
    host: str
    pid: int
    since: datetime

    @property
    def abandoned(self) -> bool:
        """Whether the owner is provably gone: a process of this host that does not run any more."""
        return self.host == socket.gethostname() and not psutil.pid_exists(self.pid)

    def __str__(self) -> str:
        age = datetime.now(UTC) - self.since
        gone = ", which is gone" if self.abandoned else ""
        return f"{self.user}@{self.host} process {self.pid}{gone}, {int(age.total_seconds())} s ago"


def find_lock(workspace: Workspace, layer: str) -> Lock | None:
    """The lock on the layer's stack; None also where the backend keeps its locks out of sight (Pulumi Cloud, S3)."""
    backend = urlsplit(workspace.process_environment().get("PULUMI_BACKEND_URL", ""))
    if backend.scheme != "file":
        return None
    folder = Path(backend.path) / ".pulumi" / "locks" / "organization" / project(layer) / workspace.env
    for path in folder.glob("*.json"):
        with suppress(FileNotFoundError):  # its owner may end at any moment
            held = json.loads(path.read_text())
            return Lock(held["username"], held["hostname"], held["pid"], datetime.fromisoformat(held["timestamp"]))
    return None


def unlock(workspace: Workspace, layer: str, *, force: bool) -> Lock | None:
    """Free the layer's stack; gives the lock that was freed.

    Raises:
        TxmonError: the owner may still be at work and `force` is not given.
    """
    lock = find_lock(workspace, layer)
    if lock is None:
        return None
    if not lock.abandoned and not force:
        raise TxmonError(
            f"{layer} is locked by {lock}: it may still be at work; wait, or free it with "
            f"./inv unlock {layer} --env {workspace.env} --force"
        )
    workspace.call(layer, "cancel", "--yes")
    return lock
