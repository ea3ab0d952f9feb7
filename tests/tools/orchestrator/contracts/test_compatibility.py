"""How contracts are compared with a commit and with what is deployed, and which changes are faults."""

import json
from collections.abc import Callable
from pathlib import Path, PurePath
from typing import Any

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.contracts.compatibility import Change, against_commit, against_environment, compare
from tools.orchestrator.model.contract_schema import ContractSchema, OutputSchema
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import STACK, STACK_REFERENCE

STR, INT = OutputSchema(type="str"), OutputSchema(type="int")
OUTPUTS = {"vpc_id": STR, "subnets": OutputSchema(type="list[str]", length=3), "port": INT}
BEFORE = ContractSchema(version=1, outputs=OUTPUTS)
RAISE = "raise the version of the contract of network to 2"


def contract(version: int = 1, **changes: OutputSchema | None) -> ContractSchema:
    """Return the contract `BEFORE`, changed; None removes an output."""
    outputs = {name: schema for name, schema in (OUTPUTS | changes).items() if schema is not None}
    return ContractSchema(version=version, outputs=outputs)


def reads(**readers: list[str]) -> Callable[[str, str], list[str]]:
    """Return who reads an output of the network now."""
    return lambda layer, output: readers.get(output, []) if layer == "network" else []


@pytest.mark.parametrize(
    ("outputs", "change"),
    [
        ({"vpc_id": None}, ("vpc_id", "removed")),
        ({"vpc_id": None, "the_vpc_id": STR}, ("vpc_id", "renamed to the_vpc_id")),
        ({"vpc_id": None, "the_vpc_id": INT}, ("vpc_id", "removed")),
        ({"vpc_id": None, "address": STR}, ("vpc_id", "removed")),
        ({"port": STR}, ("port", "was int, is str")),
        (
            {"subnets": OutputSchema(type="list[str]", length=2)},
            ("subnets", "was list[str] of 3, is list[str] of 2"),
        ),
        ({"subnets": OutputSchema(type="list[str]")}, ("subnets", "was list[str] of 3, is list[str]")),
    ],
)
@pytest.mark.parametrize(("version", "fault"), [(1, RAISE), (2, "")])
def test_a_change_that_readers_could_notice_needs_a_new_version(
    outputs: dict[str, OutputSchema | None], change: tuple[str, str], version: int, fault: str
) -> None:
    changes = compare({"network": BEFORE}, {"network": contract(version, **outputs)}, reads())
    [found] = [each for each in changes if not each.what.startswith("new")]
    assert (found.output, found.what) == change
    assert found.fault == fault


def test_a_change_that_readers_cannot_notice_is_no_fault() -> None:
    assert compare({"network": BEFORE}, {"network": contract(zone=STR)}, reads()) == [
        Change("network", "zone", "new, str")
    ]
    assert compare({"network": BEFORE}, {"network": contract(2)}, reads()) == []
    assert compare({}, {"network": BEFORE}, reads())[0].fault == ""


@pytest.mark.parametrize("version", [1, 2])
def test_an_output_with_readers_cannot_be_removed_even_with_a_new_version(version: int) -> None:
    readers = reads(port=["data", "monitoring"], vpc_id=["data"])
    [found] = compare({"network": BEFORE}, {"network": contract(version, port=None)}, readers)
    assert found.readers == ("data", "monitoring")
    assert found.fault.startswith("data, monitoring read it: let them stop first")


def test_a_reader_that_has_stopped_reading_in_this_change_still_counts() -> None:
    before = contract(port=OutputSchema(type="int", readers=("data", "archive")))
    [found] = compare({"network": before}, {"network": contract(2, port=None)}, reads(port=["data"]))
    assert found.readers == ("data", "archive")
    assert found.fault.startswith("data, archive read it")


def test_a_change_of_readers_is_not_a_change_of_the_output() -> None:
    before = contract(port=OutputSchema(type="int", readers=("data",)))
    assert compare({"network": before}, {"network": BEFORE}, reads()) == []


def test_another_type_names_the_readers_and_is_accepted_with_a_new_version() -> None:
    [found] = compare({"network": BEFORE}, {"network": contract(2, port=STR)}, reads(port=["data"]))
    assert (found.readers, found.fault) == (("data",), "")


def test_a_lower_version_is_a_fault() -> None:
    [found] = compare({"network": contract(3)}, {"network": BEFORE}, reads())
    assert found.fault == "a version never falls: raise the version of the contract of network to 4"


def test_a_layer_can_be_removed_once_nobody_reads_it() -> None:
    gone = compare({"network": BEFORE}, {}, reads(port=["data"]))
    assert {each.output: bool(each.fault) for each in gone} == {"vpc_id": False, "subnets": False, "port": True}


LOCK = PurePath("contracts.lock.json")


@pytest.fixture
def compare_with_main(repository) -> Callable[..., list[Change]]:
    """Return a comparison of a contract of the network with the lock file on `main`, where this branch left it."""

    def compared(text: str | None, new: ContractSchema, readers: Any) -> list[Change]:
        repository.run("checkout", "--quiet", "main")
        if text is not None:
            repository.write(str(LOCK), text)
            repository.commit()
        repository.run("checkout", "--quiet", "-B", "feature")
        repository.write(str(LOCK), "{}")  # which must not count
        return against_commit(repository.path, {"network": new}, readers, LOCK, "main")

    return compared


def recorded(readers: list[str]) -> str:
    outputs = {name: schema.model_dump() for name, schema in OUTPUTS.items()}
    outputs["port"]["readers"] = readers
    return json.dumps({"network": {"version": 1, "outputs": outputs}})


def test_a_commit_is_compared_by_its_lock_file(compare_with_main: Callable[..., list[Change]]) -> None:
    assert compare_with_main(recorded(["data"]), contract(port=STR), reads(port=["applications"])) == [
        Change("network", "port", "was int, is str", ("applications", "data"), RAISE)
    ]


def test_an_unchanged_contract_has_no_changes(compare_with_main: Callable[..., list[Change]]) -> None:
    assert compare_with_main(recorded(["data"]), BEFORE, reads()) == []


def test_a_deleted_reader_still_counts(compare_with_main: Callable[..., list[Change]]) -> None:
    [gone] = compare_with_main(recorded(["archive"]), contract(2, port=None), reads())
    assert (gone.output, gone.readers) == ("port", ("archive",))


def test_a_renamed_output_that_is_still_read_names_its_readers(
    compare_with_main: Callable[..., list[Change]],
) -> None:
    new = contract(port=None, ports=INT)
    gone, added = compare_with_main(recorded(["data"]), new, reads(port=["data"]))
    assert gone.what == "renamed to ports"
    assert gone.fault.startswith("data read it")
    assert added.what == "new, int"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, r"where this branch left main, is older than contracts\.lock\.json"),
        ("{", "not a valid lock file"),
        ('{"a": 1}', "not a valid lock file"),
    ],
)
def test_a_commit_without_a_valid_lock_file_is_refused(
    compare_with_main: Callable[..., list[Change]], text: str | None, said: str
) -> None:
    with pytest.raises(OrchestratorError, match=said):
        compare_with_main(text, BEFORE, reads())


EXPORTED = {"contract_version": 1, "vpc_id": "vpc-1", "subnets": ["a", "b", "c"], "port": 5432}
NETWORK = contract(contract_version=INT)


def stack(outputs: dict[str, Any], *references: str) -> dict[str, Any]:
    """Return the deployment of a stack with these outputs that reads these stacks."""
    read = [{"type": STACK_REFERENCE, "urn": "a::b", "id": f"organization/{reference}"} for reference in references]
    return {"resources": [{"type": STACK, "urn": "a::b", "outputs": outputs}, *read]}


Deployed = Callable[..., list[Change]]


@pytest.fixture
def deployed(tmp_path: Path) -> Deployed:
    """Return a comparison with an environment that has a network, whose outputs are changed by keyword.

    The backend also has two readers of the network (one of another product), a layer without a contract, and the
    network of another environment.
    """
    workspace = make_workspace(make_monorepo(tmp_path, {"network": (), "monitoring": ("network",)}), "dev")

    def compared(new: dict[str, ContractSchema], readers: Any, **outputs: Any) -> list[Change]:
        stacks = {
            "shop-network/dev": stack(EXPORTED | outputs),
            "shop-monitoring/dev": stack({}, "shop-network/dev"),
            "billing/live": stack({"bill": 1}, "shop-network/dev"),
            "shop-ledger/dev": stack({"bill": 1}),
            "shop-network/prod": stack(EXPORTED | {"old": "of prod"}),
        }
        for name, deployment in stacks.items():
            path = tmp_path / f"state/.pulumi/stacks/{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"checkpoint": {"latest": deployment}}))
        return against_environment(new, readers, workspace)

    return compared


def test_deployed_outputs_as_in_the_contract_are_no_change(deployed: Deployed) -> None:
    assert deployed({"network": NETWORK}, reads()) == []
    assert deployed({"network": NETWORK}, reads(), subnets=["d", "e", "f"]) == []


@pytest.mark.parametrize(
    ("outputs", "output", "what"),
    [
        ({"port": "5432"}, "port", "was str, is int"),
        ({"subnets": ["a"]}, "subnets", "was list[str] of 1, is list[str] of 3"),
        ({"subnets": 7}, "subnets", "was int, is list[str] of 3"),
        ({"port": None}, "port", "was NoneType, is int"),
    ],
)
def test_deployed_outputs_of_another_type_or_length_need_a_new_version(
    deployed: Deployed, outputs: dict[str, Any], output: str, what: str
) -> None:
    [found] = deployed({"network": NETWORK}, reads(**{output: ["monitoring"]}), **outputs)
    assert (found.output, found.what, found.readers) == (output, what, ("monitoring",))
    assert found.fault


def test_a_deployed_output_that_the_contract_no_longer_has_is_found(deployed: Deployed) -> None:
    [found] = deployed({"network": NETWORK}, reads(), replica="a")
    assert (found.output, found.what) == ("replica", "removed")
    assert deployed({"network": NETWORK}, reads(), replica="a", contract_version=0)[0].fault == ""


def test_a_deployed_output_that_is_still_read_names_its_readers(deployed: Deployed) -> None:
    [found] = deployed({"network": NETWORK}, reads(replica=["data"]), replica="a")
    assert found.fault.startswith("data read it")


def test_a_removed_layer_loses_its_outputs_and_names_its_readers(deployed: Deployed) -> None:
    found = deployed({}, reads(port=["data"]))
    assert {(each.layer, each.what) for each in found} == {("network", "removed")}
    assert {each.output for each in found} == EXPORTED.keys()
    assert {each.readers[-2:] for each in found} == {("billing/live", "monitoring")}
    assert [each.readers[0] for each in found if each.output == "port"] == ["data"]
    assert all("read it: let them stop first" in each.fault for each in found)


def test_an_environment_without_anything_deployed_is_refused(tmp_path: Path) -> None:
    workspace = make_workspace(make_monorepo(tmp_path), "dev")
    with pytest.raises(OrchestratorError, match=r"nothing is deployed in dev: \./inv deploy-all --env dev"):
        against_environment({"network": NETWORK}, reads(), workspace)


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"s3": "a"}, "dict[str, str]"), ({}, "dict[str, str]"), ([], "list[str]"), ([[1]], "list[list[int]]")],
)
def test_a_deployed_value_has_the_type_that_a_contract_would_have(deployed: Deployed, value: Any, kind: str) -> None:
    new = {"network": contract(2, contract_version=INT, extra=OutputSchema(type=kind))}
    assert deployed(new, reads(), extra=value) == []
