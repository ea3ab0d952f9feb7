"""Describes AWS Backup's vaults and their locks, plans and selections. No backup is ever taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, arn_of, keys
from tools.localcloud.schema.validators import arns, between, matches

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

RULE = {"ruleName": "RuleName", "targetVaultName": "TargetBackupVaultName", "schedule": "ScheduleExpression"}
"""Pulumi's name of a part of a rule -> AWS's."""
TAGGING = Tagging(
    target="ResourceArn",
    add="tag_resource",
    remove="untag_resource",
    read="list_tags",
    tag_keys="TagKeyList",
    pair=None,
    of=arn_of,
)
VAULT_NAME = (r"[a-zA-Z0-9_-]{2,50}", "must have 2 to 50 letters, digits, underscores and hyphens")


def _encode_rules(rules: list[Props]) -> list[dict[str, Any]]:
    return [
        {theirs: rule[ours] for ours, theirs in RULE.items() if ours in rule}
        | _encode_lifecycle(rule)
        | {"CopyActions": [_encode_copy(each) for each in rule.get("copyActions") or ()]}
        for rule in rules
    ]


def _encode_copy(copy: Props) -> dict[str, Any]:
    return {"DestinationBackupVaultArn": copy["destinationVaultArn"]} | _encode_lifecycle(copy)


def _encode_lifecycle(part: Props) -> dict[str, Any]:
    lifecycle = part.get("lifecycle")
    return {"Lifecycle": {"DeleteAfterDays": int(lifecycle["deleteAfter"])}} if lifecycle else {}


def _decode_rules(rules: list[dict[str, Any]]) -> list[Props]:
    return [
        {ours: rule[theirs] for ours, theirs in RULE.items() if theirs in rule}
        | _decode_lifecycle(rule)
        | {"copyActions": [_decode_copy(each) for each in rule.get("CopyActions", ())]}
        for rule in rules
    ]


def _decode_copy(copy: dict[str, Any]) -> Props:
    return {"destinationVaultArn": copy["DestinationBackupVaultArn"]} | _decode_lifecycle(copy)


def _decode_lifecycle(part: dict[str, Any]) -> Props:
    lifecycle = part.get("Lifecycle")
    return {"lifecycle": {"deleteAfter": lifecycle["DeleteAfterDays"]}} if lifecycle else {}


def _plan(ctx: ResourceContext) -> dict[str, Any]:
    return {"BackupPlanName": ctx.get("name"), "Rules": ctx.arguments(keys("rules"))["Rules"]}


def _read_plan(ctx: ResourceContext) -> dict[str, Any]:
    found = ctx.call("get_backup_plan", BackupPlanId=ctx.id)
    return {"Name": found["BackupPlan"]["BackupPlanName"], "Rules": found["BackupPlan"]["Rules"]} | found


def _create_selection(ctx: ResourceContext) -> str:
    selection = {"SelectionName": ctx.get("name"), **ctx.arguments(keys("iamRoleArn resources"))}
    made = ctx.call("create_backup_selection", BackupPlanId=ctx.get("planId"), BackupSelection=selection)
    return str(made["SelectionId"])


def _read_selection(ctx: ResourceContext) -> dict[str, Any]:
    found = ctx.call("get_backup_selection", BackupPlanId=ctx.state["planId"], SelectionId=ctx.id)
    return {**found["BackupSelection"], "PlanId": found["BackupPlanId"]}


def _lock(ctx: ResourceContext) -> str:
    limits = ctx.arguments(keys("minRetentionDays") & ctx.inputs.keys())
    ctx.call("put_backup_vault_lock_configuration", BackupVaultName=ctx.get("backupVaultName"), **limits)
    return str(ctx.get("backupVaultName"))


def _read_lock(ctx: ResourceContext) -> dict[str, Any] | None:
    found = ctx.call("describe_backup_vault", BackupVaultName=ctx.id)
    return found if found.get("Locked") else None


SPECS = (
    Spec(
        kind="aws:backup/vault:Vault",
        client="backup",
        force_new=keys("name kmsKeyArn region"),
        updatable=keys("tags"),
        outputs=keys("arn"),
        computed=keys("region"),
        names={"name": "BackupVaultName", "arn": "BackupVaultArn", "kmsKeyArn": "EncryptionKeyArn"},
        name="name",
        name_limit=50,
        validators=(matches("name", *VAULT_NAME), *arns("kmsKeyArn")),
        create=lambda ctx: ctx.create("create_backup_vault", "BackupVaultName"),
        read=lambda ctx: ctx.call("describe_backup_vault", BackupVaultName=ctx.id),
        delete=lambda ctx: ctx.call("delete_backup_vault", BackupVaultName=ctx.id),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:backup/vaultLockConfiguration:VaultLockConfiguration",
        client="backup",
        required=keys("backupVaultName"),
        force_new=keys("backupVaultName minRetentionDays region"),
        outputs=keys("backupVaultArn"),
        computed=keys("region"),
        validators=(between("minRetentionDays", 1, 36500),),
        create=_lock,
        read=_read_lock,
        delete=lambda ctx: ctx.call("delete_backup_vault_lock_configuration", BackupVaultName=ctx.id),
    ),
    Spec(
        kind="aws:backup/plan:Plan",
        client="backup",
        required=keys("rules"),
        force_new=keys("name"),
        updatable=keys("rules tags"),
        outputs=keys("arn"),
        names={"arn": "BackupPlanArn"},
        codecs={"rules": (_encode_rules, _decode_rules)},
        name="name",
        name_limit=50,
        create=lambda ctx: str(ctx.call("create_backup_plan", BackupPlan=_plan(ctx))["BackupPlanId"]),
        read=_read_plan,
        delete=lambda ctx: ctx.call("delete_backup_plan", BackupPlanId=ctx.id),
        setters=(
            Setter(
                keys("rules"),
                lambda ctx: ctx.call("update_backup_plan", BackupPlanId=ctx.id, BackupPlan=_plan(ctx)),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:backup/selection:Selection",
        client="backup",
        required=keys("iamRoleArn planId"),
        force_new=keys("name iamRoleArn planId resources"),
        unordered=keys("resources"),
        names={"name": "SelectionName"},
        name="name",
        name_limit=50,
        validators=arns("iamRoleArn"),
        create=_create_selection,
        read=_read_selection,
        delete=lambda ctx: ctx.call("delete_backup_selection", BackupPlanId=ctx.state["planId"], SelectionId=ctx.id),
    ),
)
