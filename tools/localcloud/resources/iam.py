"""IAM: roles and their policies. IAM is global: no region."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging
from tools.localcloud.schema.validators import between, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation


def _text(document: Any) -> str:
    """boto3 answers policies parsed; Pulumi keeps them as text."""
    return document if isinstance(document, str) else json.dumps(document)


DOCUMENT = (_text, _text)


def _attached(op: Operation, role: str) -> list[str]:
    pages = op.session.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    return [policy["PolicyArn"] for page in pages for policy in page["AttachedPolicies"]]


def _delete_role(op: Operation) -> None:
    if op.want("forceDetachPolicies"):
        for arn in _attached(op, op.id):
            op.call("detach_role_policy", RoleName=op.id, PolicyArn=arn)
        for name in op.call("list_role_policies", RoleName=op.id)["PolicyNames"]:
            op.call("delete_role_policy", RoleName=op.id, PolicyName=name)
    op.call("delete_role", RoleName=op.id)


def _bound(op: Operation) -> None:
    boundary = op.want("permissionsBoundary")
    if boundary:
        op.call("put_role_permissions_boundary", RoleName=op.id, PermissionsBoundary=boundary)
    else:
        op.call("delete_role_permissions_boundary", RoleName=op.id)


def _read_policy(op: Operation) -> dict[str, Any]:
    policy = op.call("get_policy", PolicyArn=op.id)["Policy"]
    version = op.call("get_policy_version", PolicyArn=op.id, VersionId=policy["DefaultVersionId"])
    return {**policy, "PolicyDocument": version["PolicyVersion"]["Document"]}


def _replace_policy(op: Operation) -> None:
    """AWS keeps five versions; the oldest goes when there is no room, as in Pulumi's provider."""
    versions = op.call("list_policy_versions", PolicyArn=op.id)["Versions"]
    others = sorted((v for v in versions if not v["IsDefaultVersion"]), key=lambda v: v["CreateDate"])
    if len(versions) >= 5:  # noqa: PLR2004
        op.call("delete_policy_version", PolicyArn=op.id, VersionId=others[0]["VersionId"])
    op.call("create_policy_version", PolicyArn=op.id, PolicyDocument=_text(op.want("policy")), SetAsDefault=True)


def _delete_policy(op: Operation) -> None:
    for version in op.call("list_policy_versions", PolicyArn=op.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            op.call("delete_policy_version", PolicyArn=op.id, VersionId=version["VersionId"])
    op.call("delete_policy", PolicyArn=op.id)


def _put_role_policy(op: Operation) -> str:
    role, _, name = op.id.partition(":")
    role, name = role or op.want("role"), name or op.physical_name()
    op.call("put_role_policy", RoleName=role, PolicyName=name, PolicyDocument=_text(op.want("policy")))
    return f"{role}:{name}"


def _role_policy(op: Operation) -> dict[str, str]:
    role, _, name = op.id.partition(":")
    return {"RoleName": role, "PolicyName": name}


def _attach(op: Operation) -> str:
    role, arn = op.want("role"), op.want("policyArn")
    op.call("attach_role_policy", RoleName=role, PolicyArn=arn)
    return f"{role}/{arn}"


def _read_attachment(op: Operation) -> dict[str, str] | None:
    role, _, arn = op.id.partition("/")
    return {"Role": role, "PolicyArn": arn} if arn in _attached(op, role) else None


def _detach(op: Operation) -> None:
    role, _, arn = op.id.partition("/")
    op.call("detach_role_policy", RoleName=role, PolicyArn=arn)


SPECS = (
    Spec(
        kind="aws:iam/role:Role",
        client="iam",
        regional=False,
        fixed="name namePrefix path",
        mutable="assumeRolePolicy! description maxSessionDuration permissionsBoundary tags",
        local="forceDetachPolicies",
        outputs="arn createDate uniqueId",
        defaults={"path": "/", "maxSessionDuration": 3600, "forceDetachPolicies": False},
        documents="assumeRolePolicy",
        names={"name": "RoleName", "assumeRolePolicy": "AssumeRolePolicyDocument", "uniqueId": "RoleId"},
        seen={"permissionsBoundary": "PermissionsBoundary.PermissionsBoundaryArn"},
        codecs={"assumeRolePolicy": DOCUMENT},
        name="name",
        limit=64,
        checks=(policies("assumeRolePolicy"), between("maxSessionDuration", 3600, 43200)),
        create=lambda op: op.make("create_role", "Role.RoleName"),
        read=lambda op: op.call("get_role", RoleName=op.id)["Role"],
        delete=_delete_role,
        setters=(
            Setter(
                "assumeRolePolicy",
                lambda op: op.call(
                    "update_assume_role_policy", RoleName=op.id, PolicyDocument=_text(op.want("assumeRolePolicy"))
                ),
                create=False,
            ),
            Setter(
                "description maxSessionDuration",
                lambda op: op.call(
                    "update_role",
                    RoleName=op.id,
                    Description=op.want("description") or "",
                    MaxSessionDuration=op.want("maxSessionDuration"),
                ),
                create=False,
            ),
            Setter("permissionsBoundary", _bound, create=False),
        ),
        tagging=Tagging(
            target="RoleName", add="tag_role", remove="untag_role", read="list_role_tags", of=lambda op: op.id
        ),
    ),
    Spec(
        kind="aws:iam/policy:Policy",
        client="iam",
        regional=False,
        fixed="name namePrefix path description",
        mutable="policy! tags",
        outputs="arn policyId",
        defaults={"path": "/"},
        documents="policy",
        names={"name": "PolicyName", "policy": "PolicyDocument"},
        codecs={"policy": DOCUMENT},
        name="name",
        limit=128,
        checks=(policies("policy"),),
        create=lambda op: op.make("create_policy", "Policy.Arn"),
        read=_read_policy,
        delete=_delete_policy,
        setters=(Setter("policy", _replace_policy, create=False),),
        tagging=Tagging(
            target="PolicyArn", add="tag_policy", remove="untag_policy", read="list_policy_tags", of=lambda op: op.id
        ),
    ),
    Spec(
        kind="aws:iam/rolePolicy:RolePolicy",
        client="iam",
        regional=False,
        fixed="role! name namePrefix",
        mutable="policy!",
        documents="policy",
        names={"role": "RoleName", "name": "PolicyName", "policy": "PolicyDocument"},
        codecs={"policy": DOCUMENT},
        name="name",
        limit=128,
        checks=(policies("policy"),),
        create=_put_role_policy,
        read=lambda op: op.call("get_role_policy", **_role_policy(op)),
        delete=lambda op: op.call("delete_role_policy", **_role_policy(op)),
        setters=(Setter("policy", _put_role_policy, create=False),),
    ),
    Spec(
        kind="aws:iam/rolePolicyAttachment:RolePolicyAttachment",
        client="iam",
        regional=False,
        fixed="role! policyArn!",
        unique=True,
        create=_attach,
        read=_read_attachment,
        delete=_detach,
    ),
)
