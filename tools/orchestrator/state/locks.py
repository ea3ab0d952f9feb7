"""Who is changing what: the engine's locks on single stacks, and the runner's own on a whole environment.

The runner's lock lies beside the state, so that everyone who shares the state shares the lock: a file in a folder
backend, an object in an S3 bucket. A backend of another kind cannot hold it; there it guards this clone only.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import psutil
from pydantic import AliasChoices, AwareDatetime, BaseModel, Field, ValidationError

from shared.errors import TxmonError
from tools.orchestrator.engine.workspace import ROOT, Workspace, current_user, layer_of
from tools.orchestrator.state.folder_store import Folder, Found, Place, Store

RUNS = ".txmon/locks"
"""Where the runner keeps its locks: a file an environment."""
ENGINES = ".pulumi/locks/organization"
"""Where the engine keeps its locks in a backend of its own: a folder a project, in it one a stack."""
SKEW = timedelta(minutes=1)
"""How far the clock may have been set since a process began or a lock was made."""


def is_gone(host: str, pid: int, since: datetime) -> bool:
    """Whether the process of `host` that was there at `since` provably is no more.

    That is known of this host only. Another process may have got its number, after a restart of the host above all;
    it began later.
    """
    if host != socket.gethostname():
        return False
    try:
        began = datetime.fromtimestamp(psutil.Process(pid).create_time(), UTC)
    except psutil.NoSuchProcess:
        return True
    return began > since + SKEW


def in_words(age: timedelta) -> str:
    """An age for a person, as in `3 h 20 min`."""
    minutes, seconds = divmod(int(age.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    told = [f"{number} {unit}" for number, unit in parts if number]
    return " ".join(told[:2]) or "0 s"


class Lock(BaseModel):
    """Who holds a stack or an environment, since when. The engine's locks have other names for the same."""

    user: str = Field(validation_alias=AliasChoices("user", "username"))
    host: str = Field(validation_alias=AliasChoices("host", "hostname"))
    pid: int
    since: AwareDatetime = Field(validation_alias=AliasChoices("since", "timestamp"))
    verb: str = ""

    @classmethod
    def own(cls, verb: str) -> Self:
        """This process's."""
        return cls(
            user=current_user(), host=socket.gethostname(), pid=os.getpid(), since=datetime.now(UTC), verb=verb
        )

    @property
    def abandoned(self) -> bool:
        """Whether the owner is provably gone."""
        return is_gone(self.host, self.pid, self.since)

    def __str__(self) -> str:
        gone = ", which is gone" if self.abandoned else ""
        verb = f" ({self.verb})" if self.verb else ""
        age = in_words(datetime.now(UTC) - self.since)
        return f"{self.user}@{self.host} process {self.pid}{verb}{gone}, since {age}"


@dataclass(frozen=True)
class UnreadableLock:
    """A lock that does not say whose it is: empty or damaged, as a full disk or a power cut leaves a file."""

    place: str
    pid: int = 0
    abandoned: bool = False

    def __str__(self) -> str:
        return f"an unknown owner ({self.place} cannot be read)"


AnyLock = Lock | UnreadableLock

MayBreak = Callable[[str], bool]
"""Whether a lock may be freed whose owner may still be at work; is told so in a sentence."""


def _lock(place: Place, found: Found) -> AnyLock:
    try:
        return Lock.model_validate_json(found.text)
    except ValidationError:
        return UnreadableLock(str(place))


def stack_locks(workspace: Workspace) -> dict[str, AnyLock]:
    """The engine's locks on stacks of the environment, by layer; none where the backend keeps them out of sight."""
    places = workspace.store.below(ENGINES) if workspace.store else {}
    locks: dict[str, AnyLock] = {}
    for name, place in places.items():
        match name.split("/"):
            case [owner, workspace.env, file] if (layer := layer_of(owner)) and file.endswith(".json"):
                found = place.read()
                if found:  # else its owner has just ended
                    locks[layer] = _lock(place, found)
    return locks


def require_nobody_at_work(store: Store) -> None:
    """No run and no engine changes anything of what is kept there.

    Raises:
        TxmonError: one does, or may do; names the owner and what frees it.
    """
    for folder in (RUNS, ENGINES):
        for file, place in store.below(folder).items():
            found = place.read() if file.endswith(".json") else None
            lock = _lock(place, found) if found else None
            if lock and not lock.abandoned:
                raise _at_work(file.removesuffix(".json"), lock)


def _at_work(what: str, lock: AnyLock) -> TxmonError:
    """`what` is an environment, or one's stack, as in `txmon-data/dev`."""
    return TxmonError(
        f"{what} is being changed by {lock}; wait for it to end, or if it hangs: "
        f"./inv unlock all --env {what.rpartition('/')[2]} --force"
    )


def require_unlocked(workspace: Workspace) -> None:
    """No stack of the environment is being changed by someone else, or was left locked.

    Raises:
        TxmonError: names the layers, the owners and what frees them.
    """
    locks = stack_locks(workspace)
    if locks:
        held = "; ".join(f"{layer} is locked by {lock}" for layer, lock in locks.items())
        them, hang = ("them", "they hang") if len(locks) > 1 else ("it", "it hangs")
        gone = all(lock.abandoned for lock in locks.values())
        what = f"to free {them}" if gone else f"wait for {them} to end, or if {hang}"
        which = "all" if len(locks) > 1 else next(iter(locks))
        raise TxmonError(f"{held}; {what}: ./inv unlock {which} --env {workspace.env}")


def free_own(workspace: Workspace, layer: str, pid: int) -> None:
    """Free the lock of an engine that an interruption has ended before it did anything."""
    lock = stack_locks(workspace).get(layer)
    if lock and lock.pid == pid and lock.abandoned:
        workspace.call(layer, "cancel", "--yes")


def free_stack(workspace: Workspace, layer: str, may_break: MayBreak) -> AnyLock | None:
    """Free the layer's stack; gives the lock that was freed.

    Raises:
        TxmonError: the owner may still be at work, and the lock may not be broken.
    """
    lock = stack_locks(workspace).get(layer)
    if lock:
        _require_free_to_break(lock, layer, f"./inv unlock {layer} --env {workspace.env} --force", may_break)
        workspace.call(layer, "cancel", "--yes")
    return lock


def _require_free_to_break(lock: AnyLock, what: str, command: str, may_break: MayBreak) -> None:
    held = f"{what} is locked by {lock}: it may still be at work"
    if not lock.abandoned and not may_break(held):
        raise TxmonError(f"{held}; wait, or free it with {command}")


def place_of(workspace: Workspace) -> Place:
    """Where the lock of the workspace's environment lies."""
    return (workspace.store or Folder(ROOT)).at(f"{RUNS}/{workspace.env}.json")


def holder(workspace: Workspace) -> AnyLock | None:
    """Who holds the environment."""
    place = place_of(workspace)
    found = place.read()
    return _lock(place, found) if found else None


@contextmanager
def environment_lock(workspace: Workspace, verb: str) -> Iterator[None]:
    """Hold the environment while it is changed; a lock whose owner is provably gone is taken over.

    Raises:
        TxmonError: another run holds it; names the owner.
    """
    place = place_of(workspace)
    text = Lock.own(verb).model_dump_json()
    while not place.create(text):
        found = place.read()
        if found and found.text == text:  # the answer was lost, and so it was asked a second time
            break
        lock = _lock(place, found) if found else None
        if lock and not lock.abandoned:
            raise _at_work(workspace.env, lock)
        if found and place.replace(found, text):  # else it was freed or taken over just now
            break
    try:
        yield
    finally:
        held = place.read()
        if held and held.text == text:  # else it was freed by force, and what is there may be another run's
            place.delete(held)


def free_environment(workspace: Workspace, may_break: MayBreak) -> AnyLock | None:
    """Free the environment's lock; gives the lock that was freed.

    Raises:
        TxmonError: the owner may still be at work, and the lock may not be broken.
    """
    place = place_of(workspace)
    found = place.read()
    if found is None:
        return None
    lock = _lock(place, found)
    _require_free_to_break(lock, workspace.env, f"./inv unlock all --env {workspace.env} --force", may_break)
    # Where it has just become another run's, that one's owner is to be asked about.
    return lock if place.delete(found) else free_environment(workspace, may_break)
