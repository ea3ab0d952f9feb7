"""What other layers still use of a layer stops the plan that would lose it."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import Action, Operation, OperationStatus, Step
from tools.orchestrator.model.plan import Plan, PlannedLayer
from tools.orchestrator.model.stack import Snapshot, StackSnapshot
from tools.orchestrator.run.in_use import require_previewed, require_unused, users

VPC = "aws:ec2/vpc:Vpc"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(make_monorepo(tmp_path, deleted_unused_types=(VPC,)))


def resource(kind: str, name: str, identifier: str = "", **inputs: Any) -> dict[str, Any]:
    return {"type": kind, "urn": f"urn::{name}", "id": identifier, "custom": True, "inputs": inputs}


def snapshot(**resources: list[dict[str, Any]]) -> Snapshot:
    return Snapshot("dev", {name: StackSnapshot(name, {"resources": held}) for name, held in resources.items()})


BASE = [resource(VPC, "vpc", "vpc-1"), resource("aws:iam/role:Role", "role", "role-1")]
STORE = [resource("aws:rds/subnetGroup:SubnetGroup", "group", "g", nested=[{"vpcId": "vpc-1"}], role="role-1")]


def plan(op: str, kind: str = VPC, name: str = "vpc") -> Plan:
    return Plan(env="dev", layers={"base": PlannedLayer(steps=[Step(op, kind, name)], outputs={})})


def test_users_are_found_by_the_identifier_in_their_inputs(workspace: Workspace) -> None:
    state = snapshot(base=BASE, store=STORE, watch=[resource("aws:x:Y", "y", vpc="vpc-12")])
    assert users(workspace, state, "base") == {(VPC, "vpc"): {"store": {"group"}}}


@pytest.mark.parametrize("op", ["replace", "delete"])
def test_a_loss_of_what_is_used_is_refused_with_the_order_that_works(workspace: Workspace, op: str) -> None:
    state = snapshot(base=BASE, store=STORE, watch=[resource("aws:x:Y", "y")])
    with pytest.raises(OrchestratorError) as refused:
        require_unused(workspace, state, plan(op))
    said = str(refused.value)
    assert "base would replace or delete vpc" in said
    assert "store (group)" in said
    assert said.endswith("./inv destroy watch --env dev; ./inv destroy store --env dev; ./inv deploy-all --env dev")


@pytest.mark.parametrize(
    ("state", "planned"),
    [
        (snapshot(base=BASE, store=STORE), plan("update")),
        (snapshot(base=BASE), plan("replace")),
        (snapshot(base=BASE, store=[]), plan("replace")),
        (snapshot(base=BASE, store=STORE), plan("replace", "aws:iam/role:Role", "role")),
        (snapshot(base=BASE, store=STORE), Plan(env="dev", layers={})),
    ],
    ids=["update", "no reader", "destroyed reader", "type that AWS deletes in use", "no steps"],
)
def test_anything_else_is_allowed(workspace: Workspace, state: Snapshot, planned: Plan) -> None:
    require_unused(workspace, state, planned)


def test_a_failed_preview_does_not_count_as_one_that_loses_nothing() -> None:
    previews = [Operation(layer, Action.PREVIEW) for layer in ("base", "store")]
    for preview in previews:
        preview.end(OperationStatus.SUCCEEDED)
    require_previewed(previews)
    previews[0].end(OperationStatus.FAILED, "no program starts")
    with pytest.raises(OrchestratorError, match=r"preview failed of base: no program starts\. Nothing was"):
        require_previewed(previews)
