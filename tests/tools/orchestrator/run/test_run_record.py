"""What the journal records of a run."""

import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest

from tests.support.locks import NOBODY
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.operation import Action, Operation, OperationStatus
from tools.orchestrator.run.journal import Journal, LayerRecord, RunRecord, last_run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return make_workspace(make_monorepo(tmp_path))


@pytest.mark.parametrize("error", [KeyError("uid not found"), OSError("no username")])
def test_a_user_without_a_name_is_recorded_by_number(
    workspace: Workspace, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("getpass.getuser", mock.Mock(side_effect=error))
    assert Journal(workspace, "deploy-all", ["base"]).record.user == str(os.getuid())


def test_a_run_is_recorded_from_its_beginning_to_its_end(workspace: Workspace) -> None:
    monorepo = workspace.monorepo
    journal = Journal(workspace, "deploy-all", ["base", "store"])
    record = last_run(monorepo, "dev")
    assert (record.verb, record.result, record.wanted) == ("deploy-all", "running", ["base", "store"])
    operation = Operation("base", Action.UP, status=OperationStatus.FAILED, reason="no room", began=1.0, ended=3.5)
    operation.counts = Counter(create=2, same=30)
    journal.note(operation)
    noted = last_run(monorepo, "dev").layers["base"]
    assert noted == LayerRecord(
        action="up",
        status=OperationStatus.FAILED,
        reason="no room",
        began=noted.began,
        seconds=2.5,
        changes={"create": 2},
    )
    operation.status = OperationStatus.SUCCEEDED
    journal.note(operation)
    assert last_run(monorepo, "dev").layers["base"].resources == 32
    journal.end("interrupted")
    journal.close()
    assert last_run(monorepo, "dev").result == "interrupted"


def test_a_run_that_raises_is_recorded_as_failed(workspace: Workspace) -> None:
    Journal(workspace, "up", ["base"]).close()
    assert last_run(workspace.monorepo, "dev").result == "failed"


def test_runs_of_an_environment_with_a_similar_name_do_not_count(workspace: Workspace) -> None:
    Journal(make_workspace(workspace.monorepo, "pr-dev"), "up", []).close()
    assert last_run(workspace.monorepo, "dev") is None


def test_a_run_whose_process_is_gone_was_killed() -> None:
    record = RunRecord(verb="up", env="dev", pid=NOBODY)
    assert record.was_killed
    assert record.outcome == "was killed"
    assert not record.model_copy(update={"result": "failed"}).was_killed
    assert not RunRecord(verb="up", env="dev").was_killed
    began = datetime.now(UTC) - timedelta(days=1)
    assert RunRecord(verb="up", env="dev", began=began).was_killed  # its number is now another process's
