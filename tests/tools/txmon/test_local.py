"""The verbs that concern the local cloud itself."""

from pathlib import Path

import pytest

from tests.support.locks import NOBODY, lock_text
from tests.support.monorepo import make_monorepo
from tools.localcloud.lifecycle import LocalCloud
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.state.folder_store import FolderStore
from tools.txmon import local


def test_a_local_cloud_that_a_run_works_in_is_not_stopped(tmp_path: Path) -> None:
    monorepo, cloud = make_monorepo(tmp_path), LocalCloud(tmp_path / ".local")
    assert local.stop(monorepo, cloud) == "the local cloud was not running"
    store, key = FolderStore(cloud.state), ".shop/locks/local-a.json"
    assert store.put_if_absent(key, lock_text())
    with pytest.raises(OrchestratorError, match=r"^local-a is being changed by .*unlock all --env local-a --force$"):
        local.stop(monorepo, cloud)
    assert store.put_if_match(key, lock_text(pid=NOBODY), store.get(key).version)
    assert local.stop(monorepo, cloud) == "the local cloud was not running"
