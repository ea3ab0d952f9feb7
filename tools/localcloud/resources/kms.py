"""Describes KMS's keys and aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, keys
from tools.localcloud.schema.validators import between, matches, needs, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext


def _read_key(ctx: ResourceContext) -> dict[str, Any] | None:
    key = ctx.call("describe_key", KeyId=ctx.id)["KeyMetadata"]
    if key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    rotation = ctx.call("get_key_rotation_status", KeyId=ctx.id)
    policy = ctx.call("get_key_policy", KeyId=ctx.id, PolicyName="default")["Policy"]
    # AWS has a period for a key without rotation too; Pulumi's provider does not show it.
    period = rotation.get("RotationPeriodInDays") if rotation["KeyRotationEnabled"] else None
    return {**key, "Rotation": rotation["KeyRotationEnabled"], "Period": period, "Policy": policy}


def _rotate(ctx: ResourceContext) -> None:
    if ctx.get("enableKeyRotation"):
        ctx.call("enable_key_rotation", KeyId=ctx.id, RotationPeriodInDays=ctx.get("rotationPeriodInDays"))
    else:
        ctx.call("disable_key_rotation", KeyId=ctx.id)


def _delete_key(ctx: ResourceContext) -> None:
    if _read_key(ctx) is not None:
        ctx.call("schedule_key_deletion", KeyId=ctx.id, PendingWindowInDays=ctx.get("deletionWindowInDays"))


def _read_alias(ctx: ResourceContext) -> dict[str, Any] | None:
    for page in ctx.client("kms").get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == ctx.id:
                return {**alias, "TargetKeyArn": ctx.arn("kms", f"key/{alias['TargetKeyId']}")}
    return None


def _key_id(value: str) -> str:
    return value.rsplit("/", 1)[-1]


SPECS = (
    Spec(
        kind="aws:kms/key:Key",
        client="kms",
        force_new=keys("multiRegion region"),
        updatable=keys("description policy enableKeyRotation rotationPeriodInDays tags"),
        state_only=keys("deletionWindowInDays"),
        outputs=keys("arn keyId"),
        computed=keys("policy description rotationPeriodInDays region"),
        documents=keys("policy"),
        defaults={"enableKeyRotation": False, "deletionWindowInDays": 30, "multiRegion": False},
        names={"enableKeyRotation": "Rotation", "rotationPeriodInDays": "Period"},
        requests=("create_key",),
        validators=(
            policies("policy"),
            needs("rotationPeriodInDays", "enableKeyRotation"),
            between("deletionWindowInDays", 7, 30),
            between("rotationPeriodInDays", 90, 2560),
        ),
        create=lambda ctx: ctx.create("create_key", "KeyMetadata.KeyId"),
        read=_read_key,
        delete=_delete_key,
        setters=(
            Setter(keys("enableKeyRotation rotationPeriodInDays"), _rotate),
            Setter(
                keys("description"),
                lambda ctx: ctx.modify("update_key_description", keys("description"), KeyId=ctx.id),
                create=False,
            ),
            Setter(
                keys("policy"),
                lambda ctx: ctx.call("put_key_policy", KeyId=ctx.id, PolicyName="default", Policy=ctx.get("policy")),
                create=False,
            ),
        ),
        tagging=Tagging(
            target="KeyId",
            add="tag_resource",
            remove="untag_resource",
            read="list_resource_tags",
            pair=("TagKey", "TagValue"),
        ),
    ),
    Spec(
        kind="aws:kms/alias:Alias",
        client="kms",
        required=keys("targetKeyId"),
        force_new=keys("name"),
        updatable=keys("targetKeyId"),
        outputs=keys("arn targetKeyArn"),
        names={"name": "AliasName", "arn": "AliasArn"},
        canonical={"targetKeyId": _key_id},  # an id or an ARN may be given
        unknown_when_changed={"targetKeyArn": "targetKeyId"},
        name="name",
        name_start="alias/",
        requests=("create_alias",),
        validators=(
            matches(
                "name",
                r"alias/(?!aws/)[0-9A-Za-z_/-]+",
                "must begin with alias/ and not with alias/aws/, and have only letters, digits and _/- after it",
            ),
        ),
        create=lambda ctx: ctx.create("create_alias", TargetKeyId=_key_id(ctx.get("targetKeyId"))),
        read=_read_alias,
        delete=lambda ctx: ctx.call("delete_alias", AliasName=ctx.id),
        setters=(
            Setter(
                keys("targetKeyId"),
                lambda ctx: ctx.call("update_alias", AliasName=ctx.id, TargetKeyId=_key_id(ctx.get("targetKeyId"))),
                create=False,
            ),
        ),
    ),
)
