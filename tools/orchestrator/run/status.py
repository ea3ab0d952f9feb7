"""The status of an environment: each layer's health, the run that holds its lock, and the next steps."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.operation import OperationStatus
from tools.orchestrator.model.stack import Snapshot, StackHealth, StackSnapshot
from tools.orchestrator.repository.sources import changed_since
from tools.orchestrator.run.journal import RunRecord, unfinished
from tools.orchestrator.run.stale import Stale, sentence, stale_layers
from tools.orchestrator.state.checkpoints import nothing_deployed, with_last_updates
from tools.orchestrator.state.locks import AnyLock, EnvironmentLock, stack_locks


@dataclass(frozen=True)
class LayerStatus:
    """How a layer is."""

    layer: str
    stack: StackSnapshot
    health: StackHealth
    lock: AnyLock | None
    next_step: str | None
    """What is wrong and the command that goes on from here; None if nothing is."""


@dataclass(frozen=True)
class EnvironmentStatus:
    """How the layers of an environment are, and who is changing it."""

    env: str
    layers: list[LayerStatus]
    holder: AnyLock | None
    unfinished: tuple[RunRecord, list[str]] | None
    stale: Stale

    @property
    def next_steps(self) -> list[str]:
        """What is not as it should be, each with the command that goes on from here."""
        lines = [layer.next_step for layer in self.layers if layer.next_step]
        if self.stale:
            lines.append(sentence(self.stale, self.env))
        if self.holder:
            gone = "; the next run takes its lock over" if self.holder.abandoned else ""
            lines.append(f"{self.env} is being changed by {self.holder}{gone}")
        if self.unfinished and (self.unfinished[0].ended or self.unfinished[0].was_killed):
            run, left = self.unfinished
            lines.append(f"{run} {run.outcome} and left {', '.join(left)}: ./inv resume --env {self.env}")
        return lines


def status(workspace: Workspace, snapshot: Snapshot) -> EnvironmentStatus:
    """Return how the environment is, with removed layers that are still deployed."""
    return judge(
        workspace,
        with_last_updates(workspace, snapshot, _present_layers(workspace, snapshot)),
        locks=stack_locks(workspace),
        holder=EnvironmentLock(workspace).holder(),
        unfinished_run=unfinished(workspace.monorepo, workspace.env),
    )


def judge(
    workspace: Workspace,
    snapshot: Snapshot,
    *,
    locks: Mapping[str, AnyLock],
    holder: AnyLock | None,
    unfinished_run: tuple[RunRecord, list[str]] | None,
) -> EnvironmentStatus:
    """Return how the environment is, given the last updates, the engine's locks, the own lock and the journal."""
    stale = stale_layers(workspace, snapshot)
    reader = _LayerReader(workspace, snapshot, locks, unfinished_run, stale)
    layers = [reader.read(layer) for layer in _present_layers(workspace, snapshot)]
    shown = {each.layer: stale[each.layer] for each in layers if each.health is StackHealth.STALE}
    return EnvironmentStatus(workspace.env, layers, holder, unfinished_run, shown)


def _present_layers(workspace: Workspace, snapshot: Snapshot) -> list[str]:
    return [*workspace.monorepo.layers, *workspace.monorepo.removed_layers(snapshot.deployed)]


@dataclass(frozen=True)
class _LayerReader:
    """Judges layers by the state, the engine's locks and the journal together."""

    workspace: Workspace
    snapshot: Snapshot
    locks: Mapping[str, AnyLock]
    unfinished: tuple[RunRecord, list[str]] | None
    stale: Stale

    def read(self, layer: str) -> LayerStatus:
        stack, lock = self.snapshot.stack(layer), self.locks.get(layer)
        health = self._health(stack, lock)
        return LayerStatus(layer, stack, health, lock, self._next_step(stack, health, lock))

    def _health(self, stack: StackSnapshot, lock: AnyLock | None) -> StackHealth:
        if lock:
            return StackHealth.INTERRUPTED if lock.abandoned else StackHealth.RUNNING
        health = health_of(self.workspace, stack, self.stale)
        looks_fine = health in {StackHealth.OK, StackHealth.CHANGED_SINCE, StackHealth.STALE}
        return StackHealth.INTERRUPTED if looks_fine and self._was_killed_in(stack) else health

    def _was_killed_in(self, stack: StackSnapshot) -> bool:
        """Return whether the unfinished run was killed while it worked on the layer, with no update since then."""
        if self.unfinished is None or not self.unfinished[0].was_killed:
            return False
        record = self.unfinished[0].layers.get(stack.name)
        if record is None or record.began is None or record.status is not OperationStatus.RUNNING:
            return False
        if stack.last is None or not stack.last.ended:
            return True
        return datetime.fromisoformat(stack.last.ended) < record.began

    def _next_step(self, stack: StackSnapshot, health: StackHealth, lock: AnyLock | None) -> str | None:
        layer, env = stack.name, self.workspace.env
        if layer not in self.workspace.monorepo.layers:
            return f"{layer} is no longer a layer: ./inv destroy {layer} --env {env}"
        if lock and lock.abandoned:
            return f"{layer} was left locked: ./inv unlock {layer} --env {env}"
        if health not in {StackHealth.FAILED, StackHealth.INTERRUPTED}:
            return None
        if stack.health is health:
            fault, verbs = stack.fault, stack.remedies
        else:  # only the journal shows it
            destroyed = self.unfinished is not None and self.unfinished[0].destroys
            fault, verbs = "last update was killed", ["destroy" if destroyed else "up"]
        commands = " or ".join(f"./inv {verb} {layer} --env {env}" for verb in verbs)
        return f"{layer}: its {fault}: {commands}"


def health_of(workspace: Workspace, stack: StackSnapshot, stale: Collection[str]) -> StackHealth:
    """Return how a stack is, also compared with other stacks, and the sources and the graph of this work tree."""
    monorepo = workspace.monorepo
    if stack.name not in monorepo.layers:
        return StackHealth.REMOVED
    health, last = stack.health, stack.last
    if health is StackHealth.OK and stack.name in stale:
        return StackHealth.STALE
    if health is StackHealth.OK and last and changed_since(monorepo, last, stack.name, workspace.env):
        return StackHealth.CHANGED_SINCE
    return health


def health_by_layer(workspace: Workspace, snapshot: Snapshot) -> dict[str, StackHealth]:
    """Return how every layer is."""
    layers = workspace.monorepo.layers
    snapshot = with_last_updates(workspace, snapshot, layers)
    stale = stale_layers(workspace, snapshot)
    return {layer: health_of(workspace, snapshot.stack(layer), stale) for layer in layers}


def outputs(workspace: Workspace, snapshot: Snapshot) -> dict[str, dict[str, Any]]:
    """Return the outputs of every deployed layer.

    Raises:
        OrchestratorError: nothing is deployed.
    """
    stacks = [snapshot.stack(layer) for layer in workspace.monorepo.layers]
    found = {stack.name: stack.outputs for stack in stacks if stack.is_deployed}
    if not found:
        raise nothing_deployed(workspace.env)
    return found
