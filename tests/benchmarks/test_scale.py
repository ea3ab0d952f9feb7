"""The benchmark of many layers: its ideal schedule, and the monorepo it generates."""

from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from benchmarks.monorepo import generated, graph, monorepo_in, write
from benchmarks.schedule import ideal_seconds, seconds_of_last_run
from tools.orchestrator.run.journal import runs_folder

DIAMOND = {"top": (), "left": ("top",), "right": ("top",), "bottom": ("left", "right")}
SECONDS = {"top": 1.0, "left": 2.0, "right": 3.0, "bottom": 1.0}


@pytest.mark.parametrize(("parallel", "ideal"), [(1, 7.0), (2, 5.0), (60, 5.0)])
def test_ideal_is_sum_or_critical_path(parallel, ideal) -> None:
    assert ideal_seconds(DIAMOND, SECONDS, parallel) == ideal


def test_ideal_schedules_the_longest_chain_first() -> None:
    waits_for = {"a": (), "b": (), "z": (), "last": ("z",)}
    assert ideal_seconds(waits_for, {"a": 1.0, "b": 1.0, "z": 1.0, "last": 2.0}, 2) == 3.0


@pytest.mark.parametrize("count", [1, 5, 20, 60])
def test_every_layer_reads_two_of_the_row_above(count) -> None:
    layers = graph(count)
    reads = [len(reads) for reads in layers.values()]
    roots = reads.count(0)
    assert len(layers) == count
    assert roots**2 <= count
    assert reads == [0] * roots + [min(roots, 2)] * (count - roots)
    assert list(TopologicalSorter(layers).static_order())


def test_a_generated_monorepo_has_its_own_layers_and_no_others(tmp_path: Path) -> None:
    layers = graph(7)
    write(tmp_path, layers)
    monorepo = monorepo_in(tmp_path, layers)
    assert {path.parent.name for path in tmp_path.glob("projects/*/Pulumi.yaml")} == layers.keys()
    assert sorted(monorepo.deploy_order) == sorted(layers)
    assert {name: layer.reads for name, layer in monorepo.layers.items()} == layers


@pytest.mark.local
@pytest.mark.slow
def test_the_orchestrator_runs_a_generated_monorepo() -> None:
    with generated(4) as made:
        for verb in ("preview-all", "deploy-all", "destroy-all"):
            made.run(verb)
        seconds = seconds_of_last_run(runs_folder(made.monorepo))
    assert seconds.keys() == graph(4).keys()
