"""What a run would take if the runner cost nothing: the schedule that its layers' own seconds allow."""

import json
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from pathlib import Path


def seconds_of_last_run(clone: Path) -> dict[str, float]:
    """Seconds that each layer took in the clone's last run, from when it began, as its journal says."""
    newest = max((clone / ".txmon" / "runs").glob("*/run.json"))
    return {layer: record["seconds"] for layer, record in json.loads(newest.read_text())["layers"].items()}


def ideal_seconds(waits_for: Mapping[str, Collection[str]], seconds: Mapping[str, float], parallel: int) -> float:
    """When the last layer ends if each begins the moment it may, those before the longest chains first.

    Without a bound it is the length of the critical path.
    """
    order = TopologicalSorter(waits_for)
    chains = _chains(waits_for, seconds)
    order.prepare()
    ready: list[tuple[float, str]] = []
    running: list[tuple[float, str]] = []
    now = 0.0
    while order.is_active():
        for layer in order.get_ready():
            heappush(ready, (-chains[layer], layer))
        while ready and len(running) < parallel:
            _, layer = heappop(ready)
            heappush(running, (now + seconds[layer], layer))
        now, layer = heappop(running)
        order.done(layer)
    return now


def _chains(waits_for: Mapping[str, Collection[str]], seconds: Mapping[str, float]) -> dict[str, float]:
    """Layer -> the seconds of the longest chain that begins with it."""
    chains: dict[str, float] = {}
    for layer in reversed(list(TopologicalSorter(waits_for).static_order())):
        after = (chains[reader] for reader in chains if layer in waits_for[reader])
        chains[layer] = seconds[layer] + max(after, default=0.0)
    return chains
