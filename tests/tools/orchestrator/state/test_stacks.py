"""What is deployed, read from checkpoints in a folder, as the engine keeps them."""

import json
from pathlib import Path
from typing import Any

import pytest
from shared.errors import TxmonError
from tools.orchestrator.state.stacks import SETTLED, LayerState, Update, decisive, deployed_states, removed_layers

from shared.environments import Environment
from shared.graph import project
from tools.engine.install import Engine
from tools.orchestrator.engine.workspace import Workspace

BUCKET = [{"type": "aws:s3/bucket:Bucket", "urn": "a::bucket"}]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An environment `dev` whose state lies in a folder; there is no engine to ask."""
    variables = {"PULUMI_BACKEND_URL": f"file://{tmp_path}"}
    return Workspace(Environment(name="dev"), Engine(tmp_path, "v0", "none"), variables)


def checkpoint(workspace: Workspace, stack: str, resources: list[Any], suffix: str = "") -> None:
    text = json.dumps({"version": 3, "checkpoint": {"latest": {"resources": resources}}})
    assert workspace.store.at(f".pulumi/stacks/{stack}.json{suffix}").create(text)


def test_layers_are_by_their_name_and_all_else_by_project_and_stack(workspace: Workspace) -> None:
    for stack in (f"{project('network')}/dev", f"{project('ledger')}/dev", f"{project('network')}/prod", "fraud/dev"):
        checkpoint(workspace, stack, BUCKET)
        checkpoint(workspace, stack, [], ".bak")
    checkpoint(workspace, f"{project('data')}/dev", [])
    assert deployed_states(workspace).keys() == {"network", "ledger", "fraud/dev"}
    found = deployed_states(workspace, everywhere=True)
    assert found.keys() == {"network", "ledger", "fraud/dev", f"{project('network')}/prod"}
    assert found["network"].resources == BUCKET
    assert removed_layers(found) == ["ledger"]
    assert workspace.stacks() == {project("network"): 1, project("ledger"): 1, project("data"): 0, "fraud": 1}


def test_a_layer_that_is_no_more_needs_no_folder_to_be_destroyed(workspace: Workspace) -> None:
    assert workspace.shown("network", "destroy") == "pulumi destroy --stack dev --cwd projects/network"
    assert workspace.shown("ledger", "destroy") == "pulumi destroy --stack organization/txmon-ledger/dev"


def test_a_damaged_checkpoint_is_named_with_the_one_before_it(workspace: Workspace) -> None:
    place = workspace.store.at(f".pulumi/stacks/{project('network')}/dev.json")
    place.create('{"version": 3, "checkp')
    with pytest.raises(TxmonError, match=rf"^the state {place} cannot be read; the one before it is {place}\.bak$"):
        deployed_states(workspace)


UP = Update("update", "succeeded", "1", "")
FAILED = Update("update", "failed", "2", "")
REFRESHED = Update("refresh", "succeeded", "3", "")
NOT_REFRESHED = Update("refresh", "failed", "4", "")
UNLOCKED = Update("refresh", "succeeded", "5", f"{SETTLED}creating vpc-dev")


@pytest.mark.parametrize(
    ("history", "told"),
    [
        ([], None),
        ([UP, FAILED], UP),
        ([REFRESHED, REFRESHED, FAILED, UP], FAILED),
        ([REFRESHED, UNLOCKED, UP], UNLOCKED),
        ([NOT_REFRESHED, UP], NOT_REFRESHED),
        ([REFRESHED], REFRESHED),
    ],
)
def test_a_refresh_does_not_make_good_what_the_update_before_it_left(history: list[Update], told: Update) -> None:
    assert decisive(history) == told


def test_what_a_destroy_has_left_is_counted_as_the_runs_count_it() -> None:
    types = ("pulumi:pulumi:Stack", "pulumi:pulumi:StackReference", "aws:s3/bucket:Bucket")
    deployment = {"resources": [{"type": kind} for kind in types]}
    left = LayerState("data", deployment, Update("destroy", "succeeded", "", ""))
    assert left.fault.endswith(f"with {left.size} resources left")
