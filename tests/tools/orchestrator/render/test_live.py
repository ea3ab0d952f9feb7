"""What stands on a terminal once the layers have run."""

import io
import re

import pytest
from rich.console import Console
from tools.orchestrator.engine.operation import Action, Status

from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.render import live
from tools.orchestrator.run.scheduler import Run

WARNING = "warning: " + "half of what a day brings fits; " * 5
"""Longer than a line of the terminal."""


class Screen:
    """A terminal's lines, as many as are printed: knows what rich moves the cursor and erases with."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0

    def take(self, printed: str) -> None:
        for piece in re.findall(r"\x1b\[[?\d;]*[a-zA-Z]|[\r\n]|[^\x1b\r\n]+", printed):
            if piece == "\n":
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif up := re.fullmatch(r"\x1b\[(\d+)A", piece):
                self.row -= int(up[1])
            elif piece == "\x1b[2K":
                self.lines[self.row] = ""
            elif not piece.startswith(("\x1b", "\r")):
                self.lines[self.row] += piece


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path) -> Run:
    monkeypatch.delenv("CI", raising=False)
    return Run(Workspace(None, None, {}), Action.UP, {"network": (), "data": ()}, tmp_path)


def work(run: Run, console: Console) -> None:
    """Both layers run and the first one is done."""
    with live.following(run, console) as tell:
        for operation in run.operations.values():
            operation.status = Status.RUNNING
            tell(operation, f"pulumi up --cwd projects/{operation.layer}")
        tell(run.operations["data"], WARNING)
        for resource in range(30):
            tell(run.operations["network"], f"created {resource}")
        run.operations["network"].end(Status.SUCCEEDED, "")
        tell(run.operations["network"], "")


def test_a_terminal_keeps_every_line_and_no_live_table(run: Run) -> None:
    screen, printed = Screen(), io.StringIO()
    work(run, Console(file=printed, force_terminal=True, width=120, markup=False, highlight=False))
    assert "running" in printed.getvalue()
    screen.take(printed.getvalue())
    shown = [line for line in screen.lines if line]
    assert shown == [
        "[network] pulumi up --cwd projects/network",
        "[data   ] pulumi up --cwd projects/data",
        f"[data   ] {WARNING}",
        *(f"[network] created {resource}" for resource in range(30)),
        "[network] succeeded in 0.0 s: no changes",
    ]


@pytest.mark.parametrize("ci", [False, True])
def test_anywhere_else_there_are_only_the_lines(run: Run, ci: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if ci:
        monkeypatch.setenv("CI", "true")
    printed = io.StringIO()
    work(run, Console(file=printed, force_terminal=ci, width=120, markup=False, highlight=False))
    assert printed.getvalue().count("\n") == 34
    assert "\x1b" not in printed.getvalue()


@pytest.mark.parametrize("width", [50, 100])
def test_on_a_narrow_terminal_only_what_is_worked_on_is_cut(run: Run, width: int) -> None:
    for operation in run.operations.values():
        operation.status, operation.current = Status.RUNNING, f"aws:cloudwatch/metricAlarm:MetricAlarm {'a' * 80}"
    console = Console(width=width)
    with console.capture() as captured:
        console.print(live.progress_table(run.operations.values(), current=True))
    _, *rows = captured.get().splitlines()
    assert [row.split()[:4] for row in rows] == [[layer, "running", "0", "resources"] for layer in run.operations]
    assert all(row.rstrip().endswith("…") and len(row) <= width for row in rows)
