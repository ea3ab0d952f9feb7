"""What the engine's events of a refresh say about drift."""

import json
from typing import Any

import pytest

from tools.orchestrator.engine import drift
from tools.orchestrator.engine.events import ResourceOutputs, parse
from tools.orchestrator.model.operation import ResourceChange

VPC = "aws:ec2/vpc:Vpc"


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
    drifted = [each for metadata in events for each in drift.differences(change(metadata))]
    return [(each.property, each.state, each.actual) for each in drifted]


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
