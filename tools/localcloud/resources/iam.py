"""Describes IAM's roles and policies, which belong to no region."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, keys
from tools.localcloud.schema.validators import arns, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext


def _text(document: Any) -> str:
    """Return a policy as text, as Pulumi has it; boto3 returns it parsed."""
    return document if isinstance(document, str) else json.dumps(document)


DOCUMENT = (_text, _text)


def _attached(ctx: ResourceContext, role: str) -> list[str]:
    pages = ctx.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]


def _set_boundary(ctx: ResourceContext) -> None:
    boundary = ctx.get("permissionsBoundary")
    if boundary:
        ctx.call("put_role_permissions_boundary", RoleName=ctx.id, PermissionsBoundary=boundary)
    else:
        ctx.call("delete_role_permissions_boundary", RoleName=ctx.id)


def _read_policy(ctx: ResourceContext) -> dict[str, Any]:
    policy = ctx.call("get_policy", PolicyArn=ctx.id)["Policy"]
    version = ctx.call("get_policy_version", PolicyArn=ctx.id, VersionId=policy["DefaultVersionId"])
    return {**policy, "PolicyDocument": version["PolicyVersion"]["Document"]}


def _replace_policy(ctx: ResourceContext) -> None:
    """Create a new version; AWS keeps five, so the oldest goes first, as with Pulumi's provider."""
    versions = ctx.call("list_policy_versions", PolicyArn=ctx.id)["Versions"]
    others = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])
    if len(versions) >= 5:  # noqa: PLR2004
        ctx.call("delete_policy_version", PolicyArn=ctx.id, VersionId=others[0]["VersionId"])
    ctx.call("create_policy_version", PolicyArn=ctx.id, PolicyDocument=_text(ctx.get("policy")), SetAsDefault=True)


def _delete_policy(ctx: ResourceContext) -> None:
    for version in ctx.call("list_policy_versions", PolicyArn=ctx.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            ctx.call("delete_policy_version", PolicyArn=ctx.id, VersionId=version["VersionId"])
    ctx.call("delete_policy", PolicyArn=ctx.id)


def _put_role_policy(ctx: ResourceContext) -> str:
    role, _, name = ctx.id.partition(":")
    role, name = role or ctx.get("role"), name or ctx.get("name")
    ctx.call("put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=_text(ctx.get("policy")))
    return f"{role}:{name}"


def _role_policy(ctx: ResourceContext) -> dict[str, str]:
    role, _, name = ctx.id.partition(":")
    return {"RoleName": role, "PolicyName": name}


def _attach(ctx: ResourceContext) -> str:
    role, arn = ctx.get("role"), ctx.get("policyArn")
    ctx.call("attach_role_policy", RoleName=role, PolicyArn=arn)
    return f"{role}/{arn}"


def _read_attachment(ctx: ResourceContext) -> dict[str, str] | None:
    role, _, arn = ctx.id.partition("/")
    return {"Role": role, "PolicyArn": arn} if arn in _attached(ctx, role) else None


def _detach(ctx: ResourceContext) -> None:
    role, _, arn = ctx.id.partition("/")
    ctx.call("detach_role_policy", RoleName=role, PolicyArn=arn)


def _delete_role(ctx: ResourceContext) -> None:
    if ctx.get("forceDetachPolicies"):
        for name in ctx.call("list_role_policies", RoleName=ctx.id)["PolicyNames"]:
            ctx.call("delete_role_policy", RoleName=ctx.id, PolicyName=name)
        for policy in ctx.call("list_attached_role_policies", RoleName=ctx.id)["AttachedPolicies"]:
            ctx.call("detach_role_policy", RoleName=ctx.id, PolicyArn=policy["PolicyArn"])
    ctx.call("delete_role", RoleName=ctx.id)


SPECS = (
    Spec(
        kind="aws:iam/role:Role",
        client="iam",
        required=keys("assumeRolePolicy"),
        regional=False,
        force_new=keys("name"),
        updatable=keys("assumeRolePolicy description permissionsBoundary tags"),
        state_only=keys("forceDetachPolicies"),
        defaults={"forceDetachPolicies": False},
        outputs=keys("arn createDate uniqueId"),
        documents=keys("assumeRolePolicy"),
        names={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument", "uniqueId": "RoleId"},
        response_path={"permissionsBoundary": "PermissionsBoundary.PermissionsBoundaryArn"},
        codecs={"assumeRolePolicy": DOCUMENT},
        name="name",
        name_limit=64,
        requests=("create_role",),
        validators=(policies("assumeRolePolicy"), *arns("permissionsBoundary")),
        create=lambda ctx: ctx.create("create_role", "Role.RoleName"),
        read=lambda ctx: ctx.call("get_role", RoleName=ctx.id)["Role"],
        delete=_delete_role,
        setters=(
            Setter(
                keys("assumeRolePolicy"),
                lambda ctx: ctx.call(
                    "update_assume_role_policy", RoleName=ctx.id, PolicyDocument=_text(ctx.get("assumeRolePolicy"))
                ),
                create=False,
            ),
            Setter(
                keys("description"),
                lambda ctx: ctx.modify("update_role", keys("description"), RoleName=ctx.id),
                create=False,
            ),
            Setter(keys("permissionsBoundary"), _set_boundary, create=False),
        ),
        tagging=Tagging(target="RoleName", add="tag_role", remove="untag_role", read="list_role_tags"),
    ),
    Spec(
        kind="aws:iam/policy:Policy",
        client="iam",
        required=keys("policy"),
        regional=False,
        force_new=keys("name description"),
        updatable=keys("policy tags"),
        outputs=keys("arn policyId"),
        documents=keys("policy"),
        names={"name": "PolicyName", "policy": "PolicyDocument"},
        codecs={"policy": DOCUMENT},
        name="name",
        name_limit=128,
        requests=("create_policy",),
        validators=(policies("policy"),),
        create=lambda ctx: ctx.create("create_policy", "Policy.Arn"),
        read=_read_policy,
        delete=_delete_policy,
        setters=(Setter(keys("policy"), _replace_policy, create=False),),
        tagging=Tagging(target="PolicyArn", add="tag_policy", remove="untag_policy", read="list_policy_tags"),
    ),
    Spec(
        kind="aws:iam/rolePolicy:RolePolicy",
        client="iam",
        required=keys("role policy"),
        regional=False,
        force_new=keys("role name"),
        updatable=keys("policy"),
        documents=keys("policy"),
        names={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
        codecs={"policy": DOCUMENT},
        name="name",
        name_limit=128,
        requests=("put_role_policy",),
        validators=(policies("policy"),),
        create=_put_role_policy,
        read=lambda ctx: ctx.call("get_role_policy", **_role_policy(ctx)),
        delete=lambda ctx: ctx.call("delete_role_policy", **_role_policy(ctx)),
        setters=(Setter(keys("policy"), _put_role_policy, create=False),),
    ),
    Spec(
        kind="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        client="iam",
        required=keys("role policyArn"),
        regional=False,
        force_new=keys("role policyArn"),
        delete_before_replace=True,
        requests=("attach_role_policy",),
        validators=arns("policyArn"),
        create=_attach,
        read=_read_attachment,
        delete=_detach,
    ),
)
