"""Drift, from the engine's events to text and JSON."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.events import ResourceOutputs, parse
from tools.orchestrator.engine.process import OperationProcess
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import Action, Operation, OperationStatus, ResourceChange
from tools.orchestrator.render.drift import as_json, as_text
from tools.orchestrator.run import drift
from tools.orchestrator.run.drift import Difference

VPC = "aws:ec2/vpc:Vpc"
GONE = Difference("queue-dev", "aws:sqs/queue:Queue", None, "deployed", "gone")
OTHER = Difference("vpc-dev", VPC, "tags.Owner", "network-team", "mallory")


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    """Return a monorepo in which `streaming` has a reader and `monitoring` has none."""
    return make_monorepo(tmp_path, {"network": (), "streaming": (), "data": (), "monitoring": ["streaming"]})


def event(op: str, kind: str = VPC, old: Any = None, new: Any = None, diff: Any = (), **more: Any) -> dict[str, Any]:
    """Return the metadata of the engine's event for a resource in a refresh."""
    return {
        "op": op,
        "type": kind,
        "urn": f"urn:pulumi:dev::txmon-network::{kind}::it-dev",
        "old": {"outputs": old or {}},
        "new": {"outputs": new or {}},
        "detailedDiff": {path: {"diffKind": "update"} for path in diff},
        **more,
    }


def event_line(metadata: dict[str, Any]) -> str:
    return json.dumps({"sequence": 1, "resOutputsEvent": {"metadata": metadata}})


def change(metadata: dict[str, Any]) -> ResourceChange:
    parsed = parse(event_line(metadata))
    assert isinstance(parsed, ResourceOutputs)
    return parsed.change


def found(*events: dict[str, Any]) -> list[tuple[str | None, Any, Any]]:
    operation = Operation("network", Action.DRIFT, drifted=list(map(change, events)))
    return [(each.property, each.state, each.actual) for each in drift.differences(operation)]


def test_a_difference_has_the_path_and_the_values_of_state_and_aws() -> None:
    old = {"rules": [{"port": 443}, {"port": 5432}], "retention": 24}
    new = {"rules": [{"port": 443}, {"port": 22}], "retention": 48}
    assert found(event("update", old=old, new=new, diff=["retention", "rules[1].port"])) == [
        ("retention", 24, 48),
        ("rules[1].port", 5432, 22),
    ]


def test_a_quoted_key_may_contain_dots() -> None:
    path = 'labels["kubernetes.io/role"]'
    updated = event(
        "update",
        old={"labels": {"kubernetes.io/role": "a"}},
        new={"labels": {"kubernetes.io/role": "b"}},
        diff=[path],
    )
    assert found(updated) == [(path, "a", "b")]


def test_a_value_missing_on_one_side_is_none() -> None:
    updated = event("update", old={"ports": []}, new={"ports": [{"to": 22}]}, diff=["ports[0].to"])
    assert found(updated) == [("ports[0].to", None, 22)]


def test_equal_values_are_not_drift_even_if_the_engine_names_them() -> None:
    both = {"subnets": ["a", "b"], "port": 443}
    updated = event("update", old=both, new=both | {"port": 22}, diff=["subnets", "port"])
    assert found(updated) == [("port", 443, 22)]


def test_a_deleted_resource_is_gone() -> None:
    assert found({**event("delete"), "new": None}) == [(None, "deployed", "gone")]


@pytest.mark.parametrize(("old", "new"), [("[secret]", "[secret]"), ("[secret]", "hunter2"), ("hunter2", "[secret]")])
def test_a_changed_secret_is_reported_with_both_values_masked(old: str, new: str) -> None:
    updated = event("update", old={"password": old}, new={"password": new}, diff=["password"])
    assert found(updated) == [("password", "[secret]", "[secret]")]


def test_a_part_of_a_secret_is_masked() -> None:
    updated = event(
        "update", old={"login": "[secret]"}, new={"login": {"password": "hunter2"}}, diff=["login.password"]
    )
    assert found(updated) == [("login.password", "[secret]", "[secret]")]


def test_a_tag_is_reported_once_with_the_default_tag_as_its_old_value() -> None:
    old = {"tags": {"Name": "a"}, "tagsAll": {"Name": "a", "Owner": "team"}}
    new = {"tags": {"Name": "a", "Owner": "mallory"}, "tagsAll": {"Name": "a", "Owner": "mallory"}}
    paths = ["tags", "tags.Owner", "tagsAll", "tagsAll.Owner"]
    assert found(event("update", old=old, new=new, diff=paths)) == [("tags.Owner", "team", "mallory")]


def test_a_removed_default_tag_is_reported() -> None:
    old, new = {"tagsAll": {"Owner": "team"}}, {"tagsAll": {}}
    assert found(event("update", old=old, new=new, diff=["tagsAll.Owner"])) == [("tagsAll.Owner", "team", None)]


@pytest.mark.parametrize(("kind", "name"), drift.NOISE)
def test_noise_is_not_drift_but_differences_next_to_it_are(kind: str, name: str) -> None:
    old, new = {"all": [{name: 1}], "family": "a"}, {"all": [{name: 2}], "family": "b"}
    assert found(event("update", kind, old, new, [f"all[0].{name}", "family"])) == [("family", "a", "b")]
    assert found(event("update", VPC, old, new, [f"all[0].{name}"])) == [(f"all[0].{name}", 1, 2)]


def test_outputs_are_compared_if_the_engine_names_no_paths() -> None:
    assert found(event("update", old={"a": 1, "b": 2}, new={"a": 1, "b": 3})) == [("b", 2, 3)]
    assert found(event("update", old={"a": 1, "b": 2}, new={"a": 2, "b": 3}, diffs=["a"])) == [("a", 1, 2)]


def test_an_operation_keeps_changed_resources_without_stack_references(tmp_path: Path) -> None:
    events = [
        event("same"),
        event("update", "pulumi:pulumi:StackReference", {"outputs": {"a": 1}}, {"outputs": {"a": 2}}),
        event("update", old={"a": 1}, new={"a": 2}, diff=["a"]),
    ]
    lines = list(map(event_line, events))
    lines.append(json.dumps({"sequence": 2, "summaryEvent": {"resourceChanges": {"same": 1, "update": 2}}}))
    engine = tmp_path / "pulumi"
    engine.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    engine.chmod(0o755)
    operation = Operation("network", Action.DRIFT)
    workspace = make_workspace(make_monorepo(tmp_path, {"network": ()}), engine=tmp_path)
    OperationProcess(operation, workspace, lambda _: None).run("", tmp_path / "events")
    assert operation.drifted == [change(events[2])]
    assert operation.changes == {"differing": 1}
    assert operation.command.startswith("pulumi refresh --preview-only ")


def ended(layer: str, status: OperationStatus, *events: dict[str, Any]) -> Operation:
    return Operation(layer, Action.DRIFT, status=status, drifted=list(map(change, events)))


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([ended("network", OperationStatus.SUCCEEDED), ended("data", OperationStatus.SUCCEEDED)], 0),
        ([ended("network", OperationStatus.SUCCEEDED, event("delete")), ended("data", OperationStatus.SUCCEEDED)], 2),
        ([ended("network", OperationStatus.SUCCEEDED, event("delete")), ended("data", OperationStatus.FAILED)], 1),
        ([ended("network", OperationStatus.SUCCEEDED), ended("data", OperationStatus.INTERRUPTED)], 1),
    ],
)
def test_the_exit_code_is_1_before_2_before_0(operations: list[Operation], code: int) -> None:
    assert drift.drift_of("dev", operations).exit_code == code


def test_a_failed_layer_is_not_reported_as_free_of_drift(monorepo: Monorepo) -> None:
    result = drift.drift_of(
        "dev", [ended("network", OperationStatus.SUCCEEDED), ended("data", OperationStatus.FAILED)]
    )
    assert json.loads(as_json(result)) == {"network": []}
    assert as_text(result, monorepo) == "data: not known"
