"""What verbs do while another run holds the environment, or after an engine left a lock."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.engine import calls, make_engine, write_checkpoint
from tests.support.locks import NOBODY, lock_text
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.prompts import may_break_lock
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.run import recovery
from tools.orchestrator.state.locks import STACK_LOCKS, EnvironmentLock

TERMINAL = Terminal(Console(quiet=True))
BUCKET = [{"type": "aws:s3/bucket:Bucket", "urn": "a::bucket"}]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(make_monorepo(tmp_path), engine=make_engine(tmp_path))


@pytest.mark.usefixtures("without_programs")
@pytest.mark.parametrize(
    "preview",
    [
        lambda it: commands.preview_all(it, TERMINAL, parallel=1, layers=it.monorepo.layers),
        lambda it: commands.estimate(it, TERMINAL, parallel=1),
    ],
    ids=["preview-all", "cost"],
)
def test_a_preview_creates_no_stacks_while_another_run_is_at_work(
    workspace: Workspace, preview: Callable[[Workspace], object]
) -> None:
    """A deploy would find its empty stack gone, and the preview the stack that it created full."""
    layers = list(workspace.monorepo.layers)
    for layer in layers:
        path = write_checkpoint(workspace, f"shop-{layer}/dev", BUCKET)
    with EnvironmentLock(workspace).hold("deploy-all"):
        preview(workspace)  # nothing has to be created
        path.unlink()
        with pytest.raises(OrchestratorError, match=r"dev is being changed by .* \(deploy-all\)"):
            preview(workspace)
    assert not [call for call in calls(workspace.engine.folder) if call.startswith("stack")]
    preview(workspace)
    stacks = [call.split()[1] for call in calls(workspace.engine.folder) if call.startswith("stack")]
    assert stacks == ["init", "rm"]
    assert not path.exists()


@pytest.mark.usefixtures("without_programs")
def test_destroy_all_names_a_left_lock_though_nothing_is_deployed(workspace: Workspace) -> None:
    assert commands.destroy_all(workspace, TERMINAL, yes=True, parallel=1) == 0
    store = EnvironmentLock(workspace).store
    assert store.put_if_absent(f"{STACK_LOCKS}/shop-base/dev/1b2c.json", lock_text(user="aiko", pid=NOBODY))
    with pytest.raises(OrchestratorError, match="base is locked by aiko"):
        commands.destroy_all(workspace, TERMINAL, yes=True, parallel=1)


@pytest.mark.parametrize(
    ("at_terminal", "answer", "freed"), [(True, "yes", True), (True, "no", False), (False, "yes", False)]
)
def test_unlock_asks_at_a_terminal_if_the_owner_may_be_at_work(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, *, at_terminal: bool, answer: str, freed: bool
) -> None:
    lock = EnvironmentLock(workspace)
    lock.store.put_if_absent(lock.key, lock_text(host="elsewhere"))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: at_terminal)
    monkeypatch.setattr(Console, "input", lambda _, question, **__: questions.append(question) or answer)
    questions: list[str] = []
    refused = pytest.raises(OrchestratorError, match=r"\./inv unlock all --env dev --force$")
    with nullcontext() if freed else refused:
        recovery.unlock_all(workspace, may_break_lock(force=False))
    assert (lock.holder() is None) is freed
    assert len(questions) == at_terminal


def test_unlock_by_force_does_not_ask(workspace: Workspace) -> None:
    lock = EnvironmentLock(workspace)
    lock.store.put_if_absent(lock.key, lock_text(host="elsewhere"))
    recovery.unlock_all(workspace, may_break_lock(force=True))
    assert lock.holder() is None
