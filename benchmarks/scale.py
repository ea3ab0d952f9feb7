"""Times the runner on generated monorepos of 5, 20 and 60 small layers, and watches its memory.

Beside each wall time stands the ideal one: what a scheduler without any cost of its own, bound to as many layers at a
time, would need for the seconds that the layers took by the run's own journal. The rest is the runner's overhead.
A preview has no journal, so planning has a wall time only.
"""

import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.monorepo import Monorepo, finish, generated
from benchmarks.schedule import ideal_seconds, seconds_of_last_run

COUNTS = (5, 20, 60)
PARALLEL = 4
"""Layers at a time; what the verbs do unless told otherwise."""
SAMPLE_SECONDS = 0.1
"""Between two looks at the memory."""
MIB = 1024 * 1024


@dataclass
class Peaks:
    """The most memory that was seen resident, in bytes."""

    runner: int = 0
    tree: int = 0
    """Of the runner and all that it started, engines and programs; pages that processes share count for each."""


@dataclass(frozen=True)
class Figure:
    """One run of a verb."""

    layers: int
    name: str
    wall: float
    """Seconds."""
    ideal: float | None
    """Seconds; None where the run has no journal."""
    peaks: Peaks

    @property
    def overhead(self) -> float | None:
        """Share of the wall time that the layers do not account for."""
        return None if self.ideal is None else (self.wall - self.ideal) / self.wall


def main() -> None:
    console = Console()
    try:
        console.print(_table([figure for count in COUNTS for figure in _measure(count)]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{error.output}\n{error}")


def _measure(count: int) -> Iterator[Figure]:
    with generated(count) as monorepo:
        reads = {layer: info.reads for layer, info in monorepo.layers.items()}
        readers = {layer: {reader for reader in reads if layer in reads[reader]} for layer in reads}
        # The first run makes the virtualenv, compiles every module and starts the cloud: once in a clone's life.
        monorepo.inv("preview-all", "--only", next(iter(reads)))
        yield _figure(monorepo, "preview-all", "preview-all", None)
        yield _figure(monorepo, "deploy-all", "deploy-all", reads)
        yield _figure(monorepo, "deploy-all", "deploy-all again", reads)
        yield _figure(monorepo, "destroy-all", "destroy-all", readers)


def _figure(monorepo: Monorepo, verb: str, name: str, waits_for: Mapping[str, Collection[str]] | None) -> Figure:
    """Run a verb and measure; `waits_for` is the graph it follows, None if it keeps no journal."""
    began = time.monotonic()
    process = monorepo.start(verb, "--parallel", str(PARALLEL))
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(_watch, process.pid)
        finish(process)
        wall = time.monotonic() - began
    ideal = ideal_seconds(waits_for, seconds_of_last_run(monorepo.path), PARALLEL) if waits_for else None
    return Figure(len(monorepo.layers), name, wall, ideal, watched.result())


def _watch(pid: int) -> Peaks:
    """Look at the memory of a process and its descendants until it has ended."""
    peaks = Peaks()
    with suppress(psutil.NoSuchProcess):
        runner = psutil.Process(pid)
        while True:
            own = runner.memory_info().rss
            others = sum(_resident(child) for child in runner.children(recursive=True))
            peaks = Peaks(max(peaks.runner, own), max(peaks.tree, own + others))
            time.sleep(SAMPLE_SECONDS)
    return peaks


def _resident(process: psutil.Process) -> int:
    with suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def _table(figures: list[Figure]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layers", "", "wall, s", "ideal, s", "overhead", "runner, MiB", "all, MiB"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    for figure in figures:
        table.add_row(
            str(figure.layers),
            figure.name,
            f"{figure.wall:.1f}",
            "" if figure.ideal is None else f"{figure.ideal:.1f}",
            "" if figure.overhead is None else f"{figure.overhead:.0%}",
            f"{figure.peaks.runner / MIB:.0f}",
            f"{figure.peaks.tree / MIB:.0f}",
        )
    return table


if __name__ == "__main__":
    main()
