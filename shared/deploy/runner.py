"""Runs one action over many layers: each as soon as those it waits for have ended well, side by side."""

import getpass
import signal
import socket
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter

from shared.deploy.operation import Action, Operation, Status
from shared.deploy.sources import sources_digest
from shared.deploy.workspace import Workspace
from shared.errors import TxmonError

Tell = Callable[[Operation, str], None]
"""Hears what happens: the operation and a line about it; an empty line says that its status changed."""


@dataclass
class Run:
    """An action over a graph of layers, live while it runs and the result afterwards."""

    workspace: Workspace
    action: Action
    waits_for: Mapping[str, Iterable[str]]
    """Layer -> the layers that have to end well first; layers outside the mapping are not waited for."""
    operations: dict[str, Operation] = field(init=False)
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.operations = {layer: Operation(layer, self.action) for layer in self._sorter().static_order()}

    def _sorter(self) -> TopologicalSorter[str]:
        chosen = set(self.waits_for)
        return TopologicalSorter({layer: chosen & set(needs) for layer, needs in self.waits_for.items()})

    @property
    def ok(self) -> bool:
        return all(operation.status is Status.SUCCEEDED for operation in self.operations.values())

    @property
    def exit_code(self) -> int:
        """0 done, 1 a layer failed or was skipped, 130 interrupted."""
        if self.interrupted:
            return 130
        return 0 if self.ok else 1

    def execute(self, tell: Tell, parallel: int) -> None:
        """Run every layer, `parallel` at a time. A failed layer stops only those that wait for it."""
        sorter = self._sorter()
        sorter.prepare()
        running: dict[Future[None], str] = {}
        with self._interruptible(), ThreadPoolExecutor(max_workers=parallel) as pool:
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
        self.interrupted = True
        for operation in self.operations.values():
            operation.interrupt()

    def _may_run(self, layer: str, tell: Tell) -> bool:
        operation = self.operations[layer]
        blockers = [
            need
            for need in self.waits_for[layer]
            if need in self.operations and self.operations[need].status is not Status.SUCCEEDED
        ]
        if blockers:
            self._skip(operation, f"waits for {', '.join(blockers)}", tell)
        return not blockers

    def _skip(self, operation: Operation, reason: str, tell: Tell) -> None:
        operation.status, operation.reason = Status.SKIPPED, reason
        tell(operation, "")

    def _run(self, operation: Operation, tell: Tell) -> None:
        if self.interrupted:
            self._skip(operation, "interrupted before it began", tell)
            return
        try:
            operation.run(self.workspace, self._message(operation.layer), lambda line: tell(operation, line))
        except TxmonError as error:
            operation.status, operation.reason = Status.FAILED, str(error)
        tell(operation, "")

    def _message(self, layer: str) -> str:
        """What the stack's history says of this update; `./inv status` finds the sources in it."""
        digest = sources_digest(layer, self.workspace.env)
        return f"txmon {self.action} by {getpass.getuser()}@{socket.gethostname()}, sources {digest}"
