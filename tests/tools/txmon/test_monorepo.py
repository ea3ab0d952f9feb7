"""txmon as the orchestrator sees it."""

import os
import subprocess
import sys

import pytest

from shared.config import LayerConfig
from shared.contracts import CONTRACTS
from tools.orchestrator.repository.environments import find_environment
from tools.orchestrator.repository.stack_files import require_readable
from tools.txmon.monorepo import MONOREPO, ROOT, free_network


def test_importing_the_monorepo_does_not_import_the_sdk() -> None:
    program = "import sys, tools.txmon.monorepo; print(*{'pulumi', 'pulumi_aws', 'projects'} & sys.modules.keys())"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("layer", MONOREPO.layers.values(), ids=MONOREPO.layers)
def test_a_layer_loads_its_configuration_and_its_contract(layer) -> None:
    assert issubclass(layer.config(), LayerConfig)
    assert layer.contract().keys() == CONTRACTS[layer.name].outputs().keys()


@pytest.mark.parametrize("name", ["local", "dev", "prod"])
def test_a_committed_environment_is_found_and_readable(name: str) -> None:
    environment = find_environment(MONOREPO, name)
    assert environment.is_local is (name == "local")
    require_readable(MONOREPO, name)


def test_the_policy_pack_is_executable() -> None:
    assert MONOREPO.policy_pack is not None
    assert os.access(MONOREPO.policy_pack, os.X_OK)


def test_every_layer_deploys_after_those_it_reads() -> None:
    order = MONOREPO.deploy_order
    assert sorted(order) == sorted(MONOREPO.layers)
    for name, layer in MONOREPO.layers.items():
        assert all(order.index(upstream) < order.index(name) for upstream in layer.reads)


def test_network_and_security_can_deploy_in_parallel() -> None:
    assert {name for name, layer in MONOREPO.layers.items() if not layer.reads} == {"network", "security"}


def test_readers_are_direct_and_dependents_include_indirect_ones() -> None:
    assert MONOREPO.readers("network") == ["data", "processing", "monitoring"]
    assert set(MONOREPO.dependents("security")) == {"streaming", "data", "processing", "monitoring"}
    assert MONOREPO.dependents("monitoring") == []


def test_a_new_environment_gets_addresses_that_no_other_has() -> None:
    assert free_network([]) == "10.0.0.0/16"
    assert free_network(["10.0.0.0/16", "10.2.0.0/20", "10.1.128.0/24", "192.168.0.0/16"]) == "10.3.0.0/16"
