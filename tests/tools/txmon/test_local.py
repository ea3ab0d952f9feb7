"""The verbs of the local cloud."""

from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo
from tools.localcloud import LocalCloud
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.folder_store import FolderStore
from tools.orchestrator.state.locks import Lock
from tools.txmon.local import stop


def test_a_local_cloud_that_does_not_run_stays_stopped(tmp_path: Path) -> None:
    assert stop(make_monorepo(tmp_path), LocalCloud(tmp_path / "cloud")) == "the local cloud was not running"


def test_the_local_cloud_is_not_stopped_under_a_run(tmp_path: Path) -> None:
    cloud = LocalCloud(tmp_path / "cloud")
    lock = Lock.of_this_process("deploy-all").model_dump_json()
    assert FolderStore(cloud.state).put_if_absent(".shop/locks/local.json", lock)
    with pytest.raises(OrchestratorError, match="deploy-all"):
        stop(make_monorepo(tmp_path), cloud)
