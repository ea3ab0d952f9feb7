"""Runs one action over many layers: each as soon as those it waits for have ended well, side by side."""

import json
import signal
import socket
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from pathlib import Path

from shared.errors import TxmonError
from shared.graph import PLANNED_OUTPUTS
from tools.orchestrator.engine import errors, policy_host, program_host, stack_file_guard
from tools.orchestrator.engine.operation import Action, Operation, Status
from tools.orchestrator.engine.workspace import Workspace, current_user
from tools.orchestrator.repository.sources import sources_digest
from tools.orchestrator.run.plan import Plan
from tools.orchestrator.state.locks import free_own

Tell = Callable[[Operation, str], None]
"""Hears what happens: the operation and a line about it; an empty line says that its status changed."""


@dataclass
class Run:
    """An action over a graph of layers, live while it runs and the result afterwards."""

    workspace: Workspace
    action: Action
    waits_for: Mapping[str, Collection[str]]
    """Layer -> the layers that have to end well first; layers outside the mapping are not waited for."""
    folder: Path
    """Where the engine's events are kept, a file a layer."""
    approved: Plan | None = None
    """What it must hold to: a layer that would lose more stops before it begins."""
    missing: Collection[str] = ()
    """Layers that have no stack yet: theirs is made when their turn comes."""
    operations: dict[str, Operation] = field(init=False)
    looks: dict[str, Operation] = field(init=False)
    """The previews of layers that are to hold to the plan."""
    given_keys: list[str] = field(default_factory=list)
    """Layers into whose stack files the engine has written how their secrets are encrypted, to stay."""
    interruptions: int = 0
    """How often it was asked to end: once cleanly, twice at once."""

    def __post_init__(self) -> None:
        order = list(self._sorter().static_order())
        self.operations = {layer: Operation(layer, self.action) for layer in order}
        self.looks = {layer: Operation(layer, Action.PREVIEW) for layer in order}

    def _sorter(self) -> TopologicalSorter[str]:
        return TopologicalSorter({layer: self._needs(layer) for layer in self.waits_for})

    def _needs(self, layer: str) -> list[str]:
        """What it waits for, in the order of the mapping: tables and reasons are the same in every run."""
        return [need for need in self.waits_for if need in self.waits_for[layer]]

    @property
    def ok(self) -> bool:
        return all(operation.status is Status.SUCCEEDED for operation in self.operations.values())

    @property
    def result(self) -> str:
        """`succeeded`, `failed`, `interrupted` or `forced`, as the journal says it."""
        if self.interruptions:
            return "forced" if self.interruptions > 1 else "interrupted"
        return "succeeded" if self.ok else "failed"

    @property
    def exit_code(self) -> int:
        """0 done, 1 a layer failed or was skipped, 130 interrupted."""
        if self.interruptions:
            return 130
        return 0 if self.ok else 1

    def execute(self, tell: Tell, parallel: int) -> None:
        """Run every layer, `parallel` at a time. A failed layer stops only those that wait for it."""
        sorter = self._sorter()
        sorter.prepare()
        running: dict[Future[None], str] = {}
        with self._interruptible(), ThreadPoolExecutor(max_workers=parallel) as pool:
            program_host.warm(layers=self.action.is_judged and len(self.operations) > 1)
            if self.action.is_judged:
                policy_host.start()
            while sorter.is_active():
                for layer in sorter.get_ready():
                    if self._may_run(layer, tell):
                        running[pool.submit(self._run, self.operations[layer], tell)] = layer
                    else:
                        sorter.done(layer)
                for layer in self._ended(running):
                    sorter.done(layer)

    def _ended(self, running: dict[Future[None], str]) -> list[str]:
        """The layers that have ended; waits for at least one."""
        if not running:
            return []
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            future.result()
        return [running.pop(future) for future in ended]

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """Pass Ctrl-C and SIGTERM on to what runs, instead of falling over."""
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, lambda *_: self.interrupt()) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def interrupt(self) -> None:
        """Start nothing more and ask what runs to end cleanly; a second call stops it at once."""
        self.interruptions += 1
        for operation in (*self.operations.values(), *self.looks.values()):
            operation.interrupt()

    def _may_run(self, layer: str, tell: Tell) -> bool:
        operation = self.operations[layer]
        blockers = [need for need in self._needs(layer) if self.operations[need].status is not Status.SUCCEEDED]
        if blockers:
            self._skip(operation, f"waits for {', '.join(blockers)}", tell)
        return not blockers

    def _skip(self, operation: Operation, reason: str, tell: Tell) -> None:
        operation.end(Status.SKIPPED, reason)
        tell(operation, "")

    def _run(self, operation: Operation, tell: Tell) -> None:
        with stack_file_guard.kept(operation.layer, self.workspace.env, lambda: self._needs_key(operation)):
            self._go(operation, tell)

    def _needs_key(self, operation: Operation) -> bool:
        if operation.made:
            self.given_keys.append(operation.layer)
        return operation.made

    def _go(self, operation: Operation, tell: Tell) -> None:
        try:
            for part in (self._prepare, self._attempt):
                if self.interruptions:
                    self._skip(operation, "interrupted before it began", tell)
                    return
                part(operation, lambda line: tell(operation, line))
        except TxmonError as error:
            operation.end(Status.FAILED, str(error))
        except OSError as error:
            operation.end(Status.FAILED, errors.of_system(error))
        tell(operation, "")

    def _prepare(self, operation: Operation, tell: Callable[[str], None]) -> None:
        if operation.layer in self.missing:
            operation.make_stack(self.workspace, tell)
        elif self.approved:
            self._hold_to(self.approved, operation.layer, tell)

    def _hold_to(self, approved: Plan, layer: str, tell: Callable[[str], None]) -> None:
        """Look again: settings, programs, the state and what other layers export may not be those of the plan."""
        look = self.looks[layer]
        look.run(self.workspace, "", self.folder / f"{layer}-{look.action}.jsonl", tell)
        refusal = look.reason if look.status is Status.FAILED else approved.surprise(look)
        if refusal:
            raise TxmonError(refusal)

    def _attempt(self, operation: Operation, tell: Callable[[str], None]) -> None:
        operation.run(
            self.workspace,
            self._message(operation.layer),
            self.folder / f"{operation.layer}-{operation.action}.jsonl",
            tell,
            self._planned(operation.layer),
        )
        if operation.unheard:
            free_own(self.workspace, operation.layer, operation.unheard)

    def _planned(self, layer: str) -> dict[str, str]:
        """For a preview: what the layers before it are planned to export."""
        if self.action is not Action.PREVIEW:
            return {}
        upstream = {need: self.operations[need].outputs for need in self._needs(layer)}
        return {PLANNED_OUTPUTS: json.dumps(upstream)}

    def _message(self, layer: str) -> str:
        """What the stack's history says of this update; `./inv status` finds the sources in it."""
        done = f"txmon {self.action} by {current_user()}@{socket.gethostname()}"
        return f"{done}, sources {sources_digest(layer, self.workspace.env)}" if self.action.is_judged else done
