"""Rotates the passwords that the security layer generates and the data layer passes on to PostgreSQL and Redis."""

from dataclasses import dataclass

from tools.orchestrator.cli import commands
from tools.orchestrator.cli.prompts import confirm, require_confirmation_possible
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.model.monorepo import suggestion
from tools.orchestrator.model.stack import Snapshot, StackHealth
from tools.orchestrator.repository.settings import effective
from tools.orchestrator.repository.stack_files import write_setting
from tools.orchestrator.state.checkpoints import read_snapshot, with_last_updates

SOURCE = "security"
"""The layer that makes a password anew if the number of its version is raised."""
USER = "data"
"""The layer that passes it on."""


@dataclass(frozen=True)
class Rotation:
    """A password that can be rotated."""

    what: str
    setting: str
    """The setting of `SOURCE` with the number of its version."""
    output: str
    """The output of `SOURCE` with the same number, which `USER` reads."""


ROTATIONS = {
    "database": Rotation("PostgreSQL's master password", "dbCredentialsVersion", "db_credentials_version"),
    "redis": Rotation("Redis's AUTH token", "redisCredentialsVersion", "redis_credentials_version"),
}


def find(name: str) -> Rotation:
    """Return the rotation `name`.

    Raises:
        OrchestratorError: there is none.
    """
    if name not in ROTATIONS:
        raise OrchestratorError(f"{name!r} cannot be rotated; {suggestion(name, list(ROTATIONS))}")
    return ROTATIONS[name]


def rotate(workspace: Workspace, terminal: Terminal, rotation: Rotation, *, yes: bool) -> int:
    """Raise the number of the version in the stack file, deploy `SOURCE`, then `USER`; return the exit code.

    After an interruption it continues: with the number that is in the stack file but not deployed, or with `USER` if
    that is not deployed with it.

    Raises:
        OrchestratorError: one of the layers is not deployed, RDS manages the password, or a layer cannot be deployed.
    """
    monorepo, env = workspace.monorepo, workspace.env
    require_confirmation_possible(workspace, yes=yes)
    snapshot = with_last_updates(workspace, read_snapshot(workspace), [USER])
    deployed = _deployed_version(workspace, snapshot, rotation)
    version = _version_in_file(workspace, rotation)
    confirm(workspace, f"rotate {rotation.what} of", yes=yes)
    if version < deployed or version == deployed == _version_in_use(workspace, snapshot, rotation):
        version = deployed + 1
        write_setting(monorepo, SOURCE, env, rotation.setting, version)
    if version != deployed:
        code = commands.up(workspace, terminal, SOURCE, yes=True)
        if code:
            return code
    code = commands.up(workspace, terminal, USER, yes=True)
    if not code:
        file = monorepo.display(monorepo.stack_file(SOURCE, env))
        terminal.console.print(f"{rotation.what} is now version {version}; commit {file}", soft_wrap=True)
    return code


def _deployed_version(workspace: Workspace, snapshot: Snapshot, rotation: Rotation) -> int:
    missing = [layer for layer in (SOURCE, USER) if not snapshot.stack(layer).is_deployed]
    if missing:
        raise OrchestratorError(
            f"{missing[0]} is not deployed in {workspace.env}: ./inv deploy-all --env {workspace.env}"
        )
    version = int(snapshot.stack(SOURCE).outputs.get(rotation.output, 0))
    if not version:
        data = snapshot.stack(USER).outputs
        raise OrchestratorError(
            f"RDS creates and rotates {rotation.what} of {workspace.env}; to rotate it now: aws secretsmanager "
            f"rotate-secret --region {data.get('region')} --secret-id {data.get('rds_secret_arn')}"
        )
    return version


def _version_in_file(workspace: Workspace, rotation: Rotation) -> int:
    settings = effective(workspace.monorepo, SOURCE, workspace.env)
    return int(settings[f"{workspace.monorepo.project(SOURCE)}:{rotation.setting}"])


def _version_in_use(workspace: Workspace, snapshot: Snapshot, rotation: Rotation) -> int | None:
    """Return the number that `USER` was last deployed with; None if that is not known, or did not succeed."""
    if snapshot.stack(USER).health is not StackHealth.OK:
        return None
    read = snapshot.stack(USER).outputs_read(f"{workspace.monorepo.project(SOURCE)}/{workspace.env}")
    return None if read is None else read.get(rotation.output)
