"""Which layers are stale, by the states of the layers and by who uses which output."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.operation import STACK, STACK_REFERENCE
from tools.orchestrator.model.stack import Snapshot, StackSnapshot, UpdateRecord
from tools.orchestrator.run.stale import sentence, stale_layers

UPDATED = UpdateRecord("update", "succeeded", "2026-01-02T03:04:05.000Z", "")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace in which `store` uses the vault's `key`, and `watch` the store's `size`."""
    monorepo = make_monorepo(tmp_path, {"vault": (), "store": ["vault"], "watch": ["vault", "store"]})
    readers = {"vault": {"key": ["store"], "unused": []}, "store": {"size": ["watch"]}, "watch": {}}
    layers = {
        name: replace(each, output_readers=lambda name=name: readers[name]) for name, each in monorepo.layers.items()
    }
    return make_workspace(replace(monorepo, layers=layers))


def stack(name: str, outputs: dict[str, Any], reads: dict[str, Any] | None = None, **more: Any) -> StackSnapshot:
    references = [
        {"type": STACK_REFERENCE, "id": f"organization/shop-{layer}/dev", "outputs": {"outputs": read}, **more}
        for layer, read in (reads or {}).items()
    ]
    return StackSnapshot(name, {"resources": [{"type": STACK, "outputs": outputs}, *references]}, UPDATED)


def snapshot(*stacks: StackSnapshot) -> Snapshot:
    return Snapshot("dev", {each.name: each for each in stacks})


def test_a_layer_is_stale_if_an_output_that_it_uses_has_changed(workspace: Workspace) -> None:
    store = stack("store", {"size": 3}, {"vault": {"key": "a", "unused": 1}})
    watch = stack("watch", {}, {"vault": {"key": "a"}, "store": {"size": 3}})
    assert stale_layers(workspace, snapshot(stack("vault", {"key": "b"}), store, watch)) == {"store": ["vault"]}


def test_a_layer_is_fresh_if_only_what_it_does_not_use_has_changed(workspace: Workspace) -> None:
    store = stack("store", {"size": 3}, {"vault": {"key": "a", "unused": 1}})
    assert stale_layers(workspace, snapshot(stack("vault", {"key": "a", "unused": 2}), store)) == {}


def test_a_layer_with_an_output_that_it_has_never_read_is_stale(workspace: Workspace) -> None:
    store = stack("store", {}, {"vault": {}})
    assert stale_layers(workspace, snapshot(stack("vault", {"key": "a"}), store)) == {"store": ["vault"]}


def test_a_layer_whose_upstream_is_not_deployed_is_not_stale(workspace: Workspace) -> None:
    assert stale_layers(workspace, snapshot(stack("store", {}, {"vault": {"key": "a"}}))) == {}


@pytest.mark.parametrize(
    ("changed", "stale"),
    [("2026-01-02T03:04:05.98765432Z", False), ("2026-01-02T03:04:06Z", True)],
    ids=["by the update", "by a refresh after it"],
)
def test_a_refresh_of_a_reader_does_not_make_it_fresh(workspace: Workspace, changed: str, *, stale: bool) -> None:
    store = stack("store", {}, {"vault": {"key": "b"}}, modified=changed)
    found = Snapshot("dev", {"vault": stack("vault", {"key": "b"}), "store": store})
    assert (store.outputs_read("shop-vault/dev") is None) is stale
    # No engine can be asked in this test: the last update has to be in the snapshot.
    assert bool(stale_layers(workspace, found)) is stale


def test_the_sentence_has_one_command_for_one_layer_or_for_all() -> None:
    one, two = {"store": ["vault"]}, {"store": ["vault"], "watch": ["vault", "store"]}
    assert sentence(one, "dev") == "stale: store (vault changed); next: ./inv up store --env dev"
    assert sentence(two, "dev") == (
        "stale: store (vault changed), watch (vault, store changed); next: ./inv deploy-all --stale --env dev"
    )
