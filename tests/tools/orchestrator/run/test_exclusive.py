"""A run that changes an environment begins after nothing was left behind."""

from pathlib import Path

import pytest

from tests.support.engine import calls, make_engine, write_checkpoint
from tests.support.locks import NOBODY, lock_text
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.run.exclusive import exclusive_run
from tools.orchestrator.run.journal import Journal
from tools.orchestrator.run.recovery import unlock
from tools.orchestrator.state.locks import STACK_LOCKS, EnvironmentLock

BUCKET = [{"type": "aws:s3/bucket:Bucket", "urn": "a::bucket"}]
PENDING = [{"type": "updating", "resource": {"type": "t", "urn": "a::bucket"}}]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(make_monorepo(tmp_path), engine=make_engine(tmp_path))


def test_pending_operations_stop_every_run_whoever_left_them(workspace: Workspace) -> None:
    for _ in ("first", "second"):
        with exclusive_run(workspace, "up", ["base"]) as (journal, snapshot):
            journal.end("succeeded")
        assert snapshot.stacks == {}
    write_checkpoint(workspace, "shop-base/dev", BUCKET, pending_operations=PENDING)
    message = r"base was stopped while updating bucket; .*unlock base"
    with pytest.raises(OrchestratorError, match=message), exclusive_run(workspace, "up", ["base"]):
        pytest.fail("it has begun")
    assert EnvironmentLock(workspace).holder() is None


def test_a_locked_stack_stops_a_run(workspace: Workspace) -> None:
    key = f"{STACK_LOCKS}/shop-store/dev/1b2c.json"
    assert EnvironmentLock(workspace).store.put_if_absent(key, lock_text(pid=NOBODY))
    with pytest.raises(OrchestratorError, match="store is locked by"), exclusive_run(workspace, "up", ["base"]):
        pytest.fail("it has begun")


def test_the_next_run_says_that_the_last_one_was_killed(workspace: Workspace, messages: list[str]) -> None:
    killed = Journal(workspace, "destroy-all", ["base"])
    record = killed.record.model_copy(update={"pid": NOBODY})
    (killed.folder / "run.json").write_text(record.model_dump_json())
    with exclusive_run(workspace, "up", ["base"]):
        pass
    assert len(messages) == 1
    assert f"the last run (destroy-all at {record.began:%Y-%m-%d}" in messages[0]
    assert "was killed" in messages[0]


def test_unlock_resolves_nothing_while_another_run_is_at_work(workspace: Workspace) -> None:
    write_checkpoint(workspace, "shop-base/dev", BUCKET, pending_operations=PENDING)
    with (
        EnvironmentLock(workspace).hold("deploy-all"),
        pytest.raises(OrchestratorError, match=r"^dev is being changed by .* \(deploy-all\)"),
    ):
        unlock(workspace, "base", lambda _: True)
    assert calls(workspace.engine.folder) == []
    unlock(workspace, "base", lambda _: False)
    commands = [" ".join(call.split()[:2]) for call in calls(workspace.engine.folder)]
    assert commands == ["stack export", "stack import", "refresh --yes"]
