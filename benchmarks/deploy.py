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
from tools.orchestrator.cli.commands import open_environment
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.render.table import table
from tools.orchestrator.run.journal import runs_folder
from tools.orchestrator.state.checkpoints import read_snapshot
from tools.txmon.monorepo import MONOREPO

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
    workspace = open_environment(MONOREPO, MONOREPO.environment("local"))
    workspace.create_stacks(read_snapshot(workspace).without_stack(MONOREPO.layers))
    order = MONOREPO.deploy_order
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
        first.plain.append(timed(lambda: _plain_loop(workspace, "up", order)))
        again.plain.append(timed(lambda: _plain_loop(workspace, "up", order)))
        destroy.plain.append(timed(lambda: _plain_loop(workspace, "destroy", order[::-1])))
    console.print(_table((first, again, destroy)))
    console.print(f"runner's own overhead (wall minus critical path): {statistics.median(shares):.1%}, target 10 %")


def timed(work: Callable[[], None]) -> float:
    """Return the wall seconds that `work` takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def inv(verb: str) -> None:
    """Run a verb as a person would."""
    subprocess.run([MONOREPO.root / "inv", verb], check=True, stdout=subprocess.DEVNULL)


def _plain_loop(workspace: Workspace, action: str, layers: list[str]) -> None:
    for layer in layers:
        subprocess.run(
            workspace.command(layer, action, "--yes", "--skip-preview"),
            env=workspace.process_environment(),
            check=True,
            stdout=subprocess.DEVNULL,
        )


def overhead(wall: float) -> float:
    """Return the share of the last run's wall time that no layer on its critical path accounts for."""
    reads = {name: layer.reads for name, layer in MONOREPO.layers.items()}
    seconds = seconds_of_last_run(runs_folder(MONOREPO))
    return 1 - ideal_seconds(reads, seconds, parallel=len(reads)) / wall


def _table(figures: tuple[Figure, ...]) -> Table:
    headings = ("", "./inv, s", "plain loop, s", "ratio", "target")
    return table(*headings, rows=map(_row, figures), right=headings[1:])


def _row(figure: Figure) -> tuple[str, ...]:
    ours, plain = statistics.median(figure.ours), statistics.median(figure.plain)
    return figure.name, f"{ours:.1f}", f"{plain:.1f}", f"{figure.ratio:.2f}", f"{figure.target:.2f}"


if __name__ == "__main__":
    main()
