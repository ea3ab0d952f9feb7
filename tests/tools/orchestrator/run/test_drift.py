"""Drift as the engine's events tell it."""

import json
from pathlib import Path
from typing import Any

import pytest
from tools.orchestrator.engine.operation import Action, Operation, Status

from shared.environments import Environment
from tools.engine.install import Engine
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.run import drift
from tools.orchestrator.run.drift import Difference, Drift

VPC = "aws:ec2/vpc:Vpc"
GONE = Difference("queue-dev", "aws:sqs/queue:Queue", None, "deployed", "gone")
OTHER = Difference("vpc-dev", VPC, "tags.Owner", "network-team", "mallory")


def told(op: str, kind: str = VPC, old: Any = None, new: Any = None, diff: Any = (), **more: Any) -> dict[str, Any]:
    """What the engine says of a resource in a refresh."""
    return {
        "op": op,
        "type": kind,
        "urn": f"urn:pulumi:dev::txmon-network::{kind}::it-dev",
        "old": {"outputs": old or {}},
        "new": {"outputs": new or {}},
        "detailedDiff": {path: {"diffKind": "update"} for path in diff},
        **more,
    }


def found(*events: dict[str, Any]) -> list[tuple[str | None, Any, Any]]:
    operation = Operation("network", Action.DRIFT, differing=list(events))
    return [(each.property, each.state, each.actual) for each in drift.differences(operation)]


def test_a_property_is_told_by_its_path_with_what_state_and_aws_say() -> None:
    old = {"rules": [{"port": 443}, {"port": 5432}], "retention": 24}
    new = {"rules": [{"port": 443}, {"port": 22}], "retention": 48}
    assert found(told("update", old=old, new=new, diff=["retention", "rules[1].port"])) == [
        ("retention", 24, 48),
        ("rules[1].port", 5432, 22),
    ]


def test_a_key_with_dots_is_one_key() -> None:
    path = 'labels["kubernetes.io/role"]'
    event = told(
        "update",
        old={"labels": {"kubernetes.io/role": "a"}},
        new={"labels": {"kubernetes.io/role": "b"}},
        diff=[path],
    )
    assert found(event) == [(path, "a", "b")]


def test_what_only_one_side_has_is_none_on_the_other() -> None:
    event = told("update", old={"ports": []}, new={"ports": [{"to": 22}]}, diff=["ports[0].to"])
    assert found(event) == [("ports[0].to", None, 22)]


def test_what_is_the_same_on_both_sides_is_no_drift_though_the_engine_names_it() -> None:
    both = {"subnets": ["a", "b"], "port": 443}
    event = told("update", old=both, new=both | {"port": 22}, diff=["subnets", "port"])
    assert found(event) == [("port", 443, 22)]


def test_a_deleted_resource_is_gone() -> None:
    assert found({**told("delete"), "new": None}) == [(None, "deployed", "gone")]


@pytest.mark.parametrize(("old", "new"), [("[secret]", "[secret]"), ("[secret]", "hunter2"), ("hunter2", "[secret]")])
def test_a_secret_is_masked_on_both_sides_and_still_told(old: str, new: str) -> None:
    event = told("update", old={"password": old}, new={"password": new}, diff=["password"])
    assert found(event) == [("password", "[secret]", "[secret]")]


def test_a_part_of_a_secret_is_masked() -> None:
    event = told("update", old={"login": "[secret]"}, new={"login": {"password": "hunter2"}}, diff=["login.password"])
    assert found(event) == [("login.password", "[secret]", "[secret]")]


def test_a_tag_is_told_once_and_against_the_default_tag_that_it_hides() -> None:
    old = {"tags": {"Name": "a"}, "tagsAll": {"Name": "a", "Owner": "team"}}
    new = {"tags": {"Name": "a", "Owner": "mallory"}, "tagsAll": {"Name": "a", "Owner": "mallory"}}
    paths = ["tags", "tags.Owner", "tagsAll", "tagsAll.Owner"]
    assert found(told("update", old=old, new=new, diff=paths)) == [("tags.Owner", "team", "mallory")]


def test_a_default_tag_that_is_gone_is_told() -> None:
    old, new = {"tagsAll": {"Owner": "team"}}, {"tagsAll": {}}
    assert found(told("update", old=old, new=new, diff=["tagsAll.Owner"])) == [("tagsAll.Owner", "team", None)]


@pytest.mark.parametrize(("kind", "name"), drift.NOISE)
def test_noise_is_no_drift_and_what_stands_beside_it_is(kind: str, name: str) -> None:
    old, new = {"all": [{name: 1}], "family": "a"}, {"all": [{name: 2}], "family": "b"}
    assert found(told("update", kind, old, new, [f"all[0].{name}", "family"])) == [("family", "a", "b")]
    assert found(told("update", VPC, old, new, [f"all[0].{name}"])) == [(f"all[0].{name}", 1, 2)]


def test_without_details_the_outputs_are_compared() -> None:
    assert found(told("update", old={"a": 1, "b": 2}, new={"a": 1, "b": 3})) == [("b", 2, 3)]
    assert found(told("update", old={"a": 1, "b": 2}, new={"a": 2, "b": 3}, diffs=["a"])) == [("a", 1, 2)]


def test_the_search_keeps_what_differs_and_no_stack_references(tmp_path: Path) -> None:
    events = [
        told("same"),
        told("update", "pulumi:pulumi:StackReference", {"outputs": {"a": 1}}, {"outputs": {"a": 2}}),
        told("update", old={"a": 1}, new={"a": 2}, diff=["a"]),
    ]
    lines = [json.dumps({"sequence": 1, "resOutputsEvent": {"metadata": event}}) for event in events]
    lines.append(json.dumps({"sequence": 2, "summaryEvent": {"resourceChanges": {"same": 1, "update": 2}}}))
    engine = tmp_path / "pulumi"
    engine.write_text("#!/bin/sh\ncat <<'END'\n" + "\n".join(lines) + "\nEND\n")
    engine.chmod(0o755)
    operation = Operation("network", Action.DRIFT)
    workspace = Workspace(Environment(name="dev"), Engine(tmp_path, "v0", "a script"), {})
    operation.run(workspace, "", tmp_path / "events", lambda _: None)
    assert operation.differing == [events[2]]
    assert operation.changed == {"differing": 1}
    assert operation.command.startswith("pulumi refresh --preview-only ")


def ended(layer: str, status: Status, *events: dict[str, Any]) -> Operation:
    return Operation(layer, Action.DRIFT, status=status, differing=list(events))


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([ended("network", Status.SUCCEEDED), ended("data", Status.SUCCEEDED)], 0),
        ([ended("network", Status.SUCCEEDED, told("delete")), ended("data", Status.SUCCEEDED)], 2),
        ([ended("network", Status.SUCCEEDED, told("delete")), ended("data", Status.FAILED)], 1),
        ([ended("network", Status.SUCCEEDED), ended("data", Status.INTERRUPTED)], 1),
    ],
)
def test_the_exit_code_is_1_before_2_before_0(operations: list[Operation], code: int) -> None:
    assert drift.drift_of("dev", operations).exit_code == code


def test_a_layer_that_failed_is_not_told_as_free_of_drift() -> None:
    result = drift.drift_of("dev", [ended("network", Status.SUCCEEDED), ended("data", Status.FAILED)])
    assert json.loads(drift.as_json(result)) == {"network": []}
    assert drift.as_text(result) == "data: not known"


def test_json_has_a_list_a_layer() -> None:
    assert json.loads(drift.as_json(Drift("dev", {"network": [OTHER], "data": []}, []))) == {
        "network": [
            {
                "resource": "vpc-dev",
                "type": VPC,
                "property": "tags.Owner",
                "state": "network-team",
                "actual": "mallory",
            }
        ],
        "data": [],
    }


def test_text_names_each_difference_and_the_commands_that_mend_it() -> None:
    more = Difference("vpc-dev", VPC, "cidrBlock", None, "10.0.0.0/8")
    text = drift.as_text(Drift("dev", {"network": [OTHER, more], "data": []}, []))
    assert text.splitlines() == [
        f"network: {VPC} vpc-dev",
        '    tags.Owner: "network-team" → "mallory"',
        '    cidrBlock: nothing → "10.0.0.0/8"',
        "state → AWS; put back what the programs say with:",
        "    ./inv up network --refresh --env dev",
    ]


def test_a_secret_that_differs_is_told_without_an_arrow() -> None:
    secret = Difference("db-dev", "aws:rds/instance:Instance", "password", drift.SECRET, drift.SECRET)
    assert "    password: [secret] differs" in drift.as_text(Drift("dev", {"data": [secret]}, [])).splitlines()


def test_what_is_made_anew_asks_for_its_readers_too() -> None:
    assert "./inv deploy-all --env dev" in drift.as_text(Drift("dev", {"streaming": [GONE]}, []))
    assert "./inv deploy-all" not in drift.as_text(Drift("dev", {"monitoring": [GONE]}, []))


def test_nothing_to_tell_is_said() -> None:
    assert drift.as_text(Drift("dev", {"network": []}, [])) == "no drift in dev"
    assert drift.as_text(Drift("dev", {}, [])) == "nothing is deployed in dev"
