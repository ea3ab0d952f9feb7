"""What can be rotated, and what is refused before anything is changed. tests/e2e/test_stale.py rotates."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.support.engine import make_engine, write_checkpoint
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import STACK
from tools.txmon import rotations

TERMINAL = Terminal(Console(quiet=True))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    monorepo = make_monorepo(tmp_path, {"security": (), "data": ["security"]})
    return make_workspace(monorepo, engine=make_engine(tmp_path))


def deploy(workspace: Workspace, layer: str, **outputs: object) -> None:
    write_checkpoint(workspace, f"shop-{layer}/dev", [{"type": STACK, "urn": "x", "outputs": outputs}])


def test_an_unknown_password_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(OrchestratorError, match=r"^'databse' cannot be rotated; did you mean 'database'\?$"):
        rotations.find("databse")


def test_a_password_that_rds_manages_is_left_to_rds(workspace: Workspace) -> None:
    deploy(workspace, "security", db_credentials_version=0)
    deploy(workspace, "data", region="eu-west-1", rds_secret_arn="arn:x")
    command = "aws secretsmanager rotate-secret --region eu-west-1 --secret-id arn:x"
    with pytest.raises(OrchestratorError, match=f"to rotate it now: {command}$"):
        rotations.rotate(workspace, TERMINAL, rotations.find("database"), yes=True)


def test_nothing_is_rotated_before_both_layers_are_deployed(workspace: Workspace) -> None:
    deploy(workspace, "security", db_credentials_version=1)
    with pytest.raises(OrchestratorError, match=r"^data is not deployed in dev: \./inv deploy-all --env dev$"):
        rotations.rotate(workspace, TERMINAL, rotations.find("database"), yes=True)
