"""Times the orchestrator on generated monorepos of 5, 20 and 60 small layers, and watches its memory.

Each wall time is compared with the ideal one: what a scheduler without cost would need for the layers' seconds,
with as many layers at a time. The rest is overhead. A preview has no journal, and so no ideal time.
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

from benchmarks.monorepo import Generated, finish, generated
from benchmarks.schedule import ideal_seconds, seconds_of_last_run
from tools.orchestrator.render.table import table
from tools.orchestrator.run.journal import runs_folder

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
        reads = {name: layer.reads for name, layer in monorepo.monorepo.layers.items()}
        readers = {layer: {reader for reader in reads if layer in reads[reader]} for layer in reads}
        monorepo.run("preview-all")  # the first run starts the local cloud
        yield _figure(monorepo, "preview-all", "preview-all", None)
        yield _figure(monorepo, "deploy-all", "deploy-all", reads)
        yield _figure(monorepo, "deploy-all", "deploy-all again", reads)
        yield _figure(monorepo, "destroy-all", "destroy-all", readers)


def _figure(monorepo: Generated, verb: str, name: str, waits_for: Mapping[str, Collection[str]] | None) -> Figure:
    """Run a verb and measure; `waits_for` is the graph it follows, None if it keeps no journal."""
    began = time.monotonic()
    process = monorepo.start(verb, str(PARALLEL))
    with ThreadPoolExecutor(1) as pool:
        watched = pool.submit(_watch, process.pid)
        finish(process)
        wall = time.monotonic() - began
    ideal = None
    if waits_for:
        ideal = ideal_seconds(waits_for, seconds_of_last_run(runs_folder(monorepo.monorepo)), PARALLEL)
    return Figure(monorepo.count, name, wall, ideal, watched.result())


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
    headings = ("layers", "", "wall, s", "ideal, s", "overhead", "runner, MiB", "all, MiB")
    return table(*headings, rows=map(_row, figures), right=[heading for heading in headings if heading])


def _row(figure: Figure) -> tuple[str, ...]:
    return (
        str(figure.layers),
        figure.name,
        f"{figure.wall:.1f}",
        "" if figure.ideal is None else f"{figure.ideal:.1f}",
        "" if figure.overhead is None else f"{figure.overhead:.0%}",
        f"{figure.peaks.runner / MIB:.0f}",
        f"{figure.peaks.tree / MIB:.0f}",
    )


if __name__ == "__main__":
    main()
