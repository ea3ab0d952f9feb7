from shared.contracts import CONTRACTS
from shared.graph import APPLICATION_OUTPUTS, LAYERS, dependents, deploy_order, readers, sorter


def test_every_layer_deploys_after_those_it_reads() -> None:
    order = deploy_order()
    assert sorted(order) == sorted(LAYERS)
    for layer, info in LAYERS.items():
        assert all(order.index(need) < order.index(layer) for need in info.reads)


def test_network_and_security_can_deploy_in_parallel() -> None:
    graph = sorter()
    graph.prepare()
    assert set(graph.get_ready()) == {"network", "security"}


def test_readers_are_direct_and_dependents_include_indirect_ones() -> None:
    assert readers("network") == ["data", "monitoring"]
    assert set(dependents("security")) == {"streaming", "data", "monitoring"}
    assert dependents("monitoring") == []


def test_application_outputs_are_in_the_contracts_of_their_layers() -> None:
    assert len(APPLICATION_OUTPUTS) == 13
    for name, layer in APPLICATION_OUTPUTS.items():
        assert name in CONTRACTS[layer].outputs()
