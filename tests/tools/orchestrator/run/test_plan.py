"""Plans: what previews would change, saved, shown and compared with a later preview."""

import json
from pathlib import Path

import pytest
from pulumi.runtime.rpc import UNKNOWN as ENGINES_UNKNOWN
from rich.console import Console

from tests.support.monorepo import make_monorepo
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import UNKNOWN, Action, Operation, OperationStatus, Step, is_unknown
from tools.orchestrator.model.plan import Plan, PlannedLayer
from tools.orchestrator.render.plan import show
from tools.orchestrator.run.plan import load, plan_of, require_replaceable, save


def preview(layer: str, *steps: Step, before: dict | None = None, after: dict | None = None) -> Operation:
    operation = Operation(layer, Action.PREVIEW, status=OperationStatus.SUCCEEDED, steps=list(steps))
    operation.old_outputs, operation.outputs = before or {}, after or {}
    return operation


VPC = Step("replace", "aws:ec2/vpc:Vpc", "vpc-local", ("cidrBlock",), stateful=True)
RULE = Step("delete", "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", "rds-from-consumer-local")
STREAM = Step("update", "aws:kinesis/stream:Stream", "kinesis-stream-local", ("retentionPeriod",))


def test_unknown_is_the_value_that_the_sdk_uses() -> None:
    assert UNKNOWN == ENGINES_UNKNOWN


@pytest.mark.parametrize("value", [UNKNOWN, ["a", UNKNOWN], {"a": ["b", UNKNOWN]}])
def test_a_value_is_unknown_if_any_part_of_it_is(value: object) -> None:
    assert is_unknown(value)
    assert not is_unknown(["a", {"b": "c"}])


def test_an_output_only_change_is_a_change_of_the_plan() -> None:
    plan = plan_of("local", [preview("streaming", before={"hours": 24}, after={"hours": 48})])
    assert plan.changes
    assert plan.layers["streaming"].outputs == {"hours": "24 -> 48"}


def test_an_output_known_only_after_the_deploy_is_shown_as_unknown() -> None:
    plan = plan_of("local", [preview("network", VPC, before={"vpc_id": "vpc-1"}, after={"vpc_id": UNKNOWN})])
    assert plan.layers["network"].outputs == {"vpc_id": "vpc-1 -> known after the deploy"}


def test_a_plan_without_steps_and_outputs_changes_nothing() -> None:
    assert not plan_of("local", [preview("network", before={"a": 1}, after={"a": 1})]).changes


def shown(plan: Plan) -> str:
    console = Console(width=200, no_color=True)
    with console.capture() as captured:
        show(plan, console)
    return captured.get()


def test_a_saved_plan_is_loaded_unchanged(tmp_path: Path) -> None:
    plan = plan_of("local", [preview("network", VPC, after={"vpc_id": UNKNOWN})])
    save(plan, tmp_path / "plan.json")
    assert load(tmp_path / "plan.json") == plan


@pytest.mark.parametrize("text", [None, "{", json.dumps({"env": "local"})])
def test_loading_a_file_that_is_not_a_plan_names_the_command_that_makes_one(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "plan.json"
    if text is not None:
        file.write_text(text)
    with pytest.raises(OrchestratorError, match=r"\./inv preview-all --save"):
        load(file)


def test_loading_a_missing_plan_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(
        OrchestratorError, match=r"there is no .*; make it with: \./inv preview-all --save '/.*/my plan'$"
    ):
        load(tmp_path / "my plan")


def test_saving_a_plan_overwrites_only_another_plan(tmp_path: Path) -> None:
    new, empty, old, other = (tmp_path / name for name in ("new", "empty", "old", "README.md"))
    empty.touch()
    save(plan_of("local", []), old)
    other.write_text("kept")
    for file in (new, empty, old, Path("/dev/null")):
        assert require_replaceable(file) == file
    with pytest.raises(
        OrchestratorError, match=r"README\.md is not a plan \(.*\); make one with: \./inv preview-all --save FILE"
    ):
        require_replaceable(other)


def test_a_plan_selects_its_layers_in_its_own_environment_only(network: Monorepo) -> None:
    plan = Plan(env="local", layers={"data": planned(), "network": planned()})
    assert plan.select(["network", "security", "data"], "local", network) == ["network", "data"]
    with pytest.raises(OrchestratorError, match="a plan for local, not for dev"):
        plan.select(["network"], "dev", network)
    with pytest.raises(OrchestratorError, match="covers none of these layers, but data, network"):
        plan.select(["security"], "local", network)


def test_a_plan_that_covers_a_removed_layer_is_refused(network: Monorepo) -> None:
    with pytest.raises(OrchestratorError, match="covers archive, which is no longer a layer"):
        Plan(env="local", layers={"network": planned(), "archive": planned()}).select(["network"], "local", network)


@pytest.fixture
def network(tmp_path: Path) -> Monorepo:
    """Return a monorepo with the layers `network`, `security` and `data`."""
    return make_monorepo(tmp_path, {"network": (), "security": (), "data": ()})


def planned(*steps: Step) -> PlannedLayer:
    return PlannedLayer(steps=list(steps), outputs={})


def test_a_loss_that_is_not_in_the_plan_is_unapproved() -> None:
    plan = Plan(env="local", layers={"network": planned(STREAM)})
    refusal = plan.unapproved_changes(preview("network", VPC, STREAM))
    assert refusal
    assert "would now replace aws:ec2/vpc:Vpc vpc-local, which the approved plan does not have" in refusal
    assert "./inv preview network --env local" in refusal


def test_planned_losses_and_steps_without_loss_are_approved() -> None:
    plan = Plan(env="local", layers={"network": planned(VPC)})
    assert plan.unapproved_changes(preview("network", VPC, STREAM)) is None


def test_an_approved_replacement_does_not_approve_a_delete() -> None:
    plan = Plan(env="local", layers={"network": planned(VPC)})
    refusal = plan.unapproved_changes(preview("network", Step("delete", VPC.type, VPC.name)))
    assert refusal
    assert "would now delete aws:ec2/vpc:Vpc vpc-local" in refusal
