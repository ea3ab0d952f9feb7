"""What a terminal shows after the layers have run."""

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.model.operation import Action, OperationStatus
from tools.orchestrator.render import live
from tools.orchestrator.run.scheduler import Run

WARNING = "warning: " + "half of what a day brings fits; " * 5
"""Longer than a line of the terminal."""


class Screen:
    """The lines of an endless terminal; understands how rich moves the cursor and erases lines."""

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
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.delenv("CI", raising=False)
    workspace = make_workspace(make_monorepo(tmp_path, {"network": (), "data": ()}))
    return Run(workspace, Action.UP, {"network": (), "data": ()}, tmp_path)


def work(run: Run, console: Console) -> None:
    """Run both layers, of which the first one ends."""
    with live.following(run, console) as on_progress:
        for operation in run.operations.values():
            operation.status = OperationStatus.RUNNING
            on_progress(operation, f"pulumi up --cwd projects/{operation.layer}")
        on_progress(run.operations["data"], WARNING)
        for resource in range(30):
            on_progress(run.operations["network"], f"created {resource}")
        run.operations["network"].end(OperationStatus.SUCCEEDED, "")
        on_progress(run.operations["network"], "")


def test_a_terminal_keeps_every_line_but_not_the_live_table(run: Run) -> None:
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
def test_only_lines_are_printed_in_ci_and_without_a_terminal(
    run: Run, ci: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if ci:
        monkeypatch.setenv("CI", "true")
    printed = io.StringIO()
    work(run, Console(file=printed, force_terminal=ci, width=120, markup=False, highlight=False))
    assert printed.getvalue().count("\n") == 34
    assert "\x1b" not in printed.getvalue()


@pytest.mark.parametrize("width", [50, 100])
def test_a_narrow_terminal_cuts_only_the_current_resource(run: Run, width: int) -> None:
    for operation in run.operations.values():
        operation.status = OperationStatus.RUNNING
        operation.running["urn", "create"] = f"aws:cloudwatch/metricAlarm:MetricAlarm {'a' * 80}"
    console = Console(width=width)
    with console.capture() as captured:
        console.print(live.progress_table(run.operations.values(), current=True))
    _, *rows = captured.get().splitlines()
    assert [row.split()[:4] for row in rows] == [[layer, "running", "0", "resources"] for layer in run.operations]
    assert all(row.rstrip().endswith("…") and len(row) <= width for row in rows)
