"""Runs one action over many layers: each as soon as the layers that it waits for have succeeded, side by side."""

import json
import signal
import socket
import subprocess
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from tools.orchestrator.engine import children, policy_host, program_host
from tools.orchestrator.engine.process import OperationProcess
from tools.orchestrator.engine.workspace import Workspace, current_user
from tools.orchestrator.model.errors import OrchestratorError, explain_os_error, explain_timeout
from tools.orchestrator.model.operation import Action, Operation, OperationStatus
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.repository.sources import sources_digest
from tools.orchestrator.state.locks import free_own

OnProgress = Callable[[Operation, str], None]
"""Receives an operation and a line about it; an empty line means that its status has changed."""


@dataclass
class Run:
    """An action over a graph of layers: live while it runs, then the result."""

    workspace: Workspace
    action: Action
    waits_for: Mapping[str, Collection[str]]
    """Layer -> the layers that have to succeed first. It does not wait for layers outside of the mapping."""
    folder: Path
    """The folder for the engine's events, one file for each layer."""
    approved: Plan | None = None
    """The approved plan. A layer that would lose something else stops before it begins."""
    missing: Collection[str] = ()
    """Layers without a stack; it is created when their turn comes."""
    operations: dict[str, Operation] = field(init=False)
    interruptions: int = 0
    """The number of requests to end: the first ends the engines cleanly, the second at once."""
    _processes: list[OperationProcess] = field(default_factory=list)

    def __post_init__(self) -> None:
        order = list(self._sorter().static_order())
        self.operations = {layer: Operation(layer, self.action) for layer in order}

    def _sorter(self) -> TopologicalSorter[str]:
        return TopologicalSorter({layer: self._upstreams(layer) for layer in self.waits_for})

    def _upstreams(self, layer: str) -> list[str]:
        """Return what a layer waits for, in the order of the mapping, so that output is the same in every run."""
        return [upstream for upstream in self.waits_for if upstream in self.waits_for[layer]]

    @property
    def ok(self) -> bool:
        return all(operation.status is OperationStatus.SUCCEEDED for operation in self.operations.values())

    @property
    def files_with_added_keys(self) -> list[Path]:
        """The stack files that now say how their secrets are encrypted."""
        monorepo, env = self.workspace.monorepo, self.workspace.env
        return [
            monorepo.stack_file(layer, env) for layer, each in self.operations.items() if each.added_encryption_keys
        ]

    @property
    def result(self) -> str:
        """`succeeded`, `failed`, `interrupted` or `forced`, as the journal records it."""
        if self.interruptions:
            return "forced" if self.interruptions > 1 else "interrupted"
        return "succeeded" if self.ok else "failed"

    @property
    def exit_code(self) -> int:
        """0 if all succeeded, 1 if a layer failed or was skipped, 130 if interrupted."""
        if self.interruptions:
            return 130
        return 0 if self.ok else 1

    def execute(self, on_progress: OnProgress, parallel: int) -> None:
        """Run every layer, `parallel` at a time. A failed layer stops only the layers that wait for it."""
        monorepo = self.workspace.monorepo
        sorter = self._sorter()
        sorter.prepare()
        running: dict[Future[None], str] = {}
        with self._interruptible(), ThreadPoolExecutor(max_workers=parallel) as pool:
            several = self.action.runs_program and len(self.operations) > 1
            program_host.start(monorepo.preload if several else None)
            if self.action.runs_program and monorepo.policy_pack:
                policy_host.start(monorepo.policy_pack)
            while sorter.is_active():
                for layer in sorter.get_ready():
                    if self._may_run(layer, on_progress):
                        running[pool.submit(self._run, self.operations[layer], on_progress)] = layer
                    else:
                        sorter.done(layer)
                for layer in self._ended(running):
                    sorter.done(layer)

    def _ended(self, running: dict[Future[None], str]) -> list[str]:
        """Return the layers that have ended; wait for at least one."""
        if not running:
            return []
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            future.result()
        return [running.pop(future) for future in ended]

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Pass Ctrl-C and SIGTERM on to the running engines."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: self.interrupt()) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def interrupt(self) -> None:
        """Start no more layers and ask the running ones to end cleanly; a second call makes them."""
        self.interruptions += 1
        for process in tuple(self._processes):
            process.interrupt()
        if self.interruptions > 1:
            children.force()

    def _process(self, operation: Operation, on_progress: Callable[[str], None]) -> OperationProcess:
        process = OperationProcess(operation, self.workspace, on_progress)
        self._processes.append(process)
        if self.interruptions:  # while the process was made
            process.interrupt()
        return process

    def _may_run(self, layer: str, on_progress: OnProgress) -> bool:
        blockers = [
            upstream
            for upstream in self._upstreams(layer)
            if self.operations[upstream].status is not OperationStatus.SUCCEEDED
        ]
        if blockers:
            self._skip(self.operations[layer], f"waits for {', '.join(blockers)}", on_progress)
        return not blockers

    def _skip(self, operation: Operation, reason: str, on_progress: OnProgress) -> None:
        operation.end(OperationStatus.SKIPPED, reason)
        on_progress(operation, "")

    def _run(self, operation: Operation, on_progress: OnProgress) -> None:
        try:
            for part in (self._prepare, self._attempt):
                if self.interruptions:
                    self._skip(operation, "interrupted before it began", on_progress)
                    return
                part(operation, lambda line: on_progress(operation, line))
        except OrchestratorError as error:
            operation.end(OperationStatus.FAILED, str(error))
        except OSError as error:
            operation.end(OperationStatus.FAILED, explain_os_error(error))
        except subprocess.TimeoutExpired as error:
            operation.end(OperationStatus.FAILED, explain_timeout(error))
        on_progress(operation, "")

    def _prepare(self, operation: Operation, on_progress: Callable[[str], None]) -> None:
        if operation.layer in self.missing:
            self._process(operation, on_progress).create_stack()
        elif self.approved:
            self._recheck(self.approved, operation.layer, on_progress)

    def _recheck(self, approved: Plan, layer: str, on_progress: Callable[[str], None]) -> None:
        """Preview the layer again: settings, programs, state and upstream outputs may have changed since the plan.

        Raises:
            OrchestratorError: the layer would lose something that the plan does not have.
        """
        preview = Operation(layer, Action.PREVIEW)
        self._process(preview, on_progress).run("", self._events_file(preview))
        failed = preview.status is OperationStatus.FAILED
        refusal = preview.reason if failed else approved.unapproved_changes(preview)
        if refusal:
            raise OrchestratorError(refusal)

    def _attempt(self, operation: Operation, on_progress: Callable[[str], None]) -> None:
        process = self._process(operation, on_progress)
        process.run(
            self._message(operation.layer), self._events_file(operation), self._planned_outputs(operation.layer)
        )
        if process.interrupted_pid:
            free_own(self.workspace, operation.layer, process.interrupted_pid)

    def _events_file(self, operation: Operation) -> Path:
        return self.folder / f"{operation.layer}-{operation.action}.jsonl"

    def _planned_outputs(self, layer: str) -> dict[str, str]:
        """Return the variable in which a preview's program finds the planned outputs of the layers that it reads."""
        if self.action is not Action.PREVIEW:
            return {}
        upstream = {name: self.operations[name].outputs for name in self._upstreams(layer)}
        return {self.workspace.monorepo.variable("PLANNED_OUTPUTS"): json.dumps(upstream)}

    def _message(self, layer: str) -> str:
        """Return the update's message in the stack's history; `./inv status` compares the sources in it."""
        monorepo = self.workspace.monorepo
        message = f"{monorepo.product} {self.action} by {current_user()}@{socket.gethostname()}"
        if not self.action.runs_program:
            return message
        return f"{message}, sources {sources_digest(monorepo, layer, self.workspace.env)}"
