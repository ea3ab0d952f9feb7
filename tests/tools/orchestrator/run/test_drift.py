"""The drift of an environment, from the layers' operations."""

import json
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo
from tools.orchestrator.model.monorepo import Monorepo
from tools.orchestrator.model.operation import Action, Difference, Operation, OperationStatus
from tools.orchestrator.render.drift import as_json, as_text
from tools.orchestrator.run import drift

GONE = Difference("queue-dev", "aws:sqs/queue:Queue", None, "deployed", "gone")


@pytest.fixture
def monorepo(tmp_path: Path) -> Monorepo:
    """Return a monorepo in which `streaming` has a reader and `monitoring` has none."""
    return make_monorepo(tmp_path, {"network": (), "streaming": (), "data": (), "monitoring": ["streaming"]})


def ended(layer: str, status: OperationStatus, *found: Difference) -> Operation:
    return Operation(layer, Action.DRIFT, status=status, drifted=list(found))


@pytest.mark.parametrize(
    ("operations", "code"),
    [
        ([ended("network", OperationStatus.SUCCEEDED), ended("data", OperationStatus.SUCCEEDED)], 0),
        ([ended("network", OperationStatus.SUCCEEDED, GONE), ended("data", OperationStatus.SUCCEEDED)], 2),
        ([ended("network", OperationStatus.SUCCEEDED, GONE), ended("data", OperationStatus.FAILED)], 1),
        ([ended("network", OperationStatus.SUCCEEDED), ended("data", OperationStatus.INTERRUPTED)], 1),
    ],
)
def test_the_exit_code_is_1_before_2_before_0(operations: list[Operation], code: int) -> None:
    assert drift.drift_of("dev", operations).exit_code == code


def test_a_failed_layer_is_not_reported_as_free_of_drift(monorepo: Monorepo) -> None:
    result = drift.drift_of(
        "dev", [ended("network", OperationStatus.SUCCEEDED), ended("data", OperationStatus.FAILED)]
    )
    assert json.loads(as_json(result)) == {"network": []}
    assert as_text(result, monorepo) == "data: not known"
