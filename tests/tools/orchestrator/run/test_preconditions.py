"""What has to be true before a layer is changed."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from tests.support.monorepo import Facts, change_settings, make_monorepo, make_workspace
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine import program_host
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import STACK, STACK_REFERENCE
from tools.orchestrator.model.stack import Snapshot, StackSnapshot, UpdateRecord
from tools.orchestrator.run import preconditions

GRAPH = {
    "network": (),
    "security": (),
    "streaming": ["security"],
    "data": ["network", "security"],
    "monitoring": ["network", "streaming", "data"],
}
GOOD = UpdateRecord("update", "succeeded", "2026-01-01T00:00:00Z", "")
RESOLVED = UpdateRecord("refresh", "succeeded", "", "shop unlock, resolved creating a")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Return a workspace in `dev` whose engine reports the history of each layer's stack from `history-<layer>`."""
    engine = tmp_path / "pulumi"
    engine.write_text(f'#!/bin/sh\nfor word; do last=$word; done\nexec cat {tmp_path}/history-"${{last##*/}}"\n')
    engine.chmod(0o755)
    return make_workspace(make_monorepo(tmp_path, GRAPH), engine=tmp_path)


def deployed(layer: str, last: UpdateRecord = GOOD, **changes: object) -> StackSnapshot:
    outputs = {k: v for k, v in {"name": layer, **changes}.items() if v is not None}
    return StackSnapshot(layer, {"resources": [{"type": STACK, "urn": "x", "outputs": outputs}]}, last)


def absent(layer: str) -> StackSnapshot:
    return StackSnapshot(layer)


def snapshot(stacks: Iterable[StackSnapshot]) -> Snapshot:
    """Return a snapshot of the stacks; one without an update does not exist."""
    return Snapshot("dev", {stack.name: stack for stack in stacks if stack.last or stack.deployment})


@pytest.fixture
def require_upstreams_of_monitoring(workspace: Workspace) -> Callable[..., None]:
    """Return the check, given stacks that are not deployed as they should be; all others are."""

    def require(*given: StackSnapshot) -> None:
        stacks = {layer: deployed(layer) for layer in GRAPH} | {stack.name: stack for stack in given}
        for stack in stacks.values():
            last = stack.last
            facts = last and {
                "kind": last.kind,
                "result": last.result,
                "endTime": last.ended or None,
                "message": last.message,
            }
            path = workspace.monorepo.root / f"history-{stack.name}"
            path.write_text(json.dumps([facts] if facts else []))
        preconditions.require_upstreams(workspace, snapshot(stacks.values()), ["monitoring"])

    return require


def test_upstreams_that_are_deployed_and_complete_are_accepted(require_upstreams_of_monitoring) -> None:
    require_upstreams_of_monitoring()


@pytest.mark.parametrize(
    ("stack", "fault"),
    [
        (absent("streaming"), "which is not deployed"),
        (deployed("streaming", UpdateRecord("update", "failed", "", "")), "whose last update failed"),
        (
            deployed("streaming", UpdateRecord("destroy", "succeeded", "", "")),
            "whose destroy or an update after it was interrupted with 1 resource left",
        ),
        (deployed("streaming", RESOLVED), "whose last update was interrupted"),
        (deployed("streaming", name=None), "which lacks the output name"),
        (
            StackSnapshot(
                "streaming",
                {
                    "resources": [{"type": STACK, "urn": "x"}],
                    "pending_operations": [{"type": "creating", "resource": {"urn": "a::b::kinesis-stream-dev"}}],
                },
                GOOD,
            ),
            "whose last update was interrupted while creating kinesis-stream-dev",
        ),
    ],
)
def test_a_faulty_upstream_is_named_with_its_remedy(
    require_upstreams_of_monitoring, stack: StackSnapshot, fault: str
) -> None:
    with pytest.raises(OrchestratorError, match=f"^monitoring reads streaming, {fault}: ") as caught:
        require_upstreams_of_monitoring(stack)
    assert str(caught.value).endswith(f": ./inv {'unlock' if stack.pending else 'up'} streaming --env dev")


def reading(**reads: set[str]) -> Snapshot:
    """Return deployed stacks that read the given layers; `fraud__live` stands for `fraud/live`."""
    return snapshot(
        StackSnapshot(reader.replace("__", "/"), {"resources": [reference(f"shop-{layer}/dev") for layer in layers]})
        for reader, layers in reads.items()
    )


def reference(stack: str) -> dict[str, Any]:
    """Return the reference to a stack as the state has it."""
    return {"type": STACK_REFERENCE, "urn": "a::b", "id": f"organization/{stack}"}


def test_a_layer_that_a_deployed_layer_reads_may_not_be_destroyed(workspace: Workspace) -> None:
    stacks = reading(data={"network"}, monitoring={"network", "data"})
    message = r"network is still read by monitoring, data, which are deployed: \./inv destroy monitoring"
    with pytest.raises(OrchestratorError, match=message):
        preconditions.require_no_other_readers(workspace, stacks, ["network"])


def test_a_reader_from_another_repository_blocks_a_destroy(workspace: Workspace) -> None:
    stacks = reading(fraud__live={"streaming"})
    message = "streaming is still read by fraud/live, which is deployed: destroy the stack fraud/live first"
    with pytest.raises(OrchestratorError, match=message):
        preconditions.require_no_other_readers(workspace, stacks, list(GRAPH))


def test_a_reader_deployed_during_the_confirmation_blocks_a_destroy(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(layer: str, *resources: dict[str, Any]) -> None:
        path = workspace.monorepo.root / f"state/.pulumi/stacks/shop-{layer}/dev.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps({"checkpoint": {"latest": {"resources": resources}}}))

    def deploy_reader_and_confirm(*_: object, **__: object) -> None:
        write("data", reference("shop-network/dev"))

    write("network", {"type": STACK, "urn": "x"})
    monkeypatch.setattr(program_host, "start", lambda *_: None)
    monkeypatch.setattr(commands, "confirm", deploy_reader_and_confirm)
    with pytest.raises(OrchestratorError, match="network is still read by data, which is deployed"):
        commands.destroy(workspace, Terminal(Console(file=StringIO())), "network", yes=True)


def test_a_reader_of_the_layer_in_another_environment_does_not_block(workspace: Workspace) -> None:
    stacks = snapshot([StackSnapshot("shop-data/prod", {"resources": [reference("shop-network/prod")]})])
    assert preconditions.require_no_other_readers(workspace, stacks, ["network"]) == {"network": set()}


def test_a_reader_that_is_a_removed_layer_is_destroyed_by_its_name(workspace: Workspace) -> None:
    stacks = reading(ledger={"network"}, data={"network"})
    message = r"network is still read by ledger, data, which are deployed: \./inv destroy ledger --env dev first"
    with pytest.raises(OrchestratorError, match=message):
        preconditions.require_no_other_readers(workspace, stacks, ["network"])


def test_readers_that_are_destroyed_too_do_not_block_and_give_the_order(workspace: Workspace) -> None:
    stacks = reading(data={"network"}, monitoring={"network", "data"})
    readers = preconditions.require_no_other_readers(workspace, stacks, list(GRAPH))
    assert readers["network"] == {"data", "monitoring"}
    assert readers["monitoring"] == set()


def test_a_stack_reads_those_that_its_stack_references_name() -> None:
    resources = [reference("shop-security/dev"), reference("elsewhere/dev")]
    assert StackSnapshot("data", {"resources": resources}).references.keys() == {"shop-security/dev", "elsewhere/dev"}


def test_protected_resources_block_a_destroy_and_name_the_remedy(workspace: Workspace) -> None:
    preconditions.require_unprotected(workspace, [deployed("data"), absent("network")])
    stack = StackSnapshot("data", {"resources": [{"type": "t", "urn": "a::db", "protect": True}]}, GOOD)
    with pytest.raises(OrchestratorError, match=r"dev is protected \(1 in data\) and nothing was deleted") as caught:
        preconditions.require_unprotected(workspace, [stack, absent("network")])
    assert "set shop-LAYER:protect: false in projects/LAYER/Pulumi.dev.yaml of data" in str(caught.value)


def stopped(layer: str, *operations: str) -> StackSnapshot:
    pending = [{"type": operation, "resource": {"urn": f"a::b::{layer}-dev"}} for operation in operations]
    return StackSnapshot(layer, {"resources": [{}], "pending_operations": pending})


@pytest.mark.parametrize(
    ("stacks", "message"),
    [
        (
            [stopped("data", "creating"), stopped("network")],
            "data was stopped while creating data-dev; .*unlock data",
        ),
        (
            [stopped("network", "deleting"), stopped("data", "creating")],
            "network was stopped while deleting network-dev; data was stopped while creating data-dev; .*unlock all",
        ),
    ],
)
def test_all_pending_operations_are_named_at_once(
    workspace: Workspace, stacks: list[StackSnapshot], message: str
) -> None:
    with pytest.raises(OrchestratorError, match=rf"^{message} --env dev resolves it$"):
        preconditions.require_no_pending_operations(workspace, snapshot(stacks))


def test_pending_operations_of_another_repository_do_not_block(workspace: Workspace) -> None:
    preconditions.require_no_pending_operations(workspace, snapshot([stopped("fraud", "creating")]))


@pytest.mark.parametrize(
    ("stack", "health"),
    [
        (absent("network"), "never"),
        (StackSnapshot("network", last=UpdateRecord("destroy", "succeeded", "", "")), "destroyed"),
        (StackSnapshot("network", last=UpdateRecord("update", "failed", "", "")), "failed"),
        (deployed("network"), "ok"),
        (deployed("network", UpdateRecord("update", "failed", "", "")), "failed"),
        (deployed("network", UpdateRecord("destroy", "succeeded", "", "")), "interrupted"),
        (deployed("network", UpdateRecord("destroy", "failed", "", "")), "failed"),
        (deployed("network", RESOLVED), "interrupted"),
    ],
)
def test_health_follows_from_checkpoint_and_last_update(stack: StackSnapshot, health: str) -> None:
    assert stack.health == health


FACTS = {"account_id": "123456789012", "secrets_provider": "awskms://alias/shop", "backend": "s3://state"}


def described(tmp_path: Path, env: str = "prod", *, setting: bool = True, **facts: str) -> Workspace:
    """Return the workspace of an environment, which the settings of one layer protect."""
    monorepo = make_monorepo(tmp_path, GRAPH, environments=(env,), required_if_protected={"data": "size"})
    change_settings(monorepo, "network", env, protect=True)
    if setting:
        change_settings(monorepo, "data", env, size=2)
    return make_workspace(monorepo, environment=Facts(env, **facts))


def test_a_protected_environment_passes_with_all_facts_and_settings(tmp_path: Path) -> None:
    preconditions.require_facts(described(tmp_path, **FACTS))


@pytest.mark.parametrize("missing", FACTS)
def test_a_protected_environment_without_a_fact_is_refused(tmp_path: Path, missing: str) -> None:
    facts = {name: value for name, value in FACTS.items() if name != missing}
    sentence = rf'^prod is protected, so add Environment\(name="prod", {missing}="[^",]+"\) to REAL in '
    with pytest.raises(OrchestratorError, match=sentence):
        preconditions.require_facts(described(tmp_path, **facts))


def test_a_protected_environment_without_a_required_setting_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OrchestratorError, match=r"so add size to projects/data/Pulumi.prod.yaml, as "):
        preconditions.require_facts(described(tmp_path, setting=False, **FACTS))


def test_a_protected_environment_whose_account_lacks_something_is_refused(tmp_path: Path) -> None:
    workspace = described(tmp_path, **FACTS)
    monorepo = replace(workspace.monorepo, account_fault=lambda env, region: f"so mend {env} in {region}")
    with pytest.raises(OrchestratorError, match=r"^prod is protected, so mend prod in ap-northeast-1$"):
        preconditions.require_facts(make_workspace(monorepo, environment=workspace.environment))


def test_an_environment_needs_no_facts_if_it_is_local_or_not_protected(tmp_path: Path) -> None:
    preconditions.require_facts(described(tmp_path, "local-prod", setting=False))
    free = described(tmp_path, setting=False)
    change_settings(free.monorepo, "network", "prod", protect=False)
    preconditions.require_facts(free)


KEY, OTHER_KEY = "awskms://alias/shop?region=a", "awskms://alias/other?region=a"


def encrypted(kind: str, **state: str) -> Snapshot:
    return snapshot([StackSnapshot("data", {"secrets_providers": {"type": kind, "state": state}})])


@pytest.fixture
def require_key(tmp_path: Path) -> Callable[..., None]:
    """Return the check in an environment with KEY, given the state and a line of data's stack file."""
    monorepo = make_monorepo(tmp_path, GRAPH)
    workspace = make_workspace(monorepo, environment=Facts("dev", secrets_provider=KEY))

    def require(state: Snapshot, line: str = "") -> None:
        monorepo.stack_file("data", "dev").write_text(line)
        preconditions.require_secrets_provider(workspace, state)

    return require


@pytest.mark.parametrize("line", ["", f"secretsprovider: {KEY}"])
@pytest.mark.parametrize("state", [snapshot([]), encrypted("cloud", url=KEY)], ids=["no stack", "a stack"])
def test_the_environments_own_secrets_provider_passes(
    require_key: Callable[..., None], state: Snapshot, line: str
) -> None:
    require_key(state, line)


@pytest.mark.parametrize(
    ("state", "line", "sentence"),
    [
        (encrypted("cloud", url=OTHER_KEY), "", f"with {OTHER_KEY}, as the state says"),
        (encrypted("passphrase", salt="v1"), "", "with passphrase, as the state says"),
        (snapshot([]), f"secretsprovider: {OTHER_KEY}", f"with {OTHER_KEY}, as projects/data/Pulumi.dev.yaml says"),
        (encrypted("cloud", url=KEY), "encryptionsalt: v1", "with passphrase, as projects/data/Pulumi.dev.yaml says"),
    ],
    ids=["key in state", "passphrase in state", "key in file", "passphrase in file"],
)
def test_another_secrets_provider_is_refused_with_the_command_that_changes_it(
    require_key: Callable[..., None], state: Snapshot, line: str, sentence: str
) -> None:
    command = f"pulumi stack change-secrets-provider '{KEY}' --stack dev --cwd projects/data"
    with pytest.raises(OrchestratorError, match=re.escape(f"data encrypts its secrets {sentence}")) as refused:
        require_key(state, line)
    assert str(refused.value).endswith(command)


def test_any_secrets_provider_passes_where_the_environment_names_none(workspace: Workspace) -> None:
    preconditions.require_secrets_provider(workspace, encrypted("cloud", url=OTHER_KEY))
