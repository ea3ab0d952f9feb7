"""Rotates the passwords of PostgreSQL and Redis, and goes on where an interrupted rotation stopped.

A new token of Redis is pending first. Redis takes it besides the current one before it becomes the current one, and
alone after that, so that the token that is current is one that Redis takes, whatever fails on the way.
docs/operations.md has the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.secret_stages import PENDING, stage_of
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.prompts import confirm, require_confirmation_possible
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import suggestion
from tools.orchestrator.model.stack import Snapshot, StackHealth
from tools.orchestrator.repository.settings import effective
from tools.orchestrator.repository.stack_files import write_setting
from tools.orchestrator.state.checkpoints import read_snapshot, with_last_updates

if TYPE_CHECKING:
    from collections.abc import Callable

    from tools.orchestrator.cli.terminal import Terminal
    from tools.orchestrator.engine.workspace import Workspace
    from tools.txmon.flow.deployment import Deployment

SECURITY = "security"
"""The layer that makes a password anew if the number of its version is raised."""
DATA = "data"
"""The layer that passes it on."""


@dataclass(frozen=True)
class Rotation:
    """A password that can be rotated."""

    name: str
    what: str
    setting: str
    """The setting of security with the number of its version."""
    output: str
    """The output of security with the same number, which data reads."""
    staged: bool = False
    """Whether a new one is pending first, so that each rotation raises the number twice (`shared.secret_stages`)."""

    def next(self, *, in_file: int, deployed: int, in_use: int | None) -> int:
        """Return the version to deploy: that of the rotation that was interrupted, or a new one.

        ElastiCache takes a token alone only if it took the same one as pending, and perhaps not a second time: if
        data failed with it, a new token is certain to work.
        """
        if not self.staged:
            return max(in_file, deployed + (in_use == deployed))
        interrupted = stage_of(deployed) == PENDING or in_use == deployed - 1
        return deployed if interrupted else deployed + 1


_DATABASE = Rotation("database", "PostgreSQL's master password", "dbCredentialsVersion", "db_credentials_version")
_REDIS = Rotation("redis", "Redis's AUTH token", "redisCredentialsVersion", "redis_credentials_version", staged=True)
ROTATIONS = {each.name: each for each in (_DATABASE, _REDIS)}


def find(name: str) -> Rotation:
    """Return the rotation `name`.

    Raises:
        OrchestratorError: there is none.
    """
    if name not in ROTATIONS:
        raise OrchestratorError(f"{name!r} cannot be rotated; {suggestion(name, list(ROTATIONS))}")
    return ROTATIONS[name]


def rotate(
    workspace: Workspace,
    terminal: Terminal,
    rotation: Rotation,
    *,
    yes: bool,
    deployment: Callable[[Workspace], Deployment] | None = None,
) -> int:
    """Make a new password and deploy it, or ask RDS for one if it manages the password; return the exit code.

    A version is written into the stack file, then security is deployed, then data; one that was pending becomes
    current, and both are deployed again. What is deployed tells where an interrupted rotation goes on.

    Raises:
        OrchestratorError: one of the layers is not deployed, or a layer cannot be deployed, or AWS refuses.
    """
    require_confirmation_possible(workspace, yes=yes)
    snapshot = with_last_updates(workspace, read_snapshot(workspace), [SECURITY, DATA])
    deployed = _deployed(workspace, snapshot, rotation)
    confirm(workspace, f"rotate {rotation.what} of", yes=yes)
    if rotation == _DATABASE and _is_managed(snapshot):
        from tools.txmon.flow.deployment import open_deployment  # noqa: PLC0415 (imports boto3)

        return _rotate_managed(workspace, terminal, rotation, (deployment or open_deployment)(workspace))
    in_file, in_use = _number_in_file(workspace, rotation), _in_use(workspace, snapshot, rotation)
    version = rotation.next(in_file=in_file, deployed=deployed, in_use=in_use)
    whole = snapshot.stack(SECURITY).health is StackHealth.OK
    code = _deploy(workspace, terminal, rotation, version, source=version != deployed or not whole)
    if not code and rotation.staged and stage_of(version) == PENDING:
        version += 1
        code = _deploy(workspace, terminal, rotation, version)
    if code:
        end = f"the rotation is not finished: ./inv rotate {rotation.name} --env {workspace.env} goes on with it"
    else:
        file = workspace.monorepo.display(workspace.monorepo.stack_file(SECURITY, workspace.env))
        end = f"{rotation.what} is now version {version}, and no other is taken; commit {file}"
    terminal.console.print(end, soft_wrap=True)
    return code


def _deploy(
    workspace: Workspace, terminal: Terminal, rotation: Rotation, version: int, *, source: bool = True
) -> int:
    """Write a version into the stack file, deploy security unless it has it, then data; return the exit code."""
    write_setting(workspace.monorepo, SECURITY, workspace.env, rotation.setting, version)
    code = commands.up(workspace, terminal, SECURITY, yes=True) if source else 0
    return code or commands.up(workspace, terminal, DATA, yes=True)


def _is_managed(snapshot: Snapshot) -> bool:
    """Return whether RDS manages the password: its secret is not that of security, which may still exist."""
    used: bool = snapshot.stack(DATA).outputs["rds_secret_arn"] != snapshot.stack(SECURITY).outputs["db_secret_arn"]
    return used


def _rotate_managed(workspace: Workspace, terminal: Terminal, rotation: Rotation, deployment: Deployment) -> int:
    from tools.txmon.aws_errors import aws_errors  # noqa: PLC0415 (imports boto3)

    secret = deployment.output(DATA, "rds_secret_arn")
    with aws_errors(workspace.env):
        deployment.client("secretsmanager").rotate_secret(SecretId=secret)
    shown = f"aws secretsmanager describe-secret --region {deployment.region} --secret-id {secret}"
    terminal.console.print(
        f"RDS, which manages {rotation.what} of {workspace.env}, is rotating it; {shown} shows LastRotatedDate",
        soft_wrap=True,
    )
    return 0


def _deployed(workspace: Workspace, snapshot: Snapshot, rotation: Rotation) -> int:
    missing = [layer for layer in (SECURITY, DATA) if not snapshot.stack(layer).is_deployed]
    if missing:
        raise OrchestratorError(
            f"{missing[0]} is not deployed in {workspace.env}: ./inv deploy-all --env {workspace.env}"
        )
    return int(snapshot.stack(SECURITY).outputs[rotation.output])


def _number_in_file(workspace: Workspace, rotation: Rotation) -> int:
    settings = effective(workspace.monorepo, SECURITY, workspace.env)
    return int(settings[f"{workspace.monorepo.project(SECURITY)}:{rotation.setting}"])


def _in_use(workspace: Workspace, snapshot: Snapshot, rotation: Rotation) -> int | None:
    """Return the version that data was last deployed with; None if that is not known, or did not succeed."""
    if snapshot.stack(DATA).health is not StackHealth.OK:
        return None
    read = snapshot.stack(DATA).outputs_read(f"{workspace.monorepo.project(SECURITY)}/{workspace.env}")
    return None if read is None else read.get(rotation.output)
