"""How a run is gone on with: in the way in which it was begun."""

from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from shared.errors import Ended, TxmonError
from tools.orchestrator.engine.operation import Step

from shared.environments import Environment
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.commands import Terminal, resume
from tools.orchestrator.run import journal
from tools.orchestrator.run.journal import Journal
from tools.orchestrator.run.plan import Plan, PlannedLayer

REAL, LOCAL = (SimpleNamespace(env=name, environment=Environment(name=name)) for name in ("dev", "local"))
PLAN = {
    layer: PlannedLayer(steps=[Step("replace", "aws:ec2/subnet:Subnet", f"of-{layer}")], outputs={})
    for layer in ("network", "data")
}


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """What a resumed run begins: the verb, and how."""
    monkeypatch.setattr(journal, "RUNS", tmp_path)
    verbs: list[tuple[str, dict[str, Any]]] = []

    def stand_in(verb: str) -> Callable[..., int]:
        return lambda _workspace, _terminal, *layer, **how: verbs.append((verb, how | {"layer": layer})) or 0

    for verb in ("deploy_all", "destroy_all", "up"):
        monkeypatch.setattr(commands, verb, stand_in(verb))
    return verbs


def go_on(workspace: Any, *, yes: bool = False) -> str:
    """What is shown."""
    shown = StringIO()
    resume(workspace, Terminal(Console(file=shown, width=200), lambda _: None), yes=yes, parallel=3)
    return shown.getvalue()


@pytest.mark.parametrize("refresh", [True, False])
def test_an_up_is_gone_on_with_as_an_up_and_refreshes_if_it_did(begun, refresh: bool) -> None:
    Journal(REAL, "up", ["network"], refresh=refresh).close()
    go_on(REAL)
    assert begun == [("up", {"layer": ("network",), "yes": False, "refresh": refresh})]


@pytest.mark.parametrize("verb", ["destroy", "destroy-all"])
def test_a_destroy_is_gone_on_with_as_a_destroy(begun, verb: str) -> None:
    Journal(REAL, verb, ["network"]).close()
    go_on(REAL)
    assert begun == [("destroy_all", {"layer": (), "layers": ["network"], "yes": False, "parallel": 3})]


def test_a_deploy_all_is_held_to_its_plan_which_is_shown_and_confirmed_again(begun) -> None:
    plan = Plan(env="dev", layers=PLAN)
    Journal(REAL, "deploy-all", ["data"], plan=plan).close()
    with pytest.raises(TxmonError, match="nobody is there to confirm"):
        go_on(REAL)
    assert begun == []
    shown = go_on(REAL, yes=True)
    assert "of-data" in shown
    assert "of-network" not in shown
    [(verb, how)] = begun
    assert (verb, how["layers"], how["approved"]) == ("deploy_all", ["data"], plan)


def test_a_deploy_all_without_a_plan_is_gone_on_with_without_one(begun) -> None:
    Journal(LOCAL, "deploy-all", ["data"]).close()
    go_on(LOCAL)
    [(verb, how)] = begun
    assert (verb, how["layers"], how["approved"]) == ("deploy_all", ["data"], None)


def test_a_record_from_before_plans_were_kept_is_still_read(begun) -> None:
    Journal(LOCAL, "deploy-all", ["data"]).close()
    [path] = journal.RUNS.glob("*/run.json")
    path.write_text(path.read_text().replace('"plan": null,', "").replace('"refresh": false,', ""))
    go_on(LOCAL)
    assert len(begun) == 1


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the verbs give to the journal, before anything begins."""
    given: list[dict[str, Any]] = []

    def changing(*_: Any, **how: Any) -> None:
        given.append(how)
        raise Ended(0)

    monkeypatch.setattr(commands, "changing", changing)
    monkeypatch.setattr(commands.preconditions, "require_upstreams", lambda *_: None)
    monkeypatch.setattr(commands.program_host, "warm", lambda **_: None)
    return given


def test_the_journal_is_given_what_it_takes_to_go_on(kept) -> None:
    terminal, plan = Terminal(Console(), lambda _: None), Plan(env="local", layers=PLAN)
    with pytest.raises(Ended):
        commands.up(LOCAL, terminal, "network", yes=False, refresh=True)
    with pytest.raises(Ended):
        commands.deploy_all(LOCAL, terminal, yes=False, parallel=1, layers=["data"], approved=plan)
    assert kept == [{"refresh": True}, {"plan": plan}]
