"""Times deploy-all, a deploy-all without changes and destroy-all beside the same stacks one after the other.

The plain loop is `pulumi up --yes --skip-preview` (and `pulumi destroy --yes --skip-preview`) for each layer in the
graph's order, under the variables of `./inv local-env`. Both work on the same local cloud, in turn, in one run; each
figure is the median of ROUNDS rounds.
"""

import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from benchmarks.schedule import ideal_seconds, seconds_of_last_run
from shared.graph import LAYERS, deploy_order
from tools.orchestrator.engine.workspace import ROOT, Workspace, open_workspace

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
        first.ours.append(timed(lambda: inv("deploy-all")))
        shares.append(overhead(first.ours[-1]))
        again.ours.append(timed(lambda: inv("deploy-all")))
        destroy.ours.append(timed(lambda: inv("destroy-all")))
        first.plain.append(timed(lambda: _plain_loop(workspace, "up", deploy_order())))
        again.plain.append(timed(lambda: _plain_loop(workspace, "up", deploy_order())))
        destroy.plain.append(timed(lambda: _plain_loop(workspace, "destroy", deploy_order()[::-1])))
    console.print(_table((first, again, destroy)))
    console.print(f"runner's own overhead (wall minus critical path): {statistics.median(shares):.1%}, target 10 %")


def timed(work: Callable[[], None]) -> float:
    """Wall seconds that `work` takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def inv(verb: str) -> None:
    """Run a verb as a person would."""
    subprocess.run([ROOT / "inv", verb], check=True, capture_output=True)


def _plain_loop(workspace: Workspace, action: str, layers: list[str]) -> None:
    for layer in layers:
        subprocess.run(
            workspace.command(layer, action, "--yes", "--skip-preview"),
            env=workspace.process_environment(),
            check=True,
            capture_output=True,
        )


def overhead(wall: float) -> float:
    """Share of the last run's wall time that no layer on its critical path accounts for."""
    reads = {layer: info.reads for layer, info in LAYERS.items()}
    return 1 - ideal_seconds(reads, seconds_of_last_run(ROOT), parallel=len(LAYERS)) / wall


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
