"""What is deployed, read from checkpoints in a folder, as the engine keeps them; and how often a run reads them."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.engine import make_engine, write_checkpoint
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.stack import StackSnapshot, UpdateRecord, last_significant_update
from tools.orchestrator.state import checkpoints
from tools.orchestrator.state.checkpoints import find_deployed, read_snapshot

BUCKET = [{"type": "aws:s3/bucket:Bucket", "urn": "a::bucket"}]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return an environment `dev` without an engine to ask."""
    return make_workspace(make_monorepo(tmp_path))


def test_layers_go_by_their_name_and_other_stacks_by_project_and_stack(workspace: Workspace) -> None:
    for stack in ("shop-base/dev", "shop-ledger/dev", "shop-base/prod", "fraud/dev"):
        write_checkpoint(workspace, stack, BUCKET)
        write_checkpoint(workspace, stack, [], ".bak")
    write_checkpoint(workspace, "shop-store/dev", [])
    snapshot = read_snapshot(workspace)
    assert snapshot.deployed.keys() == {"base", "ledger", "fraud/dev"}
    assert snapshot.stacks.keys() == {"base", "ledger", "fraud/dev", "store"}
    assert snapshot.stack("base").resources == BUCKET
    assert snapshot.without_stack(workspace.monorepo.layers) == ["vault", "watch"]
    assert workspace.monorepo.removed_layers(snapshot.deployed) == ["ledger"]
    everywhere = read_snapshot(workspace, everywhere=True)
    assert everywhere.deployed.keys() == {"base", "ledger", "fraud/dev", "shop-base/prod"}


def test_a_deployed_layer_is_found_though_it_was_removed(workspace: Workspace) -> None:
    write_checkpoint(workspace, "shop-ledger/dev", BUCKET)
    snapshot = read_snapshot(workspace)
    assert [find_deployed(workspace, snapshot, name) for name in ("base", "ledger")] == ["base", "ledger"]
    with pytest.raises(OrchestratorError, match="there is no layer 'stor'; did you mean 'store'"):
        find_deployed(workspace, snapshot, "stor")


def test_a_damaged_checkpoint_is_named_with_the_one_before_it(workspace: Workspace) -> None:
    path = write_checkpoint(workspace, "shop-base/dev", [])
    path.write_text('{"version": 3, "checkp')
    message = rf"^{path} is not a checkpoint \(.*\); the one before it is {path}\.bak$"
    with pytest.raises(OrchestratorError, match=message):
        read_snapshot(workspace)


UP = UpdateRecord("update", "succeeded", "1", "")
FAILED = UpdateRecord("update", "failed", "2", "")
REFRESHED = UpdateRecord("refresh", "succeeded", "3", "")
NOT_REFRESHED = UpdateRecord("refresh", "failed", "4", "")
RESOLVED = UpdateRecord("refresh", "succeeded", "5", "shop unlock, resolved creating vpc-dev")


@pytest.mark.parametrize(
    ("history", "significant"),
    [
        ([], None),
        ([UP, FAILED], UP),
        ([REFRESHED, REFRESHED, FAILED, UP], FAILED),
        ([REFRESHED, RESOLVED, UP], RESOLVED),
        ([NOT_REFRESHED, UP], NOT_REFRESHED),
        ([REFRESHED], REFRESHED),
    ],
)
def test_a_refresh_that_succeeds_hides_no_failed_update(
    history: list[UpdateRecord], significant: UpdateRecord | None
) -> None:
    assert last_significant_update(history) == significant


def test_resources_left_by_a_destroy_are_counted_as_summaries_count_them() -> None:
    types = ("pulumi:pulumi:Stack", "pulumi:pulumi:StackReference", "aws:s3/bucket:Bucket")
    deployment = {"resources": [{"type": kind} for kind in types]}
    left = StackSnapshot("store", deployment, UpdateRecord("destroy", "succeeded", "", ""))
    assert left.size == 2
    assert left.fault.endswith("with 2 resources left")


TERMINAL = Terminal(Console(quiet=True))
VERBS: dict[str, Callable[[Workspace, list[str]], object]] = {
    "deploy-all": lambda it, layers: commands.deploy_all(it, TERMINAL, yes=True, parallel=4, layers=layers),
    "preview-all": lambda it, layers: commands.preview_all(it, TERMINAL, parallel=4, layers=layers),
    "status": lambda it, _: commands.status(it, TERMINAL.console),
    "outputs": lambda it, _: commands.outputs(it),
    "drift": lambda it, _: commands.drift(it, TERMINAL.console, 4),
    "up": lambda it, layers: commands.up(it, TERMINAL, layers[0], yes=True),
    "destroy-all": lambda it, _: commands.destroy_all(it, TERMINAL, yes=True, parallel=4),
}


@pytest.fixture
def snapshots_read() -> Iterator[list[logging.LogRecord]]:
    """Collect a record of each time that checkpoints are read; a verb of another test may keep them from `caplog`."""
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign]
    level = checkpoints.logger.level
    checkpoints.logger.addHandler(handler)
    checkpoints.logger.setLevel(logging.DEBUG)
    yield records
    checkpoints.logger.setLevel(level)
    checkpoints.logger.removeHandler(handler)


@pytest.mark.usefixtures("without_programs")
@pytest.mark.parametrize(
    ("verb", "env", "deployed", "chosen", "reads"),
    [
        ("deploy-all", "local", [], ["base", "vault", "store", "watch"], 2),  # what is in use; then under the lock
        (
            "deploy-all",
            "local",
            ["base", "vault"],
            ["store"],
            3,
        ),  # what store reads; as above; whether watch is stale
        (
            "deploy-all",
            "dev",
            ["base", "vault", "store", "watch"],
            ["base", "vault", "store", "watch"],
            2,
        ),  # its plan
        ("preview-all", "local", ["base", "vault", "store", "watch"], ["base", "vault", "store", "watch"], 1),
        ("preview-all", "local", ["base"], ["base", "vault"], 2),  # which stacks to create, under the lock
        ("status", "local", ["base"], [], 1),
        ("outputs", "local", ["base"], [], 1),
        ("drift", "local", ["base", "vault"], [], 1),
        ("up", "local", ["base"], ["base"], 3),  # what is in use; then under the lock; whether readers are stale
        ("up", "local", ["base", "vault"], ["store"], 3),  # the layers that store reads; then as above
        ("destroy-all", "local", [], [], 1),
        ("destroy-all", "local", ["base", "store"], [], 2),  # what to confirm; then under the lock
    ],
)
def test_a_run_reads_checkpoints_no_more_often_than_it_has_to(
    tmp_path: Path,
    snapshots_read: list[logging.LogRecord],
    *,
    verb: str,
    env: str,
    deployed: list[str],
    chosen: list[str],
    reads: int,
) -> None:
    workspace = make_workspace(make_monorepo(tmp_path), env, engine=make_engine(tmp_path))
    for layer in deployed:
        stack = {"type": "pulumi:pulumi:Stack", "urn": f"s::{layer}", "outputs": {"name": layer}}
        write_checkpoint(workspace, f"shop-{layer}/{env}", [stack])
    VERBS[verb](workspace, chosen)
    assert len(snapshots_read) == reads
