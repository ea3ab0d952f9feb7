from contextlib import nullcontext
from unittest import mock

import pytest
from shared.errors import TxmonError
from tools.orchestrator.state.stacks import SETTLED, LayerState, Update

from shared.contracts import CONTRACTS
from shared.graph import project
from tools.orchestrator.cli import commands
from tools.orchestrator.run import preconditions

GOOD = Update("update", "succeeded", "2026-01-01", "")


class AnyWorkspace:
    env = "dev"


def deployed(layer: str, last: Update = GOOD, **changes: object) -> LayerState:
    outputs = {k: v for k, v in {**CONTRACTS[layer].example(), **changes}.items() if v is not None}
    return LayerState(layer, {"resources": [{"type": "pulumi:pulumi:Stack", "urn": "x", "outputs": outputs}]}, last)


def absent(layer: str) -> LayerState:
    return LayerState(layer, {}, None)


@pytest.fixture
def states(monkeypatch: pytest.MonkeyPatch) -> dict[str, LayerState]:
    """The states that the guards read; a layer that is not named is deployed and well."""
    given: dict[str, LayerState] = {}
    monkeypatch.setattr(
        preconditions,
        "read_states",
        lambda _, layers: {layer: given.get(layer) or deployed(layer) for layer in layers},
    )
    return given


def test_all_is_well_when_every_upstream_is_deployed_and_keeps_its_contract(states) -> None:
    preconditions.require_upstreams(AnyWorkspace(), ["monitoring"])


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        (absent("streaming"), "which is not deployed"),
        (deployed("streaming", Update("update", "failed", "", "")), "whose last update failed"),
        (
            deployed("streaming", Update("destroy", "succeeded", "", "")),
            "whose destroy or an update after it was interrupted with 1 resource left",
        ),
        (
            deployed("streaming", Update("refresh", "succeeded", "", f"{SETTLED}creating a")),
            "whose last update was interrupted",
        ),
        (deployed("streaming", kinesis_stream_arn=None), "which lacks the output kinesis_stream_arn"),
        (
            LayerState(
                "streaming",
                {
                    "resources": [{"type": "pulumi:pulumi:Stack", "urn": "x"}],
                    "pending_operations": [{"type": "creating", "resource": {"urn": "a::b::kinesis-stream-dev"}}],
                },
                GOOD,
            ),
            "whose last update was interrupted while creating kinesis-stream-dev",
        ),
    ],
)
def test_an_upstream_that_is_not_as_it_should_be_is_named_with_what_mends_it(states, state, fault: str) -> None:
    states["streaming"] = state
    with pytest.raises(TxmonError, match=f"^monitoring reads streaming, {fault}: ") as told:
        preconditions.require_upstreams(AnyWorkspace(), ["monitoring"])
    assert str(told.value).endswith(f": ./inv {'unlock' if state.pending else 'up'} streaming --env dev")


def reading(**reads: set[str]) -> dict[str, LayerState]:
    """Deployed stacks, and the layers that each reads; `fraud__live` stands for `fraud/live`."""

    def reference(layer: str) -> dict[str, str]:
        return {"type": "pulumi:pulumi:StackReference", "id": f"organization/{project(layer)}/dev"}

    return {
        reader.replace("__", "/"): LayerState(reader, {"resources": [reference(layer) for layer in layers]}, None)
        for reader, layers in reads.items()
    }


def test_a_layer_that_a_deployed_layer_reads_may_not_go() -> None:
    states = reading(data={"network"}, monitoring={"network", "data"})
    message = r"network is still read by monitoring, data, which are deployed: \./inv destroy monitoring"
    with pytest.raises(TxmonError, match=message):
        preconditions.require_no_other_readers(AnyWorkspace(), states, ["network"])


def test_a_reader_from_another_repository_blocks_too() -> None:
    states = reading(fraud__live={"streaming"})
    message = "streaming is still read by fraud/live, which is deployed: destroy the stack fraud/live first"
    with pytest.raises(TxmonError, match=message):
        preconditions.require_no_other_readers(AnyWorkspace(), states, list(CONTRACTS))


def test_a_reader_that_is_deployed_while_the_destroy_is_confirmed_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = iter([reading(network=set()), reading(network=set(), data={"network"})])
    monkeypatch.setattr(commands, "deployed_states", lambda *_, **__: next(found))
    monkeypatch.setattr(commands, "changing", lambda *_, **__: nullcontext(mock.Mock()))
    monkeypatch.setattr(commands.program_host, "warm", lambda **_: None)
    monkeypatch.setattr(commands, "_execute", mock.Mock(side_effect=AssertionError("it is destroyed")))
    with pytest.raises(TxmonError, match="network is still read by data, which is deployed"):
        commands.destroy(mock.Mock(env="dev"), mock.Mock(), "network", yes=True)


def test_a_reader_of_the_layer_in_another_environment_does_not_block() -> None:
    reference = {"type": "pulumi:pulumi:StackReference", "id": f"organization/{project('network')}/prod"}
    states = {f"{project('data')}/prod": LayerState("data", {"resources": [reference]}, None)}
    assert preconditions.require_no_other_readers(AnyWorkspace(), states, ["network"]) == {"network": set()}


def test_a_reader_that_is_no_layer_any_more_is_destroyed_by_its_name() -> None:
    states = reading(ledger={"network"}, data={"network"})
    message = r"network is still read by ledger, data, which are deployed: \./inv destroy ledger --env dev first"
    with pytest.raises(TxmonError, match=message):
        preconditions.require_no_other_readers(AnyWorkspace(), states, ["network"])


def test_readers_that_go_too_do_not_block_and_are_given_as_the_order() -> None:
    states = reading(data={"network"}, monitoring={"network", "data"})
    readers = preconditions.require_no_other_readers(AnyWorkspace(), states, list(CONTRACTS))
    assert readers["network"] == {"data", "monitoring"}
    assert readers["monitoring"] == set()


def test_a_stack_reference_is_found_in_the_state_by_the_name_it_has() -> None:
    resources = [
        {"type": "pulumi:pulumi:StackReference", "id": f"organization/{project('security')}/dev"},
        {"type": "pulumi:pulumi:StackReference", "id": "organization/elsewhere/dev"},
    ]
    assert LayerState("data", {"resources": resources}, None).reads == {
        f"{project('security')}/dev",
        "elsewhere/dev",
    }


def test_protected_resources_stop_a_destroy_and_say_how_to_lift_it() -> None:
    preconditions.require_unprotected(AnyWorkspace(), [deployed("data"), absent("network")])
    state = LayerState("data", {"resources": [{"type": "t", "urn": "a::db", "protect": True}]}, GOOD)
    with pytest.raises(TxmonError, match=r"dev is protected \(1 in data\) and nothing was deleted") as told:
        preconditions.require_unprotected(AnyWorkspace(), [state, absent("network")])
    assert "set txmon-LAYER:protect: false in projects/LAYER/Pulumi.dev.yaml of data" in str(told.value)


def stopped(layer: str, *operations: str) -> LayerState:
    pending = [{"type": operation, "resource": {"urn": f"a::b::{layer}-dev"}} for operation in operations]
    return LayerState(layer, {"resources": [{}], "pending_operations": pending}, None)


@pytest.mark.parametrize(
    ("left", "said"),
    [
        (
            [stopped("data", "creating"), stopped("network")],
            "data was stopped while creating data-dev; .*unlock data",
        ),
        (
            [stopped("network", "deleting"), stopped("data", "creating")],
            "network was stopped while deleting network-dev; data was stopped while creating data-dev; .*unlock all",
        ),
    ],
)
def test_operations_that_were_left_in_the_middle_are_named_at_once(
    monkeypatch: pytest.MonkeyPatch, left: list[LayerState], said: str
) -> None:
    monkeypatch.setattr(preconditions, "deployed_states", lambda _: {state.layer: state for state in left})
    with pytest.raises(TxmonError, match=rf"^{said} --env dev settles it$"):
        preconditions.require_settled(AnyWorkspace())


def test_a_stack_of_another_repository_is_not_for_us_to_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preconditions, "deployed_states", lambda _: {"fraud": stopped("fraud", "creating")})
    preconditions.require_settled(AnyWorkspace())


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        (absent("network"), "never"),
        (LayerState("network", {}, Update("destroy", "succeeded", "", "")), "destroyed"),
        (LayerState("network", {}, Update("update", "failed", "", "")), "failed"),
        (deployed("network"), "ok"),
        (deployed("network", Update("update", "failed", "", "")), "failed"),
        (deployed("network", Update("destroy", "succeeded", "", "")), "interrupted"),
        (deployed("network", Update("destroy", "failed", "", "")), "failed"),
        (deployed("network", Update("refresh", "succeeded", "", f"{SETTLED}creating a")), "interrupted"),
    ],
)
def test_the_condition_of_a_layer(state: LayerState, condition: str) -> None:
    assert state.condition == condition
