"""The plan of a whole system: what each layer would do, given what the layers it reads would do."""

from collections.abc import Iterable

from pydantic import BaseModel

from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import Operation, Step


class PlannedLayer(BaseModel):
    """What a layer would do."""

    steps: list[Step]
    outputs: dict[str, str]
    """Outputs that would change: name -> `old -> new`, with `unknown` for a value that only the deploy shows."""


class Plan(BaseModel):
    """What a deploy-all would do. Once approved, the deploy is held to it."""

    env: str
    layers: dict[str, PlannedLayer]

    @property
    def changes(self) -> bool:
        """Whether a resource or an output would change."""
        return any(layer.steps or layer.outputs for layer in self.layers.values())

    def select(self, layers: Iterable[str], env: str, monorepo: Monorepo) -> list[str]:
        """Return those of `layers` that the plan covers.

        Raises:
            OrchestratorError: the plan is for another environment, covers none of the layers, or covers one that the
                repository no longer has.
        """
        if self.env != env:
            raise OrchestratorError(
                f"this is a plan for {self.env}, not for {env}: make one with ./inv preview-all --env {env}"
            )
        removed = monorepo.removed_layers(self.layers)
        if removed:
            raise OrchestratorError(
                f"the plan covers {', '.join(removed)}, which is no longer a layer: make a new plan"
            )
        chosen = [layer for layer in layers if layer in self.layers]
        if not chosen:
            raise OrchestratorError(f"the plan covers none of these layers, but {', '.join(self.layers)}")
        return chosen

    def only(self, layers: Iterable[str]) -> "Plan":
        """Return the part of the plan for these layers."""
        return Plan(env=self.env, layers={layer: self.layers[layer] for layer in layers if layer in self.layers})

    def unapproved_changes(self, preview: Operation) -> str | None:
        """Return what a layer would now lose although the plan does not say so, as a sentence; None if nothing."""
        approved = {(step.op, step.type, step.name) for step in self.layers[preview.layer].steps}
        new = [step for step in preview.steps if step.is_loss and (step.op, step.type, step.name) not in approved]
        if not new:
            return None
        named = ", ".join(sorted({f"{step.op} {step.label}" for step in new}))
        return (
            f"stopped before it began, because it would now {named}, which the approved plan does not have; "
            f"look at it with ./inv preview {preview.layer} --env {self.env}, then run deploy-all again"
        )
