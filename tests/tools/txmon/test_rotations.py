"""What can be rotated, and where a rotation goes on. tests/e2e/test_drift.py and test_servers.py rotate."""

from io import StringIO
from pathlib import Path
from unittest.mock import Mock, call

import pytest
from rich.console import Console

from tests.support.engine import make_engine, write_checkpoint
from tests.support.monorepo import make_monorepo, make_workspace
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.operation import STACK
from tools.txmon import rotations
from tools.txmon.flow.deployment import Deployment

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


@pytest.mark.parametrize(("version", "own_secret"), [(0, ""), (1, "arn:that-is-no-longer-used")])
def test_a_password_that_rds_manages_is_rotated_by_rds(workspace: Workspace, version: int, own_secret: str) -> None:
    security, data = {"db_credentials_version": version, "db_secret_arn": own_secret}, {"rds_secret_arn": "arn:x"}
    deploy(workspace, "security", **security)
    deploy(workspace, "data", **data)
    session = Mock()
    deployment = Deployment("dev", {"data": data, "streaming": {"region": "eu-west-1"}}, session)
    said = StringIO()

    done = rotations.rotate(
        workspace,
        Terminal(Console(file=said, width=500)),
        rotations.find("database"),
        yes=True,
        deployment=lambda _: deployment,
    )

    assert done == 0
    assert session.client.return_value.mock_calls == [call.rotate_secret(SecretId="arn:x")]
    assert "aws secretsmanager describe-secret --region eu-west-1 --secret-id arn:x" in said.getvalue()


@pytest.mark.parametrize(
    ("what", "in_file", "deployed", "in_use", "expected"),
    [
        ("database", 1, 1, 1, 2),
        ("database", 2, 1, 1, 2),
        ("database", 2, 2, 1, 2),
        ("database", 2, 2, None, 2),
        ("redis", 1, 1, 1, 2),
        ("redis", 2, 1, 1, 2),
        ("redis", 3, 1, 1, 2),
        ("redis", 2, 2, 1, 2),
        ("redis", 2, 2, 2, 2),
        ("redis", 1, 2, 2, 2),
        ("redis", 2, 2, None, 2),
        ("redis", 3, 2, 2, 2),
        ("redis", 3, 3, 2, 3),
        ("redis", 3, 3, None, 4),
        ("redis", 3, 3, 1, 4),
        ("redis", 3, 3, 3, 4),
    ],
)
def test_a_rotation_goes_on_where_it_stopped(
    what: str, in_file: int, deployed: int, in_use: int | None, expected: int
) -> None:
    assert rotations.find(what).next(in_file=in_file, deployed=deployed, in_use=in_use) == expected


def test_nothing_is_rotated_before_both_layers_are_deployed(workspace: Workspace) -> None:
    deploy(workspace, "security", db_credentials_version=1)
    with pytest.raises(OrchestratorError, match=r"^data is not deployed in dev: \./inv deploy-all --env dev$"):
        rotations.rotate(workspace, TERMINAL, rotations.find("database"), yes=True)
