"""The ideal duration of a run: the schedule that the layers' own seconds allow, without any overhead."""

import json
from collections.abc import Collection, Mapping
from graphlib import TopologicalSorter
from heapq import heappop, heappush
from pathlib import Path


def seconds_of_last_run(runs: Path) -> dict[str, float]:
    """Return the seconds that each layer took in the last run, by the journal in the folder `runs`."""
    newest = max(runs.glob("*/run.json"))
    return {layer: record["seconds"] for layer, record in json.loads(newest.read_text("utf-8"))["layers"].items()}


def ideal_seconds(waits_for: Mapping[str, Collection[str]], seconds: Mapping[str, float], parallel: int) -> float:
    """Return when the last layer ends if each begins as soon as it may, longest chains first.

    Without a bound on parallel layers, this is the length of the critical path.
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
    """Return layer -> the seconds of the longest chain that begins with it."""
    chains: dict[str, float] = {}
    for layer in reversed(list(TopologicalSorter(waits_for).static_order())):
        after = (chains[reader] for reader in chains if layer in waits_for[reader])
        chains[layer] = seconds[layer] + max(after, default=0.0)
    return chains
