"""What every run did, on disk while it happens: `.txmon/runs/<run>/`, one JSON a run and the engine's events a layer.

The record is replaced whole and atomically at every change, so that it is true at whatever point the run is killed.
"""

import os
import socket
import threading
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime

from pydantic import BaseModel, Field, ValidationError

from shared.errors import TxmonError
from shared.graph import dependents
from tools.orchestrator.engine.operation import Operation, Status
from tools.orchestrator.engine.workspace import ROOT, Workspace, current_user
from tools.orchestrator.repository import git
from tools.orchestrator.run.plan import Plan
from tools.orchestrator.state.locks import is_gone

Say = Callable[[str], None]

RUNS = ROOT / ".txmon" / "runs"

KEPT = 50
"""Of so many runs of a clone the engine's events stay, a megabyte each; of all older ones what became of them."""

OUTCOMES = {"running": "is at work", "interrupted": "was interrupted", "forced": "was stopped by force"}
"""Results of a run that are not yet what is said of it."""


class LayerRecord(BaseModel):
    """How far a layer came in a run."""

    action: str
    status: Status
    reason: str = ""
    began: datetime | None = None
    seconds: float = 0.0
    changes: dict[str, int] = Field(default_factory=dict)
    resources: int | None = None
    """How many it holds, if it ended well."""
    contract_version: int | None = None


class RunRecord(BaseModel):
    """One run of a verb over layers."""

    verb: str
    env: str
    user: str = Field(default_factory=current_user)
    host: str = Field(default_factory=socket.gethostname)
    pid: int = Field(default_factory=os.getpid)
    commit: str = ""
    dirty: bool = False
    began: datetime = Field(default_factory=lambda: datetime.now(UTC))
    ended: datetime | None = None
    result: str = "running"
    """`running`, `succeeded`, `failed`, `interrupted` (once) or `forced` (twice)."""
    wanted: list[str] = Field(default_factory=list)
    """The layers it was to work on."""
    refresh: bool = False
    """Whether it asked AWS first what has become of them."""
    plan: Plan | None = None
    """The approved plan that it was held to, and that whoever goes on is held to."""
    layers: dict[str, LayerRecord] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verb} of {self.began:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def destroys(self) -> bool:
        return self.verb.startswith("destroy")

    @property
    def left(self) -> list[str]:
        """The layers that are not as it wanted them, or that it did not see end."""
        done = {name for name, record in self.layers.items() if record.status is Status.SUCCEEDED}
        return [name for name in self.wanted if name not in done]

    @property
    def outcome(self) -> str:
        """How it ended, for a person: `failed`, `was interrupted`, `was killed` and so on."""
        if self.was_killed:
            return "was killed"
        return OUTCOMES.get(self.result, self.result)

    @property
    def was_killed(self) -> bool:
        """Whether it never ended and its process is gone."""
        return self.result == "running" and is_gone(self.host, self.pid, self.began)


class Journal:
    """The record of the run under way."""

    def __init__(
        self,
        workspace: Workspace,
        verb: str,
        wanted: Collection[str],
        *,
        refresh: bool = False,
        plan: Plan | None = None,
    ) -> None:
        commit, dirty = git.head()
        self.record = RunRecord(
            verb=verb,
            env=workspace.env,
            commit=commit,
            dirty=dirty,
            wanted=list(wanted),
            refresh=refresh,
            plan=plan,
        )
        self.folder = RUNS / f"{self.record.began:%Y%m%dT%H%M%S.%f}-{verb}-{workspace.env}"
        self.folder.mkdir(parents=True, mode=0o700)
        self._lock = threading.Lock()
        self._write()
        _forget_old_events()

    def note(self, operation: Operation) -> None:
        """Write down how far a layer is."""
        version = operation.outputs.get("contract_version")
        with self._lock:
            self.record.layers[operation.layer] = LayerRecord(
                action=operation.action,
                status=operation.status,
                reason=operation.reason,
                began=operation.began_at,
                seconds=round(operation.seconds, 2),
                changes=operation.changed,
                resources=operation.holds,
                contract_version=int(version) if isinstance(version, int | float) else None,
            )
            self._write()

    def end(self, result: str) -> None:
        """Say how the run ends; the last word counts."""
        self.record.result = result

    def close(self) -> None:
        """The run is over; it failed unless `end` has said otherwise."""
        with self._lock:
            self.record.ended = datetime.now(UTC)
            if self.record.result == "running":
                self.record.result = "failed"
            self._write()

    def _write(self) -> None:
        partial = self.folder / "run.json.partial"
        try:
            partial.write_text(self.record.model_dump_json(indent=2))
            partial.replace(self.folder / "run.json")
        except OSError as error:
            raise TxmonError(
                f"how far the run is cannot be written to {self.folder} ({error.strerror}): mend that, then "
                f"./inv resume --env {self.record.env}"
            ) from None


def _forget_old_events() -> None:
    for folder in sorted(RUNS.iterdir(), reverse=True)[KEPT:]:
        for events in folder.glob("*.jsonl"):
            events.unlink(missing_ok=True)


def last_run(env: str, say: Say) -> RunRecord | None:
    """The newest run in an environment that changed something; None if there was none."""
    return next(_records(env, say), None)


def unfinished(env: str, say: Say) -> tuple[RunRecord, list[str]] | None:
    """The newest run in an environment that left something to do, and the layers that no later run has settled.

    A run settles the layers that it brought to a good end; one that destroys, what reads them as well, which must
    have been gone before.
    """
    settled: set[str] = set()
    for record in _records(env, say):
        left = [layer for layer in record.left if layer not in settled]
        if left:
            return record, left
        settled.update(record.wanted)
        if record.destroys:
            settled.update(*map(dependents, record.wanted))
    return None


def _records(env: str, say: Say) -> Iterator[RunRecord]:
    """The runs in an environment that changed something, newest first; says which cannot be read."""
    for path in sorted(RUNS.glob(f"*-{env}/run.json"), reverse=True):
        try:
            record = RunRecord.model_validate_json(path.read_bytes())
        except ValidationError:
            say(f"{path} cannot be read: delete it; ./inv status --env {env} tells what is deployed")
            continue
        if record.env == env:
            yield record
