import json
from pathlib import Path

import pytest
from pulumi.runtime.rpc import UNKNOWN as ENGINES_UNKNOWN
from rich.console import Console

from shared.deploy import plan as plans
from shared.deploy.operation import UNKNOWN, Action, Operation, Status, Step, is_unknown
from shared.deploy.plan import Plan, PlannedLayer, PlannedStep, plan_of
from shared.errors import TxmonError


def preview(
    layer: str, *steps: Step, same: int = 0, before: dict | None = None, after: dict | None = None
) -> Operation:
    operation = Operation(layer, Action.PREVIEW, status=Status.SUCCEEDED, steps=list(steps))
    operation.counts["same"] = same
    operation.old_outputs, operation.outputs = before or {}, after or {}
    return operation


VPC = Step("replace", "aws:ec2/vpc:Vpc", "vpc-local", ("cidrBlock",))
STREAM = Step("update", "aws:kinesis/stream:Stream", "kinesis-stream-local", ("retentionPeriod",))


def test_the_engines_word_for_unknown_is_known() -> None:
    assert UNKNOWN == ENGINES_UNKNOWN


@pytest.mark.parametrize("value", [UNKNOWN, ["a", UNKNOWN], {"a": ["b", UNKNOWN]}])
def test_a_value_is_unknown_if_any_part_of_it_is(value: object) -> None:
    assert is_unknown(value)
    assert not is_unknown(["a", {"b": "c"}])


def test_an_output_only_change_is_a_change_of_the_plan() -> None:
    plan = plan_of("local", [preview("streaming", same=7, before={"hours": 24}, after={"hours": 48})])
    assert plan.changes
    assert plan.layers["streaming"].outputs == {"hours": "24 -> 48"}


def test_an_output_that_only_the_deploy_will_tell_is_said_to_be_unknown() -> None:
    plan = plan_of("local", [preview("network", VPC, before={"vpc_id": "vpc-1"}, after={"vpc_id": UNKNOWN})])
    assert plan.layers["network"].outputs == {"vpc_id": "vpc-1 -> unknown"}


def test_a_plan_without_steps_and_outputs_changes_nothing() -> None:
    assert not plan_of("local", [preview("network", same=3, before={"a": 1}, after={"a": 1})]).changes


def test_a_reader_of_unknown_outputs_is_not_certain_and_all_others_are() -> None:
    plan = plan_of(
        "local",
        [
            preview("network", VPC, after={"vpc_id": UNKNOWN}),
            preview("security", after={"key": "k"}),
            preview("data"),
            preview("streaming"),
        ],
    )
    assert {layer: planned.certain for layer, planned in plan.layers.items()} == {
        "network": True,
        "security": True,
        "data": False,
        "streaming": True,
    }


def shown(plan: Plan) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        plans.show(plan, console)
    return captured.get()


def test_what_is_lost_is_shown_first_and_counted() -> None:
    said = shown(plan_of("local", [preview("streaming", STREAM), preview("network", VPC)]))
    assert said.startswith("1 resources would be replaced or deleted:")
    assert said.index("vpc-local") < said.index("kinesis-stream-local")
    assert "cidrBlock" in said


def test_a_saved_plan_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    plan = plan_of("local", [preview("network", VPC, same=2, after={"vpc_id": UNKNOWN})])
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("text", [None, "{", json.dumps({"env": "local"})])
def test_a_file_that_is_no_plan_says_how_to_make_one(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(TxmonError, match=r"\./inv preview-all --save"):
        Plan.load(file)


def test_a_plan_is_done_for_its_own_environment_and_layers_only() -> None:
    plan = Plan(env="local", layers={"data": planned(certain=True), "network": planned(certain=True)})
    assert plan.among(["network", "security", "data"], "local") == ["network", "data"]
    with pytest.raises(TxmonError, match="a plan for local, not for dev"):
        plan.among(["network"], "dev")
    with pytest.raises(TxmonError, match="about none of these layers, but about data, network"):
        plan.among(["security"], "local")


def planned(*steps: Step, certain: bool, unchanged: int = 5) -> PlannedLayer:
    made = [PlannedStep(op=step.op, type=step.type, name=step.name) for step in steps]
    return PlannedLayer(steps=made, outputs={}, certain=certain, unchanged=unchanged)


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A look before the deploy finds that the VPC would be replaced; the layers that were looked at."""
    looked: list[str] = []

    def run(self: Operation, *_: object) -> None:
        looked.append(self.layer)
        self.steps = [VPC]

    monkeypatch.setattr(Operation, "run", run)
    return looked


class AnyWorkspace:
    env = "local"


def test_a_loss_that_the_plan_does_not_have_stops_the_layer(looks) -> None:
    plan = Plan(env="local", layers={"data": planned(STREAM, certain=False)})
    said = plan.surprise(AnyWorkspace(), "data")
    assert "would now replace aws:ec2/vpc:Vpc vpc-local, which the approved plan does not have" in said
    assert "./inv preview data --env local" in said


def test_an_approved_loss_does_not_stop_the_layer(looks) -> None:
    plan = Plan(env="local", layers={"data": planned(VPC, certain=False)})
    assert plan.surprise(AnyWorkspace(), "data") is None
    assert looks == ["data"]


@pytest.mark.parametrize(
    "layer",
    [planned(STREAM, certain=True), planned(certain=False, unchanged=0)],
    ids=["certain", "nothing there yet"],
)
def test_a_layer_whose_plan_cannot_have_changed_is_not_looked_at_again(looks, layer: PlannedLayer) -> None:
    assert Plan(env="local", layers={"data": layer}).surprise(AnyWorkspace(), "data") is None
    assert looks == []


def test_a_layer_that_the_plan_does_not_have_is_looked_at(looks) -> None:
    assert "vpc-local" in Plan(env="local", layers={}).surprise(AnyWorkspace(), "data")
