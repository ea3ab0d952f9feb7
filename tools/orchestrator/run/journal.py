"""What every run did, on disk while it happens: `.txmon/runs/<run>/`.

The folder has one JSON file for the run and one file of the engine's events for each layer. The record is replaced
atomically as a whole at every change, so that it is true whenever the run is killed.
"""

import logging
import os
import shutil
import socket
import threading
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import BaseModel, Field, TypeAdapter

from tools.orchestrator.engine.workspace import Workspace, current_user
from tools.orchestrator.model.document import Moment, ProcessId, UnreadableDocumentError, parse
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import Operation, OperationStatus
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.repository import git
from tools.orchestrator.state.processes import is_gone, start_of

EVENTS_KEPT = 50
"""Runs of a clone whose engine events are kept, a megabyte each."""
RUNS_KEPT = 500
"""Runs of a clone whose record is kept, some kilobytes each."""

OUTCOMES = {"running": "is running", "interrupted": "was interrupted", "forced": "was stopped by force"}
"""Results of a run that read differently in a sentence."""

logger = logging.getLogger(__name__)


def runs_folder(monorepo: Monorepo) -> Path:
    return monorepo.work_folder / "runs"


class LayerRecord(BaseModel):
    """How far a layer got in a run."""

    action: str
    status: OperationStatus
    reason: str = ""
    began: Moment | None = None
    seconds: float = 0.0
    changes: dict[str, int] = Field(default_factory=dict)
    resources: int | None = None
    """How many the layer has if it succeeded."""


class RunRecord(BaseModel):
    """One run of a verb over layers."""

    verb: str
    env: str
    user: str = Field(default_factory=current_user)
    host: str = Field(default_factory=socket.gethostname)
    pid: ProcessId = Field(default_factory=os.getpid)
    start: str = ""
    """When the process began, independent of the clock."""
    commit: str = ""
    dirty: bool = False
    began: Moment = Field(default_factory=lambda: datetime.now(UTC))
    ended: Moment | None = None
    result: str = "running"
    """`running`, `succeeded`, `failed`, `interrupted` (once) or `forced` (twice)."""
    wanted: list[str] = Field(default_factory=list)
    """The layers that it was asked to work on."""
    refresh: bool = False
    """Whether it refreshes the state from AWS first."""
    plan: Plan | None = None
    """The approved plan that it is held to, and `resume` too."""
    layers: dict[str, LayerRecord] = Field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verb} of {self.began:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def destroys(self) -> bool:
        return self.verb.startswith("destroy")

    @property
    def unfinished(self) -> list[str]:
        """The layers that did not succeed, or whose end it did not see."""
        done = {name for name, record in self.layers.items() if record.status is OperationStatus.SUCCEEDED}
        return [name for name in self.wanted if name not in done]

    @property
    def outcome(self) -> str:
        """How it ended, as the verb of a sentence: `failed`, `was interrupted`, `was killed`."""
        if self.was_killed:
            return "was killed"
        return OUTCOMES.get(self.result, self.result)

    @property
    def was_killed(self) -> bool:
        """Whether its process is gone although it never ended."""
        return self.result == "running" and is_gone(self.host, self.pid, self.began, self.start)


RUN_RECORD = TypeAdapter(RunRecord)


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
        commit, dirty = git.head(workspace.monorepo.root)
        self.record = RunRecord(
            verb=verb,
            env=workspace.env,
            start=start_of(os.getpid()),
            commit=commit,
            dirty=dirty,
            wanted=list(wanted),
            refresh=refresh,
            plan=plan,
        )
        runs = runs_folder(workspace.monorepo)
        self.folder = runs / f"{self.record.began:%Y%m%dT%H%M%S.%f}-{verb}-{workspace.env}"
        self.folder.mkdir(parents=True, mode=0o700)
        self._lock = threading.Lock()
        self._write()
        _delete_old(runs)

    def note(self, operation: Operation) -> None:
        """Record how far a layer is."""
        with self._lock:
            self.record.layers[operation.layer] = LayerRecord(
                action=operation.action,
                status=operation.status,
                reason=operation.reason,
                began=operation.began_at,
                seconds=round(operation.seconds, 2),
                changes=operation.changes,
                resources=operation.resource_count,
            )
            self._write()

    def end(self, result: str) -> None:
        """Record how the run ends; the last call counts."""
        self.record.result = result

    def close(self) -> None:
        """Close the record: the run failed, unless `end` has recorded another result."""
        with self._lock:
            self.record.ended = datetime.now(UTC)
            if self.record.result == "running":
                self.record.result = "failed"
            self._write()

    def _write(self) -> None:
        partial = self.folder / "run.json.partial"
        try:
            partial.write_text(self.record.model_dump_json(indent=2), "utf-8")
            partial.replace(self.folder / "run.json")
        except OSError as error:
            raise OrchestratorError(
                f"the run's progress cannot be written to {self.folder} ({error.strerror}): fix that, then "
                f"./inv resume --env {self.record.env}"
            ) from None


def _delete_old(runs: Path) -> None:
    """Delete the events of older runs, and of the oldest ones the record, too."""
    newest_first = sorted(runs.iterdir(), reverse=True)
    for folder in newest_first[EVENTS_KEPT:RUNS_KEPT]:
        for events in folder.glob("*.jsonl"):
            events.unlink(missing_ok=True)
    for folder in newest_first[RUNS_KEPT:]:
        shutil.rmtree(folder, ignore_errors=True)


def last_run(monorepo: Monorepo, env: str) -> RunRecord | None:
    """Return the newest run that changed something in an environment; None if there was none."""
    return next(_records(monorepo, env), None)


def unfinished(monorepo: Monorepo, env: str) -> tuple[RunRecord, list[str]] | None:
    """Return the newest run that left something to do, with the layers that no later run has finished.

    A run finishes the layers that succeeded in it. A destroy also finishes their readers, which were gone before.
    """
    finished: set[str] = set()
    for record in _records(monorepo, env):
        left = [layer for layer in record.unfinished if layer not in finished]
        if left:
            return record, left
        finished.update(record.wanted)
        if record.destroys:
            finished.update(*map(monorepo.dependents, record.wanted))
    return None


def _records(monorepo: Monorepo, env: str) -> Iterator[RunRecord]:
    """Yield the runs that changed something in an environment, newest first; warn about unreadable ones."""
    remedy = f"delete it; ./inv status --env {env} shows what is deployed"
    for path in sorted(runs_folder(monorepo).glob(f"*-{env}/run.json"), reverse=True):
        try:
            record = parse(RUN_RECORD, path.read_bytes(), where=str(path), kind="the record of a run", remedy=remedy)
        except UnreadableDocumentError as error:
            logger.warning("%s", error)
            continue
        if record.env == env:
            yield record
