"""Contracts, and changes of contracts, as tables."""

from rich.table import Table

from tools.orchestrator.contracts.compatibility import Change
from tools.orchestrator.model.contract_schema import Contracts
from tools.orchestrator.render.table import Row, table


def outputs_table(contracts: Contracts) -> Table:
    """Return a row for each output of each layer, with its type and readers."""
    headings = ("layer", "version", "output", "type", "read by")
    rows = [
        (layer, str(contract.version), output, str(schema), ", ".join(schema.readers))
        for layer, contract in contracts.items()
        for output, schema in contract.outputs.items()
    ]
    return table(*headings, rows=rows, fold=headings)


def changes_table(changes: list[Change]) -> Table | str:
    """Return a row for each change, breaking changes first; a sentence if there is none."""
    if not changes:
        return "no output has changed"
    headings = ("layer", "output", "change", "read by", "remedy")
    rows = [
        Row(
            (each.layer, each.output, each.what, ", ".join(each.readers), each.fault),
            "bold red" if each.fault else "",
        )
        for each in sorted(changes, key=lambda each: not each.fault)
    ]
    return table(*headings, rows=rows, fold=headings)
