"""Resuming a run: with its verb, its remaining layers, its refresh and its approved plan."""

import json
from collections.abc import Callable
from contextlib import nullcontext
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine import program_host
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import STACK, OperationStatus, Step
from tools.orchestrator.model.plan import Plan, PlannedLayer
from tools.orchestrator.run.journal import Journal, RunRecord, last_run, runs_folder

ENGINE = """#!/bin/sh
case "$1 $2" in
"stack history") echo '[{"kind": "update", "result": "succeeded", "endTime": "2026-01-01T00:00:00.000Z"}]' ;;
*) sleep 0.05; echo '{"sequence": 1, "summaryEvent": {"resourceChanges": {}}}' ;;
esac
"""
PLAN = {
    layer: PlannedLayer(steps=[Step("replace", "aws:ec2/subnet:Subnet", f"of-{layer}")], outputs={})
    for layer in ("network", "data")
}


@pytest.fixture
def open_env(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Workspace]:
    """Return a function to a workspace whose layers are deployed and whose engine succeeds without changes."""
    monkeypatch.setattr(program_host, "start", lambda *_: None)
    monkeypatch.setattr(program_host, "serve", lambda *_: nullcontext(program_host.Runtime("nowhere", 0)))
    (tmp_path / "pulumi").write_text(ENGINE)
    (tmp_path / "pulumi").chmod(0o755)
    monorepo = make_monorepo(tmp_path, {"network": (), "vault": (), "data": ["network"]})

    def make(env: str) -> Workspace:
        for layer in monorepo.layers:
            path = tmp_path / f"state/.pulumi/stacks/shop-{layer}/{env}.json"
            path.parent.mkdir(parents=True)
            resources = [{"type": STACK, "urn": "x", "outputs": {"name": layer}}]
            path.write_text(json.dumps({"checkpoint": {"latest": {"resources": resources}}}))
        return make_workspace(monorepo, env, engine=tmp_path)

    return make


def resume(workspace: Workspace, *, yes: bool = False, parallel: int = 3) -> str:
    """Resume the last run and return what is shown."""
    output = StringIO()
    assert commands.resume(workspace, Terminal(Console(file=output, width=200)), yes=yes, parallel=parallel) == 0
    return output.getvalue()


def runs(workspace: Workspace) -> int:
    return len(list(runs_folder(workspace.monorepo).iterdir()))


def last(workspace: Workspace) -> RunRecord:
    record = last_run(workspace.monorepo, workspace.env)
    assert record is not None
    return record


@pytest.mark.parametrize("refresh", [True, False])
def test_an_up_is_resumed_as_an_up_with_its_refresh(open_env, refresh: bool) -> None:
    workspace = open_env("local")
    Journal(workspace, "up", ["network"], refresh=refresh).close()
    resume(workspace)
    assert runs(workspace) == 2
    record = last(workspace)
    assert (record.verb, record.wanted, record.refresh, record.result) == ("up", ["network"], refresh, "succeeded")
    assert record.layers["network"].action == ("refresh-up" if refresh else "up")


@pytest.mark.parametrize("verb", ["destroy", "destroy-all"])
def test_a_destroy_is_resumed_as_a_destroy_of_its_layers(open_env, verb: str) -> None:
    workspace = open_env("local")
    Journal(workspace, verb, ["data"]).close()
    resume(workspace)
    assert runs(workspace) == 2
    record = last(workspace)
    assert (record.verb, record.wanted, record.result) == ("destroy-all", ["data"], "succeeded")


@pytest.mark.parametrize("verb", ["up", "destroy", "destroy-all", "deploy-all"])
def test_resuming_in_a_real_environment_needs_a_confirmation(open_env, verb: str) -> None:
    workspace = open_env("dev")
    Journal(workspace, verb, ["data"]).close()
    with pytest.raises(OrchestratorError, match="there is no terminal to confirm on"):
        resume(workspace)
    assert runs(workspace) == 1


@pytest.mark.parametrize("verb", ["destroy-all", "deploy-all"])
def test_a_resumed_run_works_on_as_many_layers_at_a_time_as_allowed(open_env, verb: str) -> None:
    workspace = open_env("local")
    Journal(workspace, verb, ["vault", "data"]).close()
    resume(workspace, parallel=1)
    first, second = sorted(
        (record.began, timedelta(seconds=record.seconds))
        for record in last(workspace).layers.values()
        if record.began
    )
    assert first[0] + first[1] <= second[0] + timedelta(seconds=0.01)  # rounded


def test_a_deploy_all_is_held_to_its_plan_once_that_is_confirmed_again(open_env) -> None:
    workspace, plan = open_env("dev"), Plan(env="dev", layers=PLAN)
    Journal(workspace, "deploy-all", ["data"], plan=plan).close()
    with pytest.raises(OrchestratorError, match="there is no terminal to confirm on"):
        resume(workspace)
    assert runs(workspace) == 1
    shown = resume(workspace, yes=True)
    assert "of-data" in shown
    assert "of-network" not in shown
    assert runs(workspace) == 2
    record = last(workspace)
    assert (record.verb, record.wanted, record.plan) == ("deploy-all", ["data"], plan)
    assert record.layers["data"].status is OperationStatus.SUCCEEDED


def test_a_deploy_all_without_a_plan_is_resumed_without_one(open_env) -> None:
    workspace = open_env("local")
    Journal(workspace, "deploy-all", ["data"]).close()
    resume(workspace)
    assert runs(workspace) == 2
    record = last(workspace)
    assert (record.verb, record.wanted, record.plan) == ("deploy-all", ["data"], None)


def test_a_record_without_plan_and_refresh_can_still_be_resumed(open_env) -> None:
    workspace = open_env("local")
    Journal(workspace, "deploy-all", ["data"]).close()
    [path] = runs_folder(workspace.monorepo).glob("*/run.json")
    path.write_text(path.read_text().replace('"plan": null,', "").replace('"refresh": false,', ""))
    resume(workspace)
    assert runs(workspace) == 2


def test_the_journal_records_what_a_resume_needs(open_env) -> None:
    workspace, terminal, plan = open_env("local"), Terminal(Console(file=StringIO())), Plan(env="local", layers=PLAN)
    commands.up(workspace, terminal, "network", yes=False, refresh=True)
    assert last(workspace).refresh
    commands.deploy_all(workspace, terminal, yes=False, parallel=1, layers=["data"], approved=plan)
    assert last(workspace).plan == plan
