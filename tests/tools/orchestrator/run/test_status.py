"""How an environment is, by its state, locks and journal, and what to do next."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.model.operation import STACK, STACK_REFERENCE, OperationStatus
from tools.orchestrator.model.stack import Snapshot, StackSnapshot, UpdateRecord
from tools.orchestrator.run.journal import LayerRecord, RunRecord
from tools.orchestrator.run.status import EnvironmentStatus, judge
from tools.orchestrator.state.locks import Lock

LAYERS = ("network", "data")
NOW = datetime.now(UTC)
NOBODY = 2**22 + 1
"""Above the highest process ID of Linux."""
GOOD = UpdateRecord("update", "succeeded", (NOW - timedelta(hours=1)).isoformat(), "")


def deployed(layer: str, last: UpdateRecord = GOOD, *pending: str) -> StackSnapshot:
    operations = [{"type": "creating", "resource": {"urn": f"a::{name}"}} for name in pending]
    return StackSnapshot(
        layer, {"resources": [{"type": "t", "urn": "a::b"}] * 3, "pending_operations": operations}, last
    )


StatusOf = Callable[..., EnvironmentStatus]


@pytest.fixture
def status_of(tmp_path: Path) -> StatusOf:
    """Return a function that judges an environment whose layers are healthy, except for the given stacks."""
    workspace = make_workspace(make_monorepo(tmp_path, dict.fromkeys(LAYERS, ())))

    def judged(*stacks: StackSnapshot, **more: Any) -> EnvironmentStatus:
        known = {layer: deployed(layer) for layer in LAYERS} | {stack.name: stack for stack in stacks}
        facts: dict[str, Any] = {"locks": {}, "holder": None, "unfinished_run": None}
        return judge(workspace, Snapshot("dev", known), **facts | more)

    return judged


def health(status: EnvironmentStatus, layer: str) -> str:
    [found] = [each.health for each in status.layers if each.layer == layer]
    return found


def killed(verb: str, layer: str, began: datetime) -> RunRecord:
    record = LayerRecord(action="up", status=OperationStatus.RUNNING, began=began)
    return RunRecord(verb=verb, env="dev", pid=NOBODY, began=began, wanted=[layer], layers={layer: record})


def test_an_environment_without_faults_has_no_next_steps(status_of: StatusOf) -> None:
    found = status_of()
    assert {each.health for each in found.layers} == {"ok"}
    assert found.next_steps == []


def test_a_layer_whose_sources_have_changed_has_no_next_command(status_of: StatusOf) -> None:
    update = UpdateRecord("update", "succeeded", NOW.isoformat(), "shop up by a@b, sources 00000000")
    found = status_of(deployed("data", update))
    assert health(found, "data") == "changed since"
    assert found.next_steps == []


@pytest.mark.parametrize(
    ("stack", "expected", "line"),
    [
        (
            deployed("data", UpdateRecord("update", "failed", "", "")),
            "failed",
            "data: its last update failed: ./inv up data --env dev",
        ),
        (
            deployed("data", UpdateRecord("destroy", "succeeded", "", "")),
            "interrupted",
            (
                "data: its destroy or an update after it was interrupted with 3 resources left: "
                "./inv up data --env dev or ./inv destroy data --env dev"
            ),
        ),
        (
            deployed("data", GOOD, "db"),
            "interrupted",
            "data: its last update was interrupted while creating db: ./inv unlock data --env dev",
        ),
        (deployed("ledger"), "removed", "ledger is no longer a layer: ./inv destroy ledger --env dev"),
    ],
)
def test_a_layer_with_a_fault_has_a_next_command(
    status_of: StatusOf, stack: StackSnapshot, expected: str, line: str
) -> None:
    found = status_of(stack)
    assert health(found, stack.name) == expected
    assert found.next_steps == [line]


def test_a_layer_that_read_something_else_is_stale_and_named_with_its_command(tmp_path: Path) -> None:
    monorepo = make_monorepo(tmp_path, {"network": (), "data": ["network"]})
    layers = {name: replace(each, output_readers=lambda: {"id": ["data"]}) for name, each in monorepo.layers.items()}
    read = {"type": STACK_REFERENCE, "id": "o/shop-network/dev", "outputs": {"outputs": {"id": 1}}}
    stacks = {
        "network": StackSnapshot("network", {"resources": [{"type": STACK, "outputs": {"id": 2}}]}, GOOD),
        "data": StackSnapshot("data", {"resources": [read]}, GOOD),
    }
    workspace = make_workspace(replace(monorepo, layers=layers))
    found = judge(workspace, Snapshot("dev", stacks), locks={}, holder=None, unfinished_run=None)
    assert health(found, "data") == "stale"
    assert found.next_steps == ["stale: data (network changed); next: ./inv up data --env dev"]


def test_a_layer_with_a_running_update_has_no_next_command(status_of: StatusOf) -> None:
    found = status_of(deployed("data", GOOD, "db"), locks={"data": Lock.of_this_process("")})
    assert health(found, "data") == "running"
    assert found.next_steps == []


def test_a_killed_run_is_named_with_its_locks_and_its_unfinished_layers(status_of: StatusOf) -> None:
    lock = Lock.of_this_process("destroy-all").model_copy(update={"pid": NOBODY})
    run = killed("destroy-all", "data", NOW)
    found = status_of(locks={"data": lock}, holder=lock, unfinished_run=(run, ["data", "network"]))
    assert health(found, "data") == "interrupted"
    left_locked, holder, resume = found.next_steps
    assert left_locked == "data was left locked: ./inv unlock data --env dev"
    assert holder.startswith("dev is being changed by ")
    assert holder.endswith(" s; the next run takes its lock over")
    assert resume.startswith(
        f"destroy-all of {NOW:%Y-%m-%d %H:%M:%S} UTC was killed and left data, network: ./inv res"
    )


@pytest.mark.parametrize(("ago", "expected"), [(timedelta(0), "interrupted"), (timedelta(hours=2), "ok")])
def test_a_layer_whose_run_was_killed_is_interrupted_until_its_next_update(
    status_of: StatusOf, ago: timedelta, expected: str
) -> None:
    found = status_of(unfinished_run=(killed("destroy-all", "data", NOW - ago), ["data"]))
    assert health(found, "data") == expected
    line = "data: its last update was killed: ./inv destroy data --env dev"
    assert (line in found.next_steps) is (expected == "interrupted")


def test_a_running_run_is_not_to_be_resumed(status_of: StatusOf) -> None:
    run = RunRecord(verb="deploy-all", env="dev", wanted=["data"])
    assert status_of(unfinished_run=(run, ["data"])).next_steps == []
