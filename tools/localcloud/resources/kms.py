"""KMS: keys and aliases."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging
from tools.localcloud.schema.validators import between, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation


def _read_key(op: Operation) -> dict[str, Any] | None:
    key = op.call("describe_key", KeyId=op.id)["KeyMetadata"]
    if key["KeyState"] in ("PendingDeletion", "PendingReplicaDeletion"):
        return None
    rotation = op.call("get_key_rotation_status", KeyId=op.id)
    policy = op.call("get_key_policy", KeyId=op.id, PolicyName="default")["Policy"]
    # AWS answers the period of a key that is not rotated too, Pulumi's provider does not show it.
    period = rotation.get("RotationPeriodInDays") if rotation["KeyRotationEnabled"] else None
    return {**key, "Rotation": rotation["KeyRotationEnabled"], "Period": period, "Policy": policy}


def _rotate(op: Operation) -> None:
    if op.want("enableKeyRotation"):
        op.call("enable_key_rotation", KeyId=op.id, RotationPeriodInDays=op.want("rotationPeriodInDays"))
    else:
        op.call("disable_key_rotation", KeyId=op.id)


def _delete_key(op: Operation) -> None:
    if _read_key(op) is not None:
        op.call("schedule_key_deletion", KeyId=op.id, PendingWindowInDays=op.want("deletionWindowInDays"))


def _read_alias(op: Operation) -> dict[str, Any] | None:
    for page in op.session.client("kms", op.region).get_paginator("list_aliases").paginate():
        for alias in page["Aliases"]:
            if alias["AliasName"] == op.id:
                return {**alias, "TargetKeyArn": op.arn("kms", f"key/{alias['TargetKeyId']}")}
    return None


def _key_id(value: str) -> str:
    return value.rsplit("/", 1)[-1]


SPECS = (
    Spec(
        kind="aws:kms/key:Key",
        client="kms",
        fixed="customerMasterKeySpec keyUsage multiRegion customKeyStoreId",
        mutable="description policy isEnabled enableKeyRotation rotationPeriodInDays tags",
        local="deletionWindowInDays",
        outputs="arn keyId",
        computed="policy description rotationPeriodInDays",
        documents="policy",
        defaults={
            "customerMasterKeySpec": "SYMMETRIC_DEFAULT",
            "keyUsage": "ENCRYPT_DECRYPT",
            "multiRegion": False,
            "isEnabled": True,
            "enableKeyRotation": False,
            "deletionWindowInDays": 30,
        },
        names={
            "customerMasterKeySpec": "KeySpec",
            "isEnabled": "Enabled",
            "enableKeyRotation": "Rotation",
            "rotationPeriodInDays": "Period",
        },
        checks=(
            policies("policy"),
            between("deletionWindowInDays", 7, 30),
            between("rotationPeriodInDays", 90, 2560),
        ),
        create=lambda op: op.make("create_key", "KeyMetadata.KeyId"),
        read=_read_key,
        delete=_delete_key,
        setters=(
            Setter("enableKeyRotation rotationPeriodInDays", _rotate),
            Setter(
                "isEnabled",
                lambda op: op.call("enable_key" if op.want("isEnabled") else "disable_key", KeyId=op.id),
            ),
            Setter(
                "description",
                lambda op: op.call("update_key_description", KeyId=op.id, Description=op.want("description") or ""),
                create=False,
            ),
            Setter(
                "policy",
                lambda op: op.call("put_key_policy", KeyId=op.id, PolicyName="default", Policy=op.want("policy")),
                create=False,
            ),
        ),
        tagging=Tagging(
            target="KeyId",
            add="tag_resource",
            remove="untag_resource",
            read="list_resource_tags",
            pair=("TagKey", "TagValue"),
            of=lambda op: op.id,
        ),
    ),
    Spec(
        kind="aws:kms/alias:Alias",
        client="kms",
        fixed="name namePrefix",
        mutable="targetKeyId!",
        outputs="arn targetKeyArn",
        names={"name": "AliasName", "arn": "AliasArn"},
        canonical={"targetKeyId": _key_id},  # an id or an ARN may be given
        follows={"targetKeyArn": "targetKeyId"},
        name="name",
        starts="alias/",
        checks=(
            lambda news: (
                None
                if not (name := news.get("name")) or (name.startswith("alias/") and not name.startswith("alias/aws/"))
                else f"name {name!r} must begin with alias/ and not with alias/aws/"
            ),
        ),
        create=lambda op: op.make("create_alias", TargetKeyId=_key_id(op.want("targetKeyId"))),
        read=_read_alias,
        delete=lambda op: op.call("delete_alias", AliasName=op.id),
        setters=(
            Setter(
                "targetKeyId",
                lambda op: op.call("update_alias", AliasName=op.id, TargetKeyId=_key_id(op.want("targetKeyId"))),
                create=False,
            ),
        ),
    ),
)
