"""Times deploy-all, a deploy-all without changes and destroy-all beside the same stacks one after the other.

The plain loop is `pulumi up --yes --skip-preview` (and `pulumi destroy --yes --skip-preview`) for each layer in the
graph's order, under the variables of `./inv local-env`. Both work on the same local cloud, in turn, in one run; each
figure is the median of ROUNDS rounds.
"""

import re
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from shared.deploy.workspace import ROOT, Workspace, open_workspace
from shared.layers import LAYERS, deploy_order

ROUNDS = 3


@dataclass
class Figure:
    """Wall times of one thing done both ways, in seconds."""

    name: str
    target: float
    """The greatest ratio, ours to the plain loop, that is good enough."""
    ours: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.plain)


def main() -> None:
    console = Console()
    workspace = open_workspace("local", console.print)
    workspace.make_stacks(workspace.missing_stacks())
    first = Figure("deploy-all", 0.7)
    again = Figure("deploy-all, no changes", 0.7)
    destroy = Figure("destroy-all (previews included)", 0.8)
    shares: list[float] = []
    inv("destroy-all")
    for _ in range(ROUNDS):
        wall, printed = timed(lambda: inv("deploy-all"))
        first.ours.append(wall)
        shares.append(overhead(printed, wall))
        again.ours.append(timed(lambda: inv("deploy-all"))[0])
        destroy.ours.append(timed(lambda: inv("destroy-all"))[0])
        first.plain.append(timed(lambda: _plain_loop(workspace, "up", deploy_order()))[0])
        again.plain.append(timed(lambda: _plain_loop(workspace, "up", deploy_order()))[0])
        destroy.plain.append(timed(lambda: _plain_loop(workspace, "destroy", deploy_order()[::-1]))[0])
    console.print(_table((first, again, destroy)))
    console.print(f"runner's own overhead (wall minus critical path): {statistics.median(shares):.1%}, target 10 %")


def timed(work: Callable[[], str]) -> tuple[float, str]:
    """Wall seconds that `work` takes, and what it printed."""
    began = time.monotonic()
    printed = work()
    return time.monotonic() - began, printed


def inv(verb: str) -> str:
    """Run a verb as a person would; gives what it printed."""
    return subprocess.run([ROOT / "inv", verb], check=True, capture_output=True, text=True).stdout


def _plain_loop(workspace: Workspace, action: str, layers: list[str]) -> str:
    printed = ""
    for layer in layers:
        printed += subprocess.run(
            workspace.command(layer, action, "--yes", "--skip-preview"),
            env=workspace.process_environment(),
            check=True,
            capture_output=True,
            text=True,
        ).stdout
    return printed


def overhead(printed: str, wall: float) -> float:
    """Share of a run's wall time that no layer on its critical path accounts for; `printed` is what the run said."""
    seconds = {
        layer: float(took)
        for layer, took in re.findall(r"^\[(\w+) *\] succeeded in ([\d.]+) s", printed, re.MULTILINE)
    }
    finished: dict[str, float] = {}
    for layer in deploy_order():
        finished[layer] = seconds[layer] + max((finished[need] for need in LAYERS[layer].reads), default=0.0)
    return (wall - max(finished.values())) / wall


def _table(figures: tuple[Figure, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("", "./inv, s", "plain loop, s", "ratio", "target"):
        table.add_column(heading, justify="left" if not heading else "right")
    for figure in figures:
        ours, plain = statistics.median(figure.ours), statistics.median(figure.plain)
        table.add_row(figure.name, f"{ours:.1f}", f"{plain:.1f}", f"{figure.ratio:.2f}", f"{figure.target:.2f}")
    return table


if __name__ == "__main__":
    main()
