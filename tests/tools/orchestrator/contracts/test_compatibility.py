"""How contracts are compared with a commit and with what is deployed, and which changes are faults."""

import json
import re
from collections.abc import Callable
from pathlib import PurePath
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from shared.errors import TxmonError
from tools.orchestrator.engine.operation import STACK, STACK_REFERENCE

from tools.orchestrator.contracts.compatibility import (
    Change,
    against_commit,
    against_environment,
    changes_table,
    compare,
    outputs_table,
)
from tools.orchestrator.model.contract_schema import ContractSchema, OutputSchema
from tools.orchestrator.model.errors import OrchestratorError

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


def shown(table: Table) -> str:
    console = Console(width=200, markup=False)  # as the verbs print
    with console.capture() as captured:
        console.print(table)
    return captured.get()


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
def test_a_change_that_readers_could_notice_raises_the_version(
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
def test_an_output_with_readers_cannot_go_even_with_a_new_version(version: int) -> None:
    readers = reads(port=["data", "monitoring"], vpc_id=["data"])
    [found] = compare({"network": BEFORE}, {"network": contract(version, port=None)}, readers)
    assert found.readers == ("data", "monitoring")
    assert found.fault.startswith("data, monitoring read it: let them stop first")


def test_a_reader_before_the_change_counts_after_it_stopped_reading() -> None:
    before = contract(port=OutputSchema(type="int", readers=("data", "archive")))
    [found] = compare({"network": before}, {"network": contract(2, port=None)}, reads(port=["data"]))
    assert found.readers == ("data", "archive")
    assert found.fault.startswith("data, archive read it")


def test_other_readers_of_an_output_are_no_change() -> None:
    before = contract(port=OutputSchema(type="int", readers=("data",)))
    assert compare({"network": before}, {"network": BEFORE}, reads()) == []


def test_another_type_names_the_readers_who_accept_it_with_a_new_version() -> None:
    [found] = compare({"network": BEFORE}, {"network": contract(2, port=STR)}, reads(port=["data"]))
    assert (found.readers, found.fault) == (("data",), "")


def test_a_version_never_falls() -> None:
    [found] = compare({"network": contract(3)}, {"network": BEFORE}, reads())
    assert found.fault == "a version never falls: raise the version of the contract of network to 4"


def test_a_layer_can_go_once_nobody_reads_it() -> None:
    gone = compare({"network": BEFORE}, {}, reads(port=["data"]))
    assert {each.output: bool(each.fault) for each in gone} == {"vpc_id": False, "subnets": False, "port": True}


LOCK = PurePath("contracts.lock.json")


@pytest.fixture
def changed_since(repository) -> Callable[..., list[Change]]:
    """Compares a contract of the network with the text of the lock file on `main`, where this branch left it."""

    def changed(text: str | None, new: ContractSchema, readers: Any) -> list[Change]:
        repository.run("checkout", "--quiet", "main")
        if text is not None:
            repository.write(str(LOCK), text)
            repository.commit()
        repository.run("checkout", "--quiet", "-B", "feature")
        repository.write(str(LOCK), "{}")  # which must not count
        return against_commit({"network": new}, readers, LOCK, "main")

    return changed


def recorded(readers: list[str]) -> str:
    outputs = {name: schema.model_dump() for name, schema in OUTPUTS.items()}
    outputs["port"]["readers"] = readers
    return json.dumps({"network": {"version": 1, "outputs": outputs}})


def test_a_commit_is_compared_by_its_lock_file(changed_since: Callable[..., list[Change]]) -> None:
    assert changed_since(recorded(["data"]), contract(port=STR), reads(port=["applications"])) == [
        Change("network", "port", "was int, is str", ("applications", "data"), RAISE)
    ]


def test_an_unchanged_contract_has_no_changes(changed_since: Callable[..., list[Change]]) -> None:
    assert changed_since(recorded(["data"]), BEFORE, reads()) == []
    assert changes_table([]) == "no output has changed"


def test_a_deleted_reader_still_counts(changed_since: Callable[..., list[Change]]) -> None:
    [gone] = changed_since(recorded(["archive"]), contract(2, port=None), reads())
    assert (gone.output, gone.readers) == ("port", ("archive",))


def test_a_renamed_output_that_is_still_read_names_its_readers(changed_since: Callable[..., list[Change]]) -> None:
    new = contract(port=None, ports=INT)
    gone, added = changed_since(recorded(["data"]), new, reads(port=["data"]))
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
    changed_since: Callable[..., list[Change]], text: str | None, said: str
) -> None:
    with pytest.raises(OrchestratorError, match=said):
        changed_since(text, BEFORE, reads())


EXPORTED = {"contract_version": 1, "vpc_id": "vpc-1", "subnets": ["a", "b", "c"], "port": 5432}
NETWORK = contract(contract_version=INT)


def stack(outputs: dict[str, Any], *references: str) -> dict[str, Any]:
    """Return the deployment of a stack with these outputs that has read these stacks."""
    read = [{"type": STACK_REFERENCE, "id": f"organization/{reference}"} for reference in references]
    return {"resources": [{"type": STACK, "outputs": outputs}, *read]}


def deployed(new: dict[str, ContractSchema], readers: Any, **outputs: Any) -> list[Change]:
    """Return the changes against an environment with a network, whose outputs are changed as said.

    The backend also has two readers of the network (one of another product), a layer without a contract, and the
    network of another environment.
    """
    stacks = {
        "txmon-network/dev": stack(EXPORTED | outputs),
        "txmon-monitoring/dev": stack({}, "txmon-network/dev"),
        "billing/live": stack({"bill": 1}, "txmon-network/dev"),
        "txmon-ledger/dev": stack({"bill": 1}),
        "txmon-network/prod": stack(EXPORTED | {"old": "of prod"}),
    }
    workspace: Any = SimpleNamespace(env="dev", export_all=lambda *, everywhere: stacks if everywhere else {})
    return against_environment(new, readers, workspace)


def test_outputs_that_are_deployed_as_the_contract_says_are_no_change() -> None:
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
    outputs: dict[str, Any], output: str, what: str
) -> None:
    [found] = deployed({"network": NETWORK}, reads(**{output: ["monitoring"]}), **outputs)
    assert (found.output, found.what, found.readers) == (output, what, ("monitoring",))
    assert found.fault


def test_a_deployed_output_that_the_contract_no_longer_has_is_found() -> None:
    [found] = deployed({"network": NETWORK}, reads(), replica="a")
    assert (found.output, found.what) == ("replica", "removed")
    assert deployed({"network": NETWORK}, reads(), replica="a", contract_version=0)[0].fault == ""


def test_a_deployed_output_that_is_still_read_names_its_readers() -> None:
    [found] = deployed({"network": NETWORK}, reads(replica=["data"]), replica="a")
    assert found.fault.startswith("data read it")


def test_a_removed_layer_loses_its_outputs_and_names_the_stacks_that_read_it() -> None:
    found = deployed({}, reads(port=["data"]))
    assert {(each.layer, each.what) for each in found} == {("network", "removed")}
    assert {each.output for each in found} == EXPORTED.keys()
    assert {each.readers[-2:] for each in found} == {("billing/live", "monitoring")}
    assert [each.readers[0] for each in found if each.output == "port"] == ["data"]
    assert all("read it: let them stop first" in each.fault for each in found)


def test_an_environment_without_anything_deployed_is_refused() -> None:
    workspace: Any = SimpleNamespace(env="dev", export_all=lambda **_: {})
    with pytest.raises(
        (TxmonError, OrchestratorError), match=r"nothing is deployed in dev: \./inv deploy-all --env dev"
    ):
        against_environment({"network": NETWORK}, reads(), workspace)


@pytest.mark.parametrize(
    ("value", "kind"),
    [({"s3": "a"}, "dict[str, str]"), ({}, "dict[str, str]"), ([], "list[str]"), ([[1]], "list[list[int]]")],
)
def test_a_deployed_value_has_the_type_that_a_contract_would_write(value: Any, kind: str) -> None:
    new = {"network": contract(2, contract_version=INT, extra=OutputSchema(type=kind))}
    assert deployed(new, reads(), extra=value) == []


def test_a_list_is_shown_with_its_type_and_length() -> None:
    assert re.search(r"subnets +list\[str\] of 3", shown(outputs_table({"network": BEFORE})))
    assert "is list[str] of 3" in shown(changes_table([Change("a", "b", "is list[str] of 3")]))


def test_a_table_has_a_row_for_each_output_or_change() -> None:
    table = outputs_table({"network": contract(port=OutputSchema(type="int", readers=("data", "applications")))})
    assert [list(column.cells) for column in table.columns] == [
        ["network"] * 3,
        ["1"] * 3,
        ["vpc_id", "subnets", "port"],
        ["str", "list[str] of 3", "int"],
        ["", "", "data, applications"],
    ]
    table = changes_table([Change("a", "b", "c"), Change("d", "e", "f", ("g", "i"), "h")])
    assert [list(column.cells) for column in table.columns] == [
        ["d", "a"],
        ["e", "b"],
        ["f", "c"],
        ["g, i", ""],
        ["h", ""],
    ]
