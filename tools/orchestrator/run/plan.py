"""The plan of a whole system: what every layer would do, given what the layers it reads would do.

Pulumi previews a layer against the deployed outputs of the others. Here each preview hands its planned outputs to the
previews of its readers (`shared.contracts` takes them), so that an upstream replacement shows downstream too.
"""

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from shared.errors import TxmonError
from shared.graph import LAYERS
from tools.orchestrator.engine.operation import Operation, Step, is_unknown


class PlannedLayer(BaseModel):
    """What a layer would do."""

    steps: list[Step]
    outputs: dict[str, str]
    """Outputs that would change: name -> `old -> new`, `unknown` for what only the deploy will tell."""


class Plan(BaseModel):
    """What a deploy-all would do, to be approved and then held to."""

    env: str
    layers: dict[str, PlannedLayer]

    @property
    def changes(self) -> bool:
        """Whether anything would change, an output included."""
        return any(layer.steps or layer.outputs for layer in self.layers.values())

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """A saved plan.

        Raises:
            TxmonError: the file is missing or no plan.
        """
        try:
            return cls.model_validate_json(path.read_text())
        except FileNotFoundError:
            mend = f"./inv preview-all --save {shlex.quote(str(path))}"
            raise TxmonError(f"there is no {path}; make it with: {mend}") from None
        except (OSError, UnicodeDecodeError, ValidationError):
            raise TxmonError(f"{path} is no plan; make one with: ./inv preview-all --save FILE") from None

    def among(self, layers: Iterable[str], env: str) -> list[str]:
        """Those of `layers` that the plan is about.

        Raises:
            TxmonError: it is a plan for another environment, about none of them, or about layers that are gone.
        """
        if self.env != env:
            raise TxmonError(
                f"this is a plan for {self.env}, not for {env}: make one with ./inv preview-all --env {env}"
            )
        gone = self.layers.keys() - LAYERS.keys()
        if gone:
            raise TxmonError(
                f"the plan is about {', '.join(sorted(gone))}, which is no layer any more: make a new one"
            )
        chosen = [layer for layer in layers if layer in self.layers]
        if not chosen:
            raise TxmonError(f"the plan is about none of these layers, but about {', '.join(self.layers)}")
        return chosen

    def only(self, layers: Iterable[str]) -> "Plan":
        """What it says of these layers."""
        return Plan(env=self.env, layers={layer: self.layers[layer] for layer in layers if layer in self.layers})

    def surprise(self, now: Operation) -> str | None:
        """What a layer would lose by its preview `now` and not by the plan, as a sentence; None if nothing."""
        approved = {(step.op, step.type, step.name) for step in self.layers[now.layer].steps}
        new = [step for step in now.steps if step.loses and (step.op, step.type, step.name) not in approved]
        if not new:
            return None
        named = ", ".join(sorted({f"{step.op} {step.label}" for step in new}))
        return (
            f"stopped before it began, because it would now {named}, which the approved plan does not have; "
            f"look at it with ./inv preview {now.layer} --env {self.env}, then run deploy-all again"
        )


def room_for_plan(path: Path) -> Path:
    """Where a plan may be saved: nothing is there, or nothing is in it, or an older plan.

    Raises:
        TxmonError: something else is, which would be lost.
    """
    if path.is_file() and path.stat().st_size:
        Plan.load(path)
    return path


def plan_of(env: str, operations: Iterable[Operation]) -> Plan:
    """The plan that a run of previews has made."""
    layers = {
        operation.layer: PlannedLayer(steps=operation.steps, outputs=output_changes(operation))
        for operation in operations
    }
    return Plan(env=env, layers=layers)


def output_changes(operation: Operation) -> dict[str, str]:
    """Outputs that a preview would change, which the engine itself does not count as changes."""
    before, after = operation.old_outputs, operation.outputs
    return {
        name: f"{_shown(before.get(name))} -> {_shown(after.get(name))}"
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    }


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    return "unknown" if is_unknown(value) else str(value)


def show(plan: Plan, console: Console) -> None:
    """The plan as a table: first and loud what loses state, then what is lost beside, the rest, changed outputs."""
    rows = sorted(_rows(plan), key=lambda row: (not row[1].loses_state, not row[1].loses))
    losses = [step for _, step in rows if step.loses]
    if losses:
        state = sum(step.loses_state for step in losses)
        console.print(
            f"{len(losses)} resources would be replaced or deleted, {state} of them with the state they hold:",
            style="bold red",
        )
    if rows:
        console.print(_steps_table(rows))
    for layer, planned in plan.layers.items():
        for name, change in planned.outputs.items():
            console.print(f"{layer} output {name}: {change}", soft_wrap=True)


def _rows(plan: Plan) -> Iterator[tuple[str, Step]]:
    for layer, planned in plan.layers.items():
        for step in planned.steps:
            yield layer, step


def _steps_table(rows: list[tuple[str, Step]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "step", "resource", "because of"):
        table.add_column(heading, no_wrap=heading != "because of", overflow="ellipsis")
    for layer, step in rows:
        protected = " (protected)" if step.protected and step.loses else ""
        style = "bold red" if step.loses_state else "red" if step.loses else ""
        table.add_row(layer, step.op, f"{step.label}{protected}", ", ".join(step.keys), style=style)
    return table
