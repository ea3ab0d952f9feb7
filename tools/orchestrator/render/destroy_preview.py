"""What a destroy deletes and keeps, as a table."""

from collections.abc import Collection, Sequence

from rich.console import Console

from tools.orchestrator.model.stack import StackSnapshot
from tools.orchestrator.render.table import table
from tools.orchestrator.run.destroy_preview import owned_resources, remains


def show(stacks: Sequence[StackSnapshot], stateful_types: Collection[str], console: Console) -> None:
    """Print how many resources each layer loses, and name those that hold state or that AWS keeps in part."""
    counted = ", ".join(
        f"{sum(not resource.get('retainOnDelete') for resource in owned_resources(stack))} in {stack.name}"
        for stack in stacks
    )
    console.print(f"to be deleted: {counted}; with what they hold:")
    rows = [
        (stack.name, f"{resource['type']} {resource['urn'].rsplit('::', 1)[-1]}", ", ".join(left) or "nothing")
        for stack in stacks
        for resource in owned_resources(stack)
        for left in [remains(resource)]
        if left or resource["type"] in stateful_types
    ]
    console.print(table("layer", "resource", "stays behind", rows=rows, fold=["stays behind"]))
