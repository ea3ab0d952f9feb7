"""The plan of a whole system: what every layer would do, given what the layers it reads would do.

Pulumi previews a layer against the deployed outputs of the others. Here each preview hands its planned outputs to the
previews of its readers (`shared.contracts.base` takes them), so that an upstream replacement shows downstream too.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from pydantic import BaseModel, ValidationError
from rich.console import Console
from rich.table import Table

from shared.deploy.operation import Action, Operation, Step, is_unknown
from shared.deploy.workspace import Workspace
from shared.errors import TxmonError
from shared.layers import LAYERS

DANGER = frozenset({"replace", "delete"})
"""Steps that lose what a resource holds; shown first, and never done unless the approved plan has them."""


class PlannedStep(BaseModel):
    """One step of a plan."""

    op: str
    type: str
    name: str
    keys: tuple[str, ...] = ()
    protected: bool = False

    @property
    def loses(self) -> bool:
        return self.op in DANGER


class PlannedLayer(BaseModel):
    """What a layer would do."""

    steps: list[PlannedStep]
    outputs: dict[str, str]
    """Outputs that would change: name -> `old -> new`, `unknown` for what only the deploy will tell."""
    certain: bool
    """Whether all that it read was known; else the deploy looks again before it begins."""
    unchanged: int


class Plan(BaseModel):
    """What a deploy-all would do, to be approved and then held to."""

    env: str
    layers: dict[str, PlannedLayer]

    @property
    def changes(self) -> bool:
        """Whether anything would change, an output included."""
        return any(layer.steps or layer.outputs for layer in self.layers.values())

    def save(self, path: Path) -> None:
        path.write_text(self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Plan":
        """A saved plan.

        Raises:
            TxmonError: the file is missing or no plan.
        """
        try:
            return cls.model_validate_json(path.read_text())
        except (OSError, ValidationError):
            raise TxmonError(f"{path} holds no plan; make one with: ./inv preview-all --save {path}") from None

    def among(self, layers: Iterable[str], env: str) -> list[str]:
        """Those of `layers` that the plan is about.

        Raises:
            TxmonError: it is a plan for another environment, or about none of them.
        """
        if self.env != env:
            raise TxmonError(
                f"this is a plan for {self.env}, not for {env}: make one with ./inv preview-all --env {env}"
            )
        chosen = [layer for layer in layers if layer in self.layers]
        if not chosen:
            raise TxmonError(f"the plan is about none of these layers, but about {', '.join(self.layers)}")
        return chosen

    def surprise(self, workspace: Workspace, layer: str) -> str | None:
        """What the layer would lose now that the plan does not have, as a sentence; None if nothing.

        Looked up only where the plan could not be certain and the layer holds something.
        """
        planned = self.layers.get(layer)
        if planned and (planned.certain or not (planned.unchanged or planned.steps)):
            return None
        approved = {(step.type, step.name) for step in (planned.steps if planned else ()) if step.loses}
        now = Operation(layer, Action.PREVIEW)
        with TemporaryDirectory() as folder:
            now.run(workspace, "", Path(folder) / "events", lambda _: None)
        new = [step for step in now.steps if step.op in DANGER and (step.type, step.name) not in approved]
        if not new:
            return None
        named = ", ".join(sorted({f"{step.op} {step.label}" for step in new}))
        return (
            f"stopped before it began, because it would now {named}, which the approved plan does not have; "
            f"look at it with ./inv preview {layer} --env {workspace.env}, then run deploy-all again"
        )


def plan_of(env: str, operations: Iterable[Operation]) -> Plan:
    """The plan that a run of previews has made."""
    made = {operation.layer: operation for operation in operations}
    layers = {
        layer: PlannedLayer(
            steps=[_planned(step) for step in operation.steps],
            outputs=output_changes(operation),
            certain=not any(_uncertain(made[need]) for need in LAYERS[layer].reads & made.keys()),
            unchanged=operation.counts["same"],
        )
        for layer, operation in made.items()
    }
    return Plan(env=env, layers=layers)


def _planned(step: Step) -> PlannedStep:
    return PlannedStep(op=step.op, type=step.type, name=step.name, keys=step.keys, protected=step.protected)


def _uncertain(upstream: Operation) -> bool:
    return any(is_unknown(value) for value in upstream.outputs.values())


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
    """The plan as a table: first and loud what loses something, then the rest, then the outputs that change."""
    rows = sorted(_rows(plan), key=lambda row: not row[1].loses)
    losses = [row for row in rows if row[1].loses]
    if losses:
        console.print(f"{len(losses)} resources would be replaced or deleted:", style="bold red")
    if rows:
        console.print(_steps_table(rows))
    for layer, planned in plan.layers.items():
        for name, change in planned.outputs.items():
            console.print(f"{layer} output {name}: {change}", soft_wrap=True)


def _rows(plan: Plan) -> Iterator[tuple[str, PlannedStep]]:
    for layer, planned in plan.layers.items():
        for step in planned.steps:
            yield layer, step


def _steps_table(rows: list[tuple[str, PlannedStep]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("layer", "step", "resource", "because of"):
        table.add_column(heading, no_wrap=heading != "because of", overflow="ellipsis")
    for layer, step in rows:
        protected = " (protected)" if step.protected and step.loses else ""
        style = "bold red" if step.loses else ""
        table.add_row(layer, step.op, f"{step.type} {step.name}{protected}", ", ".join(step.keys), style=style)
    return table
