"""A plan as a table."""

from rich.console import Console

from tools.orchestrator.model.operation import Step
from tools.orchestrator.model.plan import Plan
from tools.orchestrator.render.table import Row, table


def show(plan: Plan, console: Console) -> None:
    """Print the steps of a plan (lost state first, then other losses), then the changed outputs."""
    steps = [(layer, step) for layer, planned in plan.layers.items() for step in planned.steps]
    steps.sort(key=lambda each: (not each[1].is_state_loss, not each[1].is_loss))
    losses = [step for _, step in steps if step.is_loss]
    if losses:
        state = sum(step.is_state_loss for step in losses)
        console.print(
            f"{len(losses)} resources would be replaced or deleted, {state} of them with the state they hold:",
            style="bold red",
        )
    if steps:
        rows = [_row(layer, step) for layer, step in steps]
        console.print(table("layer", "step", "resource", "because of", rows=rows, fold=["because of"]))
    for layer, planned in plan.layers.items():
        for name, change in planned.outputs.items():
            console.print(f"{layer} output {name}: {change}", soft_wrap=True)


def _row(layer: str, step: Step) -> Row:
    protected = " (protected)" if step.protected and step.is_loss else ""
    style = "bold red" if step.is_state_loss else "red" if step.is_loss else ""
    return Row((layer, step.op, f"{step.label}{protected}", ", ".join(step.keys)), style)
