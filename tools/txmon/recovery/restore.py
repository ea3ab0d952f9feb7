"""Restores PostgreSQL from a snapshot or to a point in time, and keeps the instance that it replaces.

RDS restores into a new instance only, and names are unique (RDS User Guide, "Restoring to a DB instance").
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import tenacity
from botocore.exceptions import ClientError, WaiterError
from rich.console import Group, RenderableType

from projects.data.restore import LATEST
from tools.orchestrator.cli import commands
from tools.orchestrator.cli.prompts import confirm, require_confirmation_possible
from tools.orchestrator.cli.terminal import Terminal
from tools.orchestrator.engine.workspace import Workspace
from tools.orchestrator.model.errors import OrchestratorError
from tools.orchestrator.render.table import table
from tools.orchestrator.repository.selection import choose
from tools.orchestrator.repository.stack_files import remove_setting, write_setting
from tools.orchestrator.state.checkpoints import read_snapshot
from tools.orchestrator.state.locks import EnvironmentLock
from tools.txmon.flow.deployment import Deployment
from tools.txmon.flow.moments import as_text, parse_moment
from tools.txmon.flow.render import listed, moment

LAYER: Final = "data"
INSTANCE: Final = "aws:rds/instance:Instance"
ROLE_POLICY: Final = "aws:iam/rolePolicy:RolePolicy"
POLL_SECONDS: Final = 10
REPLAY_MARGIN: Final = timedelta(hours=1)
"""How long before the restored moment a replay begins: a record arrives before it is stored."""
RENAME_SECONDS: Final = 30 * 60
"""RDS restarts an instance that it renames, which takes minutes (RDS User Guide, "Renaming a DB instance")."""


@dataclass(frozen=True)
class Source:
    """What the database is restored from."""

    setting: str
    """The value of `restoreFrom`."""
    moment: datetime
    """What was stored later is not in it."""

    @property
    def replay_since(self) -> datetime:
        return self.moment - REPLAY_MARGIN


@dataclass(frozen=True)
class Restored:
    """How a restore went."""

    code: int
    """The exit code."""
    kept: str | None
    """The name that the replaced instance has now; None if there was none."""


@dataclass(frozen=True)
class Database:
    """The instance of an environment, as RDS has it."""

    rds: Any
    identifier: str
    resource_id: str
    """Of the instance that was deployed, which its automated backups have even after it is gone."""
    key_arn: str
    """The data key."""
    sleep: Callable[[float], None] = time.sleep

    def snapshots(self) -> list[Mapping[str, Any]]:
        """Return the snapshots of the instance, newest first."""
        pages = self.rds.get_paginator("describe_db_snapshots").paginate(DBInstanceIdentifier=self.identifier)
        found = [each for page in pages for each in page["DBSnapshots"] if each["Status"] == "available"]
        return sorted(found, key=_taken, reverse=True)

    def window(self) -> tuple[datetime, datetime] | None:
        """Return the first and the last time to which backups under the data key reach; None if there are none."""
        answer = self.rds.describe_db_instance_automated_backups(DbiResourceId=self.resource_id)
        for backup in answer["DBInstanceAutomatedBackups"]:
            if (window := backup.get("RestoreWindow")) and backup.get("KmsKeyId") == self.key_arn:
                return window["EarliestTime"], window["LatestTime"]
        return None

    def snapshot(self, name: str) -> Source:
        """Return a snapshot as a source.

        Raises:
            OrchestratorError: it does not exist, is not complete, or has another key than the instance will have.
        """
        try:
            [found] = self.rds.describe_db_snapshots(DBSnapshotIdentifier=name)["DBSnapshots"]
        except (ClientError, ValueError) as error:
            if isinstance(error, ClientError) and "NotFound" not in error.response["Error"]["Code"]:
                raise
            raise OrchestratorError(f"there is no snapshot {name!r}; ./inv restore lists them") from None
        if found["Status"] != "available":
            raise OrchestratorError(f"the snapshot {name} is {found['Status']}: wait until it is available")
        if found.get("KmsKeyId") != self.key_arn:
            copy = f"{name.rpartition(':')[2]}-copy"
            raise OrchestratorError(
                f"the snapshot {name} is not encrypted with the data key; copy it, then restore the copy: "
                f"aws rds copy-db-snapshot --source-db-snapshot-identifier {name} "
                f"--target-db-snapshot-identifier {copy} --kms-key-id {self.key_arn} --copy-tags"
            )
        return Source(name, _taken(found))

    def take_snapshot(self, name: str) -> Source:
        """Take a snapshot and wait for it, for an hour at most.

        Raises:
            OrchestratorError: RDS does not complete it in time.
        """
        self.rds.create_db_snapshot(DBInstanceIdentifier=self.identifier, DBSnapshotIdentifier=name)
        try:
            self.rds.get_waiter("db_snapshot_available").wait(
                DBSnapshotIdentifier=name, WaiterConfig={"Delay": 15, "MaxAttempts": 240}
            )
        except WaiterError as error:
            raise OrchestratorError(f"RDS does not complete the snapshot {name}: {error}") from None
        return self.snapshot(name)

    def point(self, given: str) -> Source:
        """Return a point in time, or the latest one, as a source.

        Raises:
            OrchestratorError: it is malformed, or outside of the backups.
        """
        wanted = None if given == LATEST else parse_moment("--to", given)
        window = self.window()
        if window is None:
            raise OrchestratorError(
                f"{self.identifier} has no automated backups under the data key; ./inv restore lists its snapshots"
            )
        first, last = window
        if wanted is None:
            return Source(f"{self.resource_id}@{LATEST}", last)
        if not first <= wanted <= last:
            raise OrchestratorError(
                f"backups reach from {as_text(first)} to {as_text(last)}; --to {given} is outside"
            )
        return Source(f"{self.resource_id}@{as_text(wanted)}", wanted)

    def name_to_keep(self, now: datetime) -> str | None:
        """Return the name that the instance gets when it is replaced; None if there is no instance."""
        return f"{self.identifier}-until-{now:%Y%m%d-%H%M%S}" if self._named(self.identifier) else None

    def rename(self, kept: str) -> None:
        """Rename the instance, so that its name is free.

        Raises:
            OrchestratorError: RDS does not rename it in time.
        """
        self.rds.modify_db_instance(
            DBInstanceIdentifier=self.identifier, NewDBInstanceIdentifier=kept, ApplyImmediately=True
        )
        waiting = tenacity.Retrying(
            wait=tenacity.wait_fixed(POLL_SECONDS),
            stop=tenacity.stop_after_delay(RENAME_SECONDS),
            retry=tenacity.retry_if_result(lambda renamed: not renamed),
            retry_error_callback=lambda _state: False,
            sleep=self.sleep,
        )
        if not waiting(lambda: self._is_renamed(kept)):
            raise OrchestratorError(
                f"RDS has not renamed {self.identifier} to {kept} within {RENAME_SECONDS // 60} min: wait until it "
                "has, then run this again"
            )

    def delete(self, instance: str | None, snapshot: str) -> None:
        """Delete what a drill leaves: the replaced instance, and the snapshot that brought its data back.

        Raises:
            OrchestratorError: RDS does not delete the instance within an hour.
        """
        if instance:
            self.rds.delete_db_instance(
                DBInstanceIdentifier=instance, SkipFinalSnapshot=True, DeleteAutomatedBackups=True
            )
        self.rds.delete_db_snapshot(DBSnapshotIdentifier=snapshot)
        if instance:  # until it is gone, its subnet and parameter groups cannot be deleted
            try:
                self.rds.get_waiter("db_instance_deleted").wait(
                    DBInstanceIdentifier=instance, WaiterConfig={"Delay": 15, "MaxAttempts": 240}
                )
            except WaiterError as error:
                raise OrchestratorError(f"RDS does not delete {instance}: {error}") from None

    def _is_renamed(self, name: str) -> bool:
        found = self._named(name)
        return bool(found and found["DBInstanceStatus"] == "available" and not self._named(self.identifier))

    def _named(self, name: str) -> Mapping[str, Any] | None:
        try:
            found: list[Mapping[str, Any]] = self.rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"]
        except ClientError as error:
            if "NotFound" in error.response["Error"]["Code"]:
                return None
            raise
        return found[0] if found else None


def _taken(snapshot: Mapping[str, Any]) -> datetime:
    """Return when the data of a snapshot was current; a copy's `SnapshotCreateTime` is that of the copy."""
    names = ("SnapshotDatabaseTime", "OriginalSnapshotCreateTime", "SnapshotCreateTime")
    return next(found for name in names if isinstance(found := snapshot.get(name), datetime))


def database(deployment: Deployment) -> Database:
    """Return the database of an environment, also while it has none because a restore was interrupted."""
    return Database(
        deployment.client("rds"),
        deployment.output(LAYER, "rds_identifier"),
        deployment.output(LAYER, "rds_resource_id"),
        deployment.output("security", "kms_key_arn"),
    )


def overview(found: Database) -> RenderableType:
    """Return the snapshots of an instance and the time to which it can be restored, with the commands for both."""
    window = found.window()
    times = (
        f"{found.identifier} can be restored to each second from {as_text(window[0])} to {as_text(window[1])}"
        if window
        else f"{found.identifier} has no automated backups under the data key"
    )
    rows = [(each["DBSnapshotIdentifier"], moment(_taken(each)), each["SnapshotType"]) for each in found.snapshots()]
    snapshots = listed(
        rows,
        lambda rows: table("snapshot", "taken at (UTC)", "type", rows=rows),
        f"snapshots of {found.identifier}",
    )
    return Group(times, snapshots)


def restore(
    workspace: Workspace, terminal: Terminal, deployment: Deployment, source: Source, *, yes: bool, parallel: int
) -> Restored:
    """Rename the instance, let the stack forget it, and deploy another one from `source`.

    The stack file has `restoreFrom` until the deployment has succeeded. After an interruption, `./inv resume`
    continues a deployment that has begun; before, this can be run again.

    Raises:
        OrchestratorError: a deployment has begun, the instance cannot be renamed, or the layers cannot be deployed.
    """
    require_confirmation_possible(workspace, yes=yes)
    found = database(deployment)
    kept = found.name_to_keep(datetime.now(UTC))
    require_not_begun(found.identifier, kept, _instances(workspace), workspace.env)
    confirm(workspace, f"replace PostgreSQL by {source.setting} in", yes=yes)
    terminal.console.print(if_it_fails(source, kept, workspace.env), soft_wrap=True)
    with EnvironmentLock(workspace).hold("restore"):
        write_setting(workspace.monorepo, LAYER, workspace.env, "restoreFrom", source.setting)
        if kept:
            found.rename(kept)
        _forget(workspace, deployment.client("iam"))
    layers = choose(workspace.monorepo, workspace.env, from_=LAYER)
    code = commands.deploy_all(workspace, terminal, yes=True, parallel=parallel, layers=layers)
    if code == 0:
        remove_setting(workspace.monorepo, LAYER, workspace.env, "restoreFrom")
    return Restored(code, kept)


def require_not_begun(identifier: str, kept: str | None, urns: Sequence[str], env: str) -> None:
    """Check that the instance that RDS has is the one that the stack has.

    Raises:
        OrchestratorError: an interrupted restore has made it.
    """
    if kept and not urns:
        raise OrchestratorError(
            f"RDS has {identifier} and data's stack does not: the deployment of a restore was interrupted; "
            f"continue with: ./inv resume --env {env}"
        )


def if_it_fails(source: Source, kept: str | None, env: str) -> str:
    """Return what to do if the deployment of a restore fails, a line each."""
    lines = [
        f"data's stack file has restoreFrom: {source.setting}, until the deployment has succeeded; if it fails:",
        f"commit the stack file before anybody else deploys {env}, who would make an empty database without it",
        f"continue: ./inv resume --env {env}; then remove restoreFrom",
        f"then: ./inv replay --since {as_text(source.replay_since)} --env {env}; ./inv rebuild-history --env {env}",
    ]
    return "\n".join([*lines, *_kept(kept)])


def _forget(workspace: Workspace, iam: Any) -> None:
    """Take the instance out of the stack, with what depends on it, which the deployment makes again.

    Role policies would stay beside the new ones, whose names are others, and still allow the old instance.
    """
    resources = read_snapshot(workspace).stack(LAYER).resources
    for urn in _instances(workspace):
        for each in resources:
            if each["type"] == ROLE_POLICY and urn in (each.get("dependencies") or ()):
                role, _, name = each["id"].partition(":")
                with suppress(iam.exceptions.NoSuchEntityException):
                    iam.delete_role_policy(RoleName=role, PolicyName=name)
        workspace.call(LAYER, "state", "delete", urn, "--force", "--target-dependents", "--yes")


def _instances(workspace: Workspace) -> list[str]:
    """Return the URNs of the instances that the stack has."""
    resources = read_snapshot(workspace).stack(LAYER).resources
    return [each["urn"] for each in resources if each["type"] == INSTANCE]


def next_steps(source: Source, kept: str | None, env: str) -> str:
    """Return what is left to do after a restore, a line each."""
    lines = [
        f"PostgreSQL is restored from {source.setting}",
        f"what the stream has since then: ./inv replay --since {as_text(source.replay_since)} --env {env}",
        "(an hour earlier, as a record arrives before it is stored; go back further if the consumer was behind)",
        f"then the history in Redis: ./inv rebuild-history --env {env}",
    ]
    return "\n".join([*lines, *_kept(kept)])


def _kept(kept: str | None) -> list[str]:
    return [f"the instance that it replaces is {kept}, billed until you delete it"] if kept else []
