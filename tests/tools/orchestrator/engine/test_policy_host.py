"""The policy pack of a run: a pack that does not start is an error, after some time at the latest."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.engine import policy_host
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError


@pytest.fixture
def workspace_with(tmp_path: Path) -> Callable[[str], Workspace]:
    """Return a function to a workspace whose policy pack is a shell script."""

    def make(script: str) -> Workspace:
        pack = tmp_path / "pack"
        pack.write_text(f"#!/bin/sh\n{script}\n")
        pack.chmod(0o755)
        return make_workspace(make_monorepo(tmp_path, policy_pack=pack))

    return make


def test_engines_get_the_port_of_the_running_pack(workspace_with: Callable[[str], Workspace]) -> None:
    workspace = policy_host.with_pack(workspace_with("echo 4711; read -r _"))
    assert workspace.variables["SHOP_POLICY_PORT"] == "4711"
    assert len(workspace.inherited_fds) == 1


@pytest.mark.parametrize("script", ["exit 1", "kill -STOP $$"])
def test_a_pack_that_does_not_start_is_an_error(workspace_with: Callable[[str], Workspace], script: str) -> None:
    with pytest.raises(OrchestratorError, match=r"ended, or did not start within 0\.5 s: run pack to see why"):
        policy_host.with_pack(workspace_with(script), seconds=0.5)
