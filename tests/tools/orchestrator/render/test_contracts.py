"""Contracts, and changes of contracts, as tables."""

import re

from rich.console import Console
from rich.table import Table

from tools.orchestrator.contracts.compatibility import Change
from tools.orchestrator.model.contract_schema import ContractSchema, OutputSchema
from tools.orchestrator.render.contracts import changes_table, outputs_table

NETWORK = ContractSchema(
    version=1,
    outputs={
        "vpc_id": OutputSchema(type="str"),
        "subnets": OutputSchema(type="list[str]", length=3),
        "port": OutputSchema(type="int", readers=("data", "applications")),
    },
)


def printed(table: Table | str) -> str:
    console = Console(width=200, markup=False)  # as the verbs print
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def cells(table: Table | str) -> list[list[object]]:
    assert isinstance(table, Table)
    return [list(column.cells) for column in table.columns]


def test_brackets_and_lengths_of_types_are_printed() -> None:
    assert re.search(r"subnets +list\[str\] of 3", printed(outputs_table({"network": NETWORK})))
    assert "is list[str] of 3" in printed(changes_table([Change("a", "b", "is list[str] of 3")]))


def test_contracts_have_a_row_for_each_output() -> None:
    assert cells(outputs_table({"network": NETWORK})) == [
        ["network"] * 3,
        ["1"] * 3,
        ["vpc_id", "subnets", "port"],
        ["str", "list[str] of 3", "int"],
        ["", "", "data, applications"],
    ]


def test_changes_that_are_faults_come_first() -> None:
    assert cells(changes_table([Change("a", "b", "c"), Change("d", "e", "f", ("g", "i"), "h")])) == [
        ["d", "a"],
        ["e", "b"],
        ["f", "c"],
        ["g, i", ""],
        ["h", ""],
    ]


def test_contracts_without_a_change_are_one_sentence() -> None:
    assert changes_table([]) == "no output has changed"
