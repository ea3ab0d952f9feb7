"""The progress of a run: lines with the layer in front and, on a terminal, a live table below them."""

import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tools.orchestrator.model.operation import Operation, OperationStatus
from tools.orchestrator.render import palette
from tools.orchestrator.render.table import Cell, table
from tools.orchestrator.run.scheduler import OnProgress, Run


@contextmanager
def following(run: Run, console: Console) -> Iterator[OnProgress]:
    """Show the progress of `run` and yield the callback that receives it. Only the lines remain afterwards."""
    width = max(len(layer) for layer in run.operations)
    lock = threading.Lock()

    def on_progress(operation: Operation, line: str) -> None:
        text = line or _result(operation)
        with lock:
            console.print(f"[{operation.layer:{width}}] {text}", soft_wrap=True)

    def progress() -> Table:
        return progress_table(run.operations.values(), current=True)

    is_live = console.is_terminal and "CI" not in os.environ
    # With a first table, it is drawn before anything else is printed, and so never twice.
    live = Live(progress(), get_renderable=progress, console=console, refresh_per_second=8, transient=True)
    with live if is_live else nullcontext():
        yield on_progress


def progress_table(operations: Iterable[Operation], *, current: bool = False) -> Table:
    """Return a row for each layer with status, time and changes; with `current`, also the resource under way."""
    rows = (_row(operation, current=current) for operation in operations)
    # The last column may wrap, though its text does not: a narrow terminal cuts this column first.
    return table("layer", "status", "time", "changes", "", rows=rows, fold=[""])


def _row(operation: Operation, *, current: bool) -> tuple[Cell, ...]:
    status = Text(operation.status, palette.terminal_style(operation.status))
    seconds = f"{operation.seconds:.1f} s" if operation.began else ""
    detail = Text(operation.current if current else "", no_wrap=True, overflow="ellipsis")
    return operation.layer, status, seconds, changes(operation), detail


def summarize(run: Run, console: Console) -> None:
    """Print the final table, and the whole reason of each layer that did not succeed."""
    console.print(progress_table(run.operations.values()))
    for operation in run.operations.values():
        if operation.reason:
            line = f"{operation.layer} {operation.status}: {operation.reason}"
            console.print(line, style=palette.terminal_style(operation.status), soft_wrap=True)


def changes(operation: Operation) -> str:
    """Return `12 create, 1 update` or `no changes`; an empty string before the layer begins."""
    if operation.status in {OperationStatus.WAITING, OperationStatus.SKIPPED}:
        return ""
    counted = [f"{number} {op}" for op, number in operation.changes.items()]
    if operation.status is OperationStatus.RUNNING:
        return f"{operation.finished_steps} resources"
    return ", ".join(counted) or "no changes"


def _result(operation: Operation) -> str:
    if operation.status is OperationStatus.SUCCEEDED:
        return f"succeeded in {operation.seconds:.1f} s: {changes(operation)}"
    return f"{operation.status}: {operation.reason}"
