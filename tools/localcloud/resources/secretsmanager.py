"""Describes Secrets Manager: secrets, their values, policies and rotation."""

from __future__ import annotations

import secrets
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.localcloud.schema.spec import Setter, Spec, Tagging, keys, to_aws
from tools.localcloud.schema.validators import Known, arns, between, exclusive, length, matches, needs, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

LARGEST = 65536  # bytes of a secret's value


def _read_secret(ctx: ResourceContext) -> dict[str, Any] | None:
    secret = ctx.call("describe_secret", SecretId=ctx.id)
    return None if secret.get("DeletedDate") else secret


def _create_secret(ctx: ResourceContext) -> str:
    """Create the secret; the emulator says of one that waits for its deletion only that it exists."""
    try:
        return ctx.create("create_secret", "ARN")
    except ClientError as error:
        exists = error.response["Error"]["Code"] == "ResourceExistsException"
        if exists and ctx.call("describe_secret", SecretId=ctx.get("name")).get("DeletedDate"):
            reason = "because a secret with this name is already scheduled for deletion."
            raise ctx.error("InvalidRequestException", f"You can't create this secret {reason}") from None
        raise


def _delete_secret(ctx: ResourceContext) -> None:
    days = ctx.get("recoveryWindowInDays")
    how = {"ForceDeleteWithoutRecovery": True} if days == 0 else {"RecoveryWindowInDays": days}
    try:
        ctx.call("delete_secret", SecretId=ctx.id, **how)
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidRequestException":  # it is scheduled for deletion already
            raise


def _put_policy(ctx: ResourceContext) -> str:
    ctx.call(
        "put_resource_policy",
        SecretId=ctx.get("secretArn"),
        ResourcePolicy=ctx.get("policy"),
        BlockPublicPolicy=ctx.get("blockPublicPolicy"),
    )
    return str(ctx.get("secretArn"))


def _put_value(ctx: ResourceContext) -> str:
    """Put a new version of a secret, with the value of either input."""
    text = ctx.write_only_values.get("secretStringWo") or ctx.get("secretString")
    if text is None:
        raise ctx.error("InvalidParameterException", "secretString or secretStringWo must be given")
    made = ctx.call(
        "put_secret_value",
        SecretId=ctx.get("secretId"),
        SecretString=text,
        VersionStages=ctx.get("versionStages"),
        ClientRequestToken=secrets.token_hex(16),
    )
    return f"{made['ARN']}|{made['VersionId']}"


def _stage(ctx: ResourceContext) -> None:
    """Give a version its stages. AWS takes the current one away only by giving it to another version."""
    secret, _, version = ctx.id.partition("|")
    holders = {
        stage: holder
        for holder, stages in ctx.call("describe_secret", SecretId=secret)["VersionIdsToStages"].items()
        for stage in stages
    }
    wanted = ctx.get("versionStages")
    change = partial(ctx.call, "update_secret_version_stage", SecretId=secret)
    for stage in wanted:
        if holders.get(stage) != version:
            change(VersionStage=stage, MoveToVersionId=version, RemoveFromVersionId=holders.get(stage))
    for stage, holder in holders.items():
        if holder == version and stage not in {*wanted, "AWSCURRENT"}:
            change(VersionStage=stage, RemoveFromVersionId=version)


def _read_value(ctx: ResourceContext) -> dict[str, Any] | None:
    secret, _, version = ctx.id.partition("|")
    ctx.state.setdefault("hasSecretStringWo", ctx.state.get("secretStringWoVersion") is not None)
    try:
        found = ctx.call("get_secret_value", SecretId=secret, VersionId=version)
    except ClientError as error:
        if error.response["Error"]["Code"] == "InvalidRequestException":  # the secret is scheduled for deletion
            return None
        raise
    if ctx.state.get("secretStringWoVersion") is not None:
        found.pop("SecretString", None)  # a write-only value stays out of the state
    return found | {"SecretArn": found["ARN"], "SecretId": ctx.state.get("secretId") or found["ARN"]}


def _rotation(ctx: ResourceContext) -> dict[str, Any] | None:
    secret = ctx.call("describe_secret", SecretId=ctx.id)
    return secret | {"SecretId": ctx.state.get("secretId") or ctx.id} if secret.get("RotationEnabled") else None


def _one_schedule(news: Known) -> str | None:
    rules = news.get("rotationRules")
    given = [key for key in ("automaticallyAfterDays", "scheduleExpression") if (rules or {}).get(key) is not None]
    if rules is None or len(given) == 1:
        return None
    return "rotationRules needs one of automaticallyAfterDays and scheduleExpression" + (
        ", not both" if given else ""
    )


def _rotate(ctx: ResourceContext) -> str:
    secret = ctx.get("secretId")
    rules = to_aws({key: value for key, value in (ctx.get("rotationRules") or {}).items() if value})
    made = ctx.call(
        "rotate_secret",
        SecretId=secret,
        RotationRules=rules,
        RotateImmediately=ctx.get("rotateImmediately"),
    )
    return str(made["ARN"])


SPECS = (
    Spec(
        kind="aws:secretsmanager/secret:Secret",
        client="secretsmanager",
        force_new=keys("name"),
        updatable=keys("description kmsKeyId tags"),
        state_only=keys("recoveryWindowInDays"),
        outputs=keys("arn"),
        defaults={"recoveryWindowInDays": 30},
        names={"arn": "ARN"},
        name="name",
        name_limit=512,
        requests=("create_secret",),
        validators=(
            matches("name", r"[0-9A-Za-z/_+=.@-]+", "must have only letters, digits and /_+=.@-"),
            between("recoveryWindowInDays", 7, 30, also=(0,)),
        ),
        create=_create_secret,
        read=_read_secret,
        delete=_delete_secret,
        setters=(
            Setter(
                keys("description kmsKeyId"),
                lambda ctx: ctx.modify("update_secret", keys("description kmsKeyId"), SecretId=ctx.id),
                create=False,
            ),
        ),
        tagging=Tagging(target="SecretId", add="tag_resource", remove="untag_resource"),
    ),
    Spec(
        kind="aws:secretsmanager/secretVersion:SecretVersion",
        client="secretsmanager",
        required=keys("secretId"),
        force_new=keys("secretId secretString secretStringWoVersion"),
        updatable=keys("versionStages"),
        computed=keys("versionStages"),
        unordered=keys("versionStages"),
        write_only=keys("secretStringWo"),
        outputs=keys("arn secretArn versionId hasSecretStringWo"),
        secret=keys("secretString"),
        names={"arn": "ARN"},
        unsupported={"secretStringWoVersion hasSecretStringWo": "Pulumi's own, which AWS does not keep"},
        validators=(
            exclusive("secretString", "secretStringWo"),
            needs("secretStringWo", "secretStringWoVersion"),
            needs("secretStringWoVersion", "secretStringWo"),
            length("secretString", 1, LARGEST),
            length("secretStringWo", 1, LARGEST),
        ),
        create=_put_value,
        read=_read_value,
        delete=lambda _ctx: None,  # the value stays with its secret, as with Pulumi's provider when it is current
        setters=(Setter(keys("versionStages"), _stage, create=False),),
    ),
    Spec(
        kind="aws:secretsmanager/secretPolicy:SecretPolicy",
        client="secretsmanager",
        required=keys("secretArn policy"),
        force_new=keys("secretArn"),
        updatable=keys("policy"),
        state_only=keys("blockPublicPolicy"),
        documents=keys("policy"),
        names={"policy": "ResourcePolicy", "secretArn": "ARN"},
        requests=("put_resource_policy",),
        validators=(policies("policy"), *arns("secretArn")),
        create=_put_policy,
        read=lambda ctx: (
            found if (found := ctx.call("get_resource_policy", SecretId=ctx.id)).get("ResourcePolicy") else None
        ),
        delete=lambda ctx: ctx.call("delete_resource_policy", SecretId=ctx.id),
        setters=(Setter(keys("policy"), _put_policy, create=False),),
    ),
    Spec(
        kind="aws:secretsmanager/secretRotation:SecretRotation",
        client="secretsmanager",
        required=keys("secretId rotationRules"),
        force_new=keys("secretId"),
        updatable=keys("rotationRules"),
        state_only=keys("rotateImmediately"),
        outputs=keys("rotationEnabled"),
        defaults={"rotateImmediately": True},
        requests=("rotate_secret",),
        validators=(_one_schedule,),
        create=_rotate,
        read=_rotation,
        delete=lambda _ctx: None,
        setters=(Setter(keys("rotationRules"), _rotate, create=False),),
    ),
)
