from shared.contracts import CONTRACTS
from shared.graph import APPLICATION_OUTPUTS


def test_application_outputs_are_in_the_contracts_of_their_layers() -> None:
    assert len(APPLICATION_OUTPUTS) == 13
    for name, layer in APPLICATION_OUTPUTS.items():
        assert name in CONTRACTS[layer].outputs()
