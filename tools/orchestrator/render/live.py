"""What a person sees while layers run: prefixed lines, and under them, on a terminal, a live table."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tools.orchestrator.engine.operation import Operation, Status
from tools.orchestrator.render import palette
from tools.orchestrator.run.scheduler import Run, Tell


@contextmanager
def following(run: Run, console: Console) -> Iterator[Tell]:
    """Show `run` while it is executed; gives what the runner tells. The lines remain, the live table does not."""
    width = max(len(layer) for layer in run.operations)
    lock = threading.Lock()

    def tell(operation: Operation, line: str) -> None:
        text = line or _result(operation)
        with lock:
            console.print(f"[{operation.layer:{width}}] {text}", soft_wrap=True)

    def table() -> Table:
        return progress_table(run.operations.values(), current=True)

    is_live = console.is_terminal and "CI" not in os.environ
    # Given a first table too, it is drawn before anything else is printed, and so never drawn beside itself.
    live = Live(table(), get_renderable=table, console=console, refresh_per_second=8, transient=True)
    with live if is_live else nullcontext():
        yield tell


def progress_table(operations: Iterable[Operation], *, current: bool = False) -> Table:
    """A row a layer: status, time, changes and, if asked for, what is worked on."""
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "status", "time", "changes"):
        table.add_column(heading, no_wrap=True)
    table.add_column()  # may wrap, and never does: the one that is cut where the terminal is too narrow for all
    for operation in operations:
        status = Text(operation.status, palette.terminal_style(operation.status))
        seconds = f"{operation.seconds:.1f} s" if operation.began else ""
        detail = Text(operation.current if current else "", no_wrap=True, overflow="ellipsis")
        table.add_row(operation.layer, status, seconds, changes(operation), detail)
    return table


def summarize(run: Run, console: Console) -> None:
    """The table once more when all is over, and the reason of whatever did not end well, in full."""
    console.print(progress_table(run.operations.values()))
    for operation in run.operations.values():
        if operation.reason:
            line = f"{operation.layer} {operation.status}: {operation.reason}"
            console.print(line, style=palette.terminal_style(operation.status), soft_wrap=True)


def changes(operation: Operation) -> str:
    """`12 create, 1 update`; `no changes`; nothing while it is not known."""
    if operation.status in {Status.WAITING, Status.SKIPPED}:
        return ""
    counted = [f"{number} {op}" for op, number in operation.changed.items()]
    if operation.status is Status.RUNNING:
        return f"{operation.done} resources"
    return ", ".join(counted) or "no changes"


def _result(operation: Operation) -> str:
    if operation.status is Status.SUCCEEDED:
        return f"succeeded in {operation.seconds:.1f} s: {changes(operation)}"
    return f"{operation.status}: {operation.reason}"
