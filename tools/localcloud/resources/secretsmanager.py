"""Secrets Manager: secrets, their values, policies and rotation."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.localcloud.schema.lifecycle import to_aws
from tools.localcloud.schema.spec import Setter, Spec, Tagging
from tools.localcloud.schema.validators import between, exclusive, length, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation

LARGEST = 65536  # bytes of a secret's value


def _read_secret(op: Operation) -> dict[str, Any] | None:
    secret = op.call("describe_secret", SecretId=op.id)
    if secret.get("DeletedDate"):
        return None
    return secret | {"Policy": op.call("get_resource_policy", SecretId=op.id).get("ResourcePolicy")}


def _delete_secret(op: Operation) -> None:
    days = op.want("recoveryWindowInDays")
    how = {"ForceDeleteWithoutRecovery": True} if days == 0 else {"RecoveryWindowInDays": days}
    try:
        op.call("delete_secret", SecretId=op.id, **how)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidRequestException":  # it is scheduled for deletion already
            raise


def _put_policy(op: Operation) -> str:
    op.id = op.id or op.want("secretArn")
    policy = op.want("policy")
    if policy:
        op.call(
            "put_resource_policy",
            SecretId=op.id,
            ResourcePolicy=policy,
            BlockPublicPolicy=op.want("blockPublicPolicy"),
        )
    else:
        op.call("delete_resource_policy", SecretId=op.id)
    return op.id


def _put_value(op: Operation) -> str:
    """A write-only value does not stand in the inputs; its version does."""
    text = op.hidden.get("secretStringWo") or op.want("secretString")
    if text is None:
        raise op.refuse("InvalidParameterException", "secretString or secretStringWo must be given")
    made = op.call(
        "put_secret_value",
        SecretId=op.want("secretId"),
        SecretString=text,
        ClientRequestToken=secrets.token_hex(16),
    )
    return f"{made['ARN']}|{made['VersionId']}"


def _read_value(op: Operation) -> dict[str, Any] | None:
    secret, _, version = op.id.partition("|")
    op.state.setdefault("hasSecretStringWo", op.state.get("secretStringWoVersion") is not None)
    try:
        found = op.call("get_secret_value", SecretId=secret, VersionId=version)
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRequestException":  # the secret is scheduled for deletion
            return None
        raise
    if op.state.get("secretStringWoVersion") is not None:
        found.pop("SecretString", None)  # what was write-only stays out of the state
    return found | {"SecretArn": found["ARN"], "SecretId": op.state.get("secretId") or found["ARN"]}


def _rotation(op: Operation) -> dict[str, Any] | None:
    secret = op.call("describe_secret", SecretId=op.id)
    return secret | {"SecretId": op.state.get("secretId") or op.id} if secret.get("RotationEnabled") else None


def _rotate(op: Operation) -> str:
    secret = op.want("secretId")
    rules = to_aws({key: value for key, value in (op.want("rotationRules") or {}).items() if value})
    made = op.call(
        "rotate_secret",
        SecretId=secret,
        RotationRules=rules,
        RotateImmediately=op.want("rotateImmediately"),
        RotationLambdaARN=op.want("rotationLambdaArn"),
    )
    return str(made["ARN"])


SPECS = (
    Spec(
        kind="aws:secretsmanager/secret:Secret",
        client="secretsmanager",
        fixed="name namePrefix",
        mutable="description kmsKeyId policy tags",
        local="recoveryWindowInDays",
        outputs="arn",
        defaults={"recoveryWindowInDays": 30},
        ceded="policy",
        documents="policy",
        names={"arn": "ARN"},
        name="name",
        limit=512,
        checks=(policies("policy"), between("recoveryWindowInDays", 7, 30, also=(0,))),
        create=lambda op: op.make("create_secret", "ARN"),
        read=_read_secret,
        delete=_delete_secret,
        setters=(
            Setter(
                "description kmsKeyId",
                lambda op: op.modify("update_secret", "description kmsKeyId", SecretId=op.id),
                create=False,
            ),
            Setter("policy", _put_policy),
        ),
        tagging=Tagging(target="SecretId", add="tag_resource", remove="untag_resource"),
    ),
    Spec(
        kind="aws:secretsmanager/secretVersion:SecretVersion",
        client="secretsmanager",
        fixed="secretId! secretString secretStringWoVersion",
        write_only="secretStringWo",
        outputs="arn secretArn versionId hasSecretStringWo",
        secret="secretString",  # noqa: S106 - the name of the property
        names={"arn": "ARN"},
        lost={"secretStringWoVersion hasSecretStringWo": "Pulumi's own, which AWS does not keep"},
        checks=(
            exclusive("secretString", "secretStringWo"),
            length("secretString", 1, LARGEST),
            length("secretStringWo", 1, LARGEST),
        ),
        create=_put_value,
        read=_read_value,
        delete=lambda _op: None,  # the value stays with its secret, as with Pulumi's provider when it is current
    ),
    Spec(
        kind="aws:secretsmanager/secretPolicy:SecretPolicy",
        client="secretsmanager",
        fixed="secretArn!",
        mutable="policy!",
        local="blockPublicPolicy",
        documents="policy",
        names={"policy": "ResourcePolicy", "secretArn": "ARN"},
        unique=True,
        checks=(policies("policy"),),
        create=_put_policy,
        read=lambda op: (
            found if (found := op.call("get_resource_policy", SecretId=op.id)).get("ResourcePolicy") else None
        ),
        delete=lambda op: op.call("delete_resource_policy", SecretId=op.id),
        setters=(Setter("policy", _put_policy, create=False),),
    ),
    Spec(
        kind="aws:secretsmanager/secretRotation:SecretRotation",
        client="secretsmanager",
        fixed="secretId!",
        mutable="rotationRules rotationLambdaArn",
        local="rotateImmediately",
        outputs="rotationEnabled",
        defaults={"rotateImmediately": True},
        names={"rotationLambdaArn": "RotationLambdaARN"},
        unique=True,
        create=_rotate,
        read=_rotation,
        delete=lambda _op: None,
        setters=(Setter("rotationRules rotationLambdaArn", _rotate, create=False),),
    ),
)
