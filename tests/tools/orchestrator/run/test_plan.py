import json
from pathlib import Path

import pytest
from pulumi.runtime.rpc import UNKNOWN as ENGINES_UNKNOWN
from rich.console import Console
from shared.errors import TxmonError
from tools.orchestrator.engine.operation import UNKNOWN, Action, Operation, Status, Step, is_unknown

from tools.orchestrator.run import plan as plans
from tools.orchestrator.run.plan import Plan, PlannedLayer, plan_of


def preview(layer: str, *steps: Step, before: dict | None = None, after: dict | None = None) -> Operation:
    operation = Operation(layer, Action.PREVIEW, status=Status.SUCCEEDED, steps=list(steps))
    operation.old_outputs, operation.outputs = before or {}, after or {}
    return operation


VPC = Step("replace", "aws:ec2/vpc:Vpc", "vpc-local", ("cidrBlock",))
RULE = Step("delete", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "rds-from-consumer-local")
STREAM = Step("update", "aws:kinesis/stream:Stream", "kinesis-stream-local", ("retentionPeriod",))


def test_the_engines_word_for_unknown_is_known() -> None:
    assert UNKNOWN == ENGINES_UNKNOWN


@pytest.mark.parametrize("value", [UNKNOWN, ["a", UNKNOWN], {"a": ["b", UNKNOWN]}])
def test_a_value_is_unknown_if_any_part_of_it_is(value: object) -> None:
    assert is_unknown(value)
    assert not is_unknown(["a", {"b": "c"}])


def test_an_output_only_change_is_a_change_of_the_plan() -> None:
    plan = plan_of("local", [preview("streaming", before={"hours": 24}, after={"hours": 48})])
    assert plan.changes
    assert plan.layers["streaming"].outputs == {"hours": "24 -> 48"}


def test_an_output_that_only_the_deploy_will_tell_is_said_to_be_unknown() -> None:
    plan = plan_of("local", [preview("network", VPC, before={"vpc_id": "vpc-1"}, after={"vpc_id": UNKNOWN})])
    assert plan.layers["network"].outputs == {"vpc_id": "vpc-1 -> unknown"}


def test_a_plan_without_steps_and_outputs_changes_nothing() -> None:
    assert not plan_of("local", [preview("network", before={"a": 1}, after={"a": 1})]).changes


def shown(plan: Plan) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        plans.show(plan, console)
    return captured.get()


def test_what_is_lost_is_shown_first_and_state_before_all_else() -> None:
    said = shown(plan_of("local", [preview("streaming", STREAM), preview("network", RULE, VPC)]))
    assert said.startswith("2 resources would be replaced or deleted, 1 of them with the state they hold:")
    assert said.index("vpc-local") < said.index("rds-from-consumer-local") < said.index("kinesis-stream-local")
    assert "cidrBlock" in said


def test_a_saved_plan_is_the_same_when_it_is_loaded(tmp_path: Path) -> None:
    plan = plan_of("local", [preview("network", VPC, after={"vpc_id": UNKNOWN})])
    plan.save(tmp_path / "plan.json")
    assert Plan.load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("text", [None, "{", json.dumps({"env": "local"})])
def test_a_file_that_is_no_plan_says_how_to_make_one(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(TxmonError, match=r"\./inv preview-all --save"):
        Plan.load(file)


def test_a_plan_that_is_missing_is_made_by_the_command_that_is_named(tmp_path: Path) -> None:
    with pytest.raises(TxmonError, match=r"there is no .*; make it with: \./inv preview-all --save '/.*/my plan'$"):
        Plan.load(tmp_path / "my plan")


def test_a_plan_is_saved_over_a_plan_or_nothing_only(tmp_path: Path) -> None:
    new, empty, old, other = (tmp_path / name for name in ("new", "empty", "old", "README.md"))
    empty.touch()
    plan_of("local", []).save(old)
    other.write_text("kept")
    for file in (new, empty, old, Path("/dev/null")):
        assert plans.room_for_plan(file) == file
    with pytest.raises(TxmonError, match=r"README\.md is no plan; make one with: \./inv preview-all --save FILE"):
        plans.room_for_plan(other)


def test_a_plan_is_done_for_its_own_environment_and_layers_only() -> None:
    plan = Plan(env="local", layers={"data": planned(), "network": planned()})
    assert plan.among(["network", "security", "data"], "local") == ["network", "data"]
    with pytest.raises(TxmonError, match="a plan for local, not for dev"):
        plan.among(["network"], "dev")
    with pytest.raises(TxmonError, match="about none of these layers, but about data, network"):
        plan.among(["security"], "local")


def test_a_plan_with_a_layer_that_is_gone_is_not_done_by_half() -> None:
    with pytest.raises(TxmonError, match="about archive, which is no layer any more"):
        Plan(env="local", layers={"network": planned(), "archive": planned()}).among(["network"], "local")


def planned(*steps: Step) -> PlannedLayer:
    return PlannedLayer(steps=list(steps), outputs={})


def test_a_loss_that_the_plan_does_not_have_is_a_surprise() -> None:
    plan = Plan(env="local", layers={"network": planned(STREAM)})
    said = plan.surprise(preview("network", VPC, STREAM))
    assert said
    assert "would now replace aws:ec2/vpc:Vpc vpc-local, which the approved plan does not have" in said
    assert "./inv preview network --env local" in said


def test_what_the_plan_has_is_none_and_what_loses_nothing_neither() -> None:
    plan = Plan(env="local", layers={"network": planned(VPC)})
    assert plan.surprise(preview("network", VPC, STREAM)) is None


def test_an_approved_replacement_is_no_leave_to_delete() -> None:
    plan = Plan(env="local", layers={"network": planned(VPC)})
    said = plan.surprise(preview("network", Step("delete", VPC.type, VPC.name)))
    assert said
    assert "would now delete aws:ec2/vpc:Vpc vpc-local" in said
