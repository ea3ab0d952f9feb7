"""Views on an environment: outputs, status, the doctor's findings."""

import json
import platform
import shlex
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from rich.table import Table
from rich.text import Text

from shared.graph import LAYERS
from tools import localcloud
from tools.engine.install import Engine
from tools.orchestrator.engine.operation import Status
from tools.orchestrator.engine.workspace import LOCAL_HOME, Workspace
from tools.orchestrator.render import palette
from tools.orchestrator.repository.sources import changed_since
from tools.orchestrator.run.journal import RunRecord, Say, unfinished
from tools.orchestrator.state.locks import AnyLock, holder, stack_locks
from tools.orchestrator.state.stacks import LayerState, nothing_deployed, outlived, read_states


def outputs(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The outputs of every deployed layer.

    Raises:
        TxmonError: nothing is deployed.
    """
    states = read_states(workspace, LAYERS)
    found = {layer: state.outputs for layer, state in states.items() if state.is_deployed}
    if not found:
        raise nothing_deployed(workspace)
    return found


def outputs_as_env(found: dict[str, dict[str, Any]]) -> str:
    """The outputs flat, as `.env` lines: upper-case names, lists and maps as JSON."""
    flat = {name.upper(): value for layer in found.values() for name, value in layer.items()}
    flat.pop("CONTRACT_VERSION", None)  # a layer's own, of no use without its layer
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in flat.items()}
    return "\n".join(f"{name}={shlex.quote(text)}" for name, text in sorted(texts.items()))


def outputs_as_table(found: dict[str, dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "output", "value"):
        table.add_column(heading, no_wrap=heading != "value", overflow="fold")
    for layer, values in found.items():
        for name, value in values.items():
            table.add_row(layer, name, value if isinstance(value, str) else json.dumps(value))
    return table


@dataclass(frozen=True)
class EnvironmentStatus:
    """How the layers of an environment are, and who is at work in it."""

    env: str
    states: dict[str, LayerState]
    locks: Mapping[str, AnyLock]
    holder: AnyLock | None
    unfinished: tuple[RunRecord, list[str]] | None

    def condition(self, layer: str) -> str:
        """As `condition_of`; `running` or `interrupted` where a lock or an unfinished run of this clone says so."""
        lock = self.locks.get(layer)
        if lock:
            return "interrupted" if lock.abandoned else "running"
        condition = condition_of(self.states[layer], self.env)
        return "interrupted" if condition in {"ok", "changed since"} and self._was_killed_in(layer) else condition

    def _was_killed_in(self, layer: str) -> bool:
        """Whether the unfinished run was killed while it worked on the layer, and nobody has updated it since."""
        if self.unfinished is None or not self.unfinished[0].was_killed:
            return False
        record, last = self.unfinished[0].layers.get(layer), self.states[layer].last
        if record is None or record.began is None or record.status is not Status.RUNNING:
            return False
        return last is None or datetime.fromisoformat(last.ended) < record.began

    def as_table(self) -> Table:
        """A row a layer: condition, when, resources, lock."""
        table = Table(box=None, pad_edge=False)
        for heading in ("layer", "status", "last update", "resources", "lock"):
            table.add_column(heading)
        for layer, state in self.states.items():
            condition = self.condition(layer)
            table.add_row(
                layer,
                Text(condition, palette.terminal_style(condition)),
                f"{state.last.kind} {state.last.ended}" if state.last else "",
                str(state.size),
                str(self.locks.get(layer, "")),
            )
        return table

    def what_next(self) -> list[str]:
        """What is not as it should be, each with the command that goes on from there."""
        lines = [line for layer in self.states for line in self._next(layer)]
        if self.holder:
            gone = "; the next run takes its lock over" if self.holder.abandoned else ""
            lines.append(f"{self.env} is being changed by {self.holder}{gone}")
        if self.unfinished and (self.unfinished[0].ended or self.unfinished[0].was_killed):
            run, left = self.unfinished
            lines.append(f"{run} {run.outcome} and left {', '.join(left)}: ./inv resume --env {self.env}")
        return lines

    def _next(self, layer: str) -> Iterator[str]:
        state, lock, condition = self.states[layer], self.locks.get(layer), self.condition(layer)
        if layer not in LAYERS:
            yield f"{layer} is no layer any more: ./inv destroy {layer} --env {self.env}"
        elif lock and lock.abandoned:
            yield f"{layer} was left locked: ./inv unlock {layer} --env {self.env}"
        elif condition in {"failed", "interrupted"}:
            if state.condition == condition:
                fault, verbs = state.fault, state.mended_by
            else:  # only the journal knows
                destroyed = self.unfinished is not None and self.unfinished[0].destroys
                fault, verbs = "last update was killed", ["destroy" if destroyed else "up"]
            commands = " or ".join(f"./inv {verb} {layer} --env {self.env}" for verb in verbs)
            yield f"{layer}: its {fault}: {commands}"


def status(workspace: Workspace, say: Say) -> EnvironmentStatus:
    """How the environment is, layers that are no more but still deployed included."""
    return EnvironmentStatus(
        workspace.env,
        read_states(workspace, [*LAYERS, *outlived(workspace)]),
        stack_locks(workspace),
        holder(workspace),
        unfinished(workspace.env, say),
    )


def conditions(workspace: Workspace) -> dict[str, str]:
    """The condition of every layer."""
    return {layer: condition_of(state, workspace.env) for layer, state in read_states(workspace, LAYERS).items()}


def condition_of(state: LayerState, env: str) -> str:
    """`never`, `destroyed`, `ok`, `changed since`, `failed` or `interrupted`; `removed` if it is no layer now."""
    if state.layer not in LAYERS:
        return "removed"
    if state.condition == "ok" and state.last and changed_since(state.last, state.layer, env):
        return "changed since"
    return state.condition


def doctor_table(engine: Engine) -> Table:
    """What is here: Python, engine, packages, local cloud."""
    cloud = localcloud.status(LOCAL_HOME)
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_row("python", platform.python_version())
    table.add_row("engine", f"{engine.version} {engine.origin} ({engine.folder})")
    for package in ("pulumi", "pulumi-aws", "ministack"):
        table.add_row(package, version(package))
    table.add_row("go", shutil.which("go") or "not on PATH (only needed to build the engine)")
    running = f"at {cloud.endpoint} since {cloud.started} (process {cloud.pid})" if cloud else "not running"
    table.add_row("local cloud", running)
    provider = localcloud.chosen_provider(LOCAL_HOME)
    table.add_row("its provider", f"{provider}: {localcloud.PROVIDERS[provider]}")
    return table


def gaps_table() -> Table:
    """What the local cloud's emulator loses or lacks, and what is done about it."""
    table = Table(box=None, pad_edge=False, title="what the local cloud does not really do", title_justify="left")
    for heading in ("resource: property", "reason"):
        table.add_column(heading, overflow="fold")
    for gap in localcloud.gaps():
        table.add_row(gap.subject, gap.reason)
    return table
