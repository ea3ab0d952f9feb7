"""The benchmark of many layers: its ideal schedule, and the monorepo it generates."""

import json
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from benchmarks.monorepo import graph, write
from benchmarks.schedule import ideal_seconds

DIAMOND = {"top": (), "left": ("top",), "right": ("top",), "bottom": ("left", "right")}
SECONDS = {"top": 1.0, "left": 2.0, "right": 3.0, "bottom": 1.0}


@pytest.mark.parametrize(("parallel", "ideal"), [(1, 7.0), (2, 5.0), (60, 5.0)])
def test_the_ideal_is_the_sum_one_at_a_time_and_the_critical_path_without_a_bound(parallel, ideal) -> None:
    assert ideal_seconds(DIAMOND, SECONDS, parallel) == ideal


def test_the_ideal_begins_what_the_longest_chain_waits_for_first() -> None:
    waits_for = {"a": (), "b": (), "z": (), "last": ("z",)}
    assert ideal_seconds(waits_for, {"a": 1.0, "b": 1.0, "z": 1.0, "last": 2.0}, 2) == 3.0


@pytest.mark.parametrize("count", [1, 5, 20, 60])
def test_every_layer_below_the_first_row_reads_two_of_the_row_above(count) -> None:
    layers = graph(count)
    reads = [len(info.reads) for info in layers.values()]
    roots = reads.count(0)
    assert len(layers) == count
    assert roots**2 <= count
    assert reads == [0] * roots + [min(roots, 2)] * (count - roots)
    assert list(TopologicalSorter({name: info.reads for name, info in layers.items()}).static_order())


def test_a_generated_monorepo_knows_its_own_layers_and_no_others(tmp_path: Path) -> None:
    layers = write(tmp_path, 7).layers
    assert {path.parent.name for path in tmp_path.glob("projects/*/Pulumi.yaml")} == layers.keys()
    program = (
        "import json; from shared.graph import APPLICATION_OUTPUTS, LAYERS, deploy_order\n"
        "print(json.dumps([sorted(deploy_order()), {name: sorted(info.reads) for name, info in LAYERS.items()}]))"
    )
    told = subprocess.check_output([sys.executable, "-c", program], cwd=tmp_path)
    assert json.loads(told) == [list(layers), {name: sorted(info.reads) for name, info in layers.items()}]
