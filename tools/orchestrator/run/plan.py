"""Plans on disk, and the plan that a run of previews has made.

Pulumi previews a layer against the deployed outputs of the others. The orchestrator hands each layer's planned
outputs to the previews of its readers, so that an upstream replacement shows downstream, too.
"""

import shlex
from collections.abc import Iterable
from pathlib import Path

from pydantic import TypeAdapter

from tools.orchestrator.model.document import parse
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import Operation, output_changes
from tools.orchestrator.model.plan import Plan, PlannedLayer
from tools.orchestrator.model.values import value_text

PLAN = TypeAdapter(Plan)


def save(plan: Plan, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(plan.model_dump_json(indent=2) + "\n", "utf-8")


def load(path: Path) -> Plan:
    """Return a saved plan.

    Raises:
        OrchestratorError: the file is missing or is not a plan.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        remedy = f"./inv preview-all --save {shlex.quote(str(path))}"
        raise OrchestratorError(f"there is no {path}; make it with: {remedy}") from None
    return parse(PLAN, text, where=str(path), kind="a plan", remedy="make one with: ./inv preview-all --save FILE")


def require_replaceable(path: Path) -> Path:
    """Check that saving a plan loses nothing but an older plan; return the path.

    Raises:
        OrchestratorError: the file holds something else.
    """
    if path.is_file() and path.stat().st_size:
        load(path)
    return path


def plan_of(env: str, operations: Iterable[Operation]) -> Plan:
    """Return the plan that previews have made."""
    layers = {
        operation.layer: PlannedLayer(steps=operation.steps, outputs=_output_changes(operation))
        for operation in operations
    }
    return Plan(env=env, layers=layers)


def _output_changes(operation: Operation) -> dict[str, str]:
    return {name: f"{value_text(old)} -> {value_text(new)}" for name, (old, new) in output_changes(operation).items()}
