"""IAM, keys and secrets: who may do what, and no more."""

from collections.abc import Iterator
from typing import Any

from shared.policies.rule import Resource, Rules, Statement, as_list, statements

RULES = Rules()

KEY = "aws:kms/key:Key"
SECRET = "aws:secretsmanager/secret:Secret"  # noqa: S105 (a type)
ROLE = "aws:iam/role:Role"

IDENTITY_POLICIES = {
    "aws:iam/rolePolicy:RolePolicy": "policy",
    "aws:iam/policy:Policy": "policy",
}
TRUST_POLICIES = {ROLE: "assumeRolePolicy"}
TLS_POLICIES = {
    "aws:secretsmanager/secretPolicy:SecretPolicy": "policy",
    "aws:sqs/queuePolicy:QueuePolicy": "policy",
    "aws:sns/topicPolicy:TopicPolicy": "policy",
    "aws:kinesis/resourcePolicy:ResourcePolicy": "policy",
}
"""Policies of resources whose API could be called without TLS."""
RESOURCE_POLICIES = {KEY: "policy", "aws:ec2/vpcEndpoint:VpcEndpoint": "policy"} | TLS_POLICIES
ALL_POLICIES = IDENTITY_POLICIES | TRUST_POLICIES | RESOURCE_POLICIES

LEAST_PRIVILEGE = "IAM User Guide, Security best practices: apply least-privilege permissions"
OF_THE_CALLER = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalorgid",
        "aws:sourceaccount",
        "aws:sourcearn",
        "aws:sourceowner",
        "kms:calleraccount",
    }
)
"""Condition keys that tell who calls (IAM User Guide, "Global condition context keys"; KMS Developer Guide)."""

ENOUGH_DAYS = 30
"""The most that KMS and Secrets Manager wait before they delete."""


@RULES.on_statements("IAM.1", IDENTITY_POLICIES)
def no_administrator(statement: Statement, _: Resource) -> str | None:
    """No policy allows every action on every resource."""
    if _allows(statement) and "*" in as_list(statement.get("Action")) and "*" in as_list(statement.get("Resource")):
        return "name the actions and the resources"
    return None


@RULES.on_statements("IAM.21", ALL_POLICIES)
def no_whole_service(statement: Statement, _: Resource) -> str | None:
    """No policy allows all actions of a service."""
    whole = [action for action in as_list(statement.get("Action")) if _is_whole_service(action)]
    return f"name the actions in place of {', '.join(whole)}" if _allows(statement) and whole else None


@RULES.on_statements("TXMON.5", ALL_POLICIES, source=LEAST_PRIVILEGE)
def named_actions(statement: Statement, _: Resource) -> str | None:
    """An action with a wildcard, or NotAction, has its reason in the table of exceptions."""
    wild = [action for action in as_list(statement.get("Action")) if "*" in action and not _is_whole_service(action)]
    if _allows(statement) and (wild or "NotAction" in statement):
        return f"name the actions in place of {', '.join(wild) or 'NotAction'}, or give a reason in exceptions.py"
    return None


@RULES.on_statements(
    "TXMON.6", IDENTITY_POLICIES | {"aws:ec2/vpcEndpoint:VpcEndpoint": "policy"}, source=LEAST_PRIVILEGE
)
def named_resources(statement: Statement, _: Resource) -> str | None:
    """The resource "*", or NotResource, has its reason in the table of exceptions."""
    if _allows(statement) and ("*" in as_list(statement.get("Resource")) or "NotResource" in statement):
        return "name the resources, or give a reason in exceptions.py"
    return None


@RULES.on_statements("TXMON.7", TRUST_POLICIES | RESOURCE_POLICIES, source="IAM User Guide, Principal: *")
def no_public_principal(statement: Statement, _: Resource) -> str | None:
    """Nobody outside the account is allowed anything: the principal "*" needs a condition on who calls."""
    if _allows(statement) and _is_public(statement) and not OF_THE_CALLER & set(_condition_keys(statement)):
        return "name the principals, or add a condition on the caller's account"
    return None


@RULES.on_statements("TXMON.8", TRUST_POLICIES, source="IAM User Guide, The confused deputy problem")
def no_confused_deputy(statement: Statement, _: Resource) -> str | None:
    """A service that acts for many accounts takes a role only on behalf of ours."""
    services = [name for name in as_list((statement.get("Principal") or {}).get("Service")) if name not in PASSED]
    if _allows(statement) and services and "aws:sourceaccount" not in _condition_keys(statement):
        return f"add the condition aws:SourceAccount to {', '.join(services)}"
    return None


PASSED = frozenset({"lambda.amazonaws.com", "ec2.amazonaws.com"})
"""Services that take a role only from someone who may pass it: iam:PassRole does not cross accounts."""


@RULES.on(
    "TXMON.9", *TLS_POLICIES, source="AWS Well-Architected Framework, SEC09-BP02: enforce encryption in transit"
)
def tls_only(policy: Resource) -> str | None:
    """The policy of a stream, secret, queue or topic denies calls without TLS to everyone."""
    denies = any(
        statement.get("Effect") == "Deny"
        and _is_public(statement)
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for statement in statements(policy.get("policy"))
    )
    return None if denies else "add policy.deny_without_tls"


@RULES.on(
    "TXMON.10",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment",
    "aws:iam/policyAttachment:PolicyAttachment",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment",
    source=LEAST_PRIVILEGE,
)
def no_full_access(attachment: Resource) -> str | None:
    """No policy of AWS's that opens a whole service or the account is attached."""
    policy = str(attachment.get("policyArn")).rsplit("/", 1)[-1]
    broad = policy.endswith("FullAccess") or policy in {"AdministratorAccess", "PowerUserAccess"}
    return f"write a policy for what is needed in place of {policy}" if broad else None


@RULES.on(
    "TXMON.11", "aws:iam/user:User", "aws:iam/accessKey:AccessKey", source="IAM User Guide, Security best practices"
)
def no_users(_: Resource) -> str | None:
    """Workloads have roles: no users, no keys that live for ever."""
    return "use a role"


@RULES.on("TXMON.12", ROLE, source="IAM User Guide, Permissions boundaries for IAM entities")
def has_boundary(role: Resource) -> str | None:
    """A role has a permissions boundary, whatever a layer may grant to it."""
    return None if role.has("permissionsBoundary") else "set permissions_boundary"


@RULES.on("KMS.3", KEY)
def deleted_late(key: Resource) -> str | None:
    """A key that somebody deletes can be recovered for 30 days: without it the data is gone."""
    days = key.get("deletionWindowInDays", ENOUGH_DAYS)
    return f"set deletion_window_in_days={ENOUGH_DAYS}" if days < ENOUGH_DAYS else None


@RULES.on("KMS.4", KEY)
def rotated(key: Resource) -> str | None:
    """A key is rotated."""
    return None if key.get("enableKeyRotation") else "set enable_key_rotation=True"


@RULES.on("SecretsManager.1", SECRET)
def rotates_by_itself(secret: Resource) -> str | None:
    """A secret rotates by itself, or exceptions.py says who rotates it."""
    return f"let RDS manage it, or say in exceptions.py how {secret.kind} is rotated"


@RULES.on("SecretsManager.4", "aws:secretsmanager/secretRotation:SecretRotation")
def rotates_in_time(rotation: Resource) -> str | None:
    """A secret that rotates by itself does so within 90 days."""
    days = (rotation.get("rotationRules") or {}).get("automaticallyAfterDays", 0)
    return None if 1 <= days <= LONGEST_ROTATION else f"set automatically_after_days to 1 to {LONGEST_ROTATION}"


LONGEST_ROTATION = 90


@RULES.on("TXMON.13", SECRET, source="Secrets Manager API Reference, DeleteSecret")
def secret_deleted_late(secret: Resource) -> str | None:
    """A secret that somebody deletes can be recovered for 30 days."""
    days = secret.get("recoveryWindowInDays", ENOUGH_DAYS)
    return f"set recovery_window_in_days={ENOUGH_DAYS}" if days < ENOUGH_DAYS else None


@RULES.on("TXMON.14", SECRET, source="AWS Well-Architected Framework, SEC08-BP02: enforce encryption at rest")
def secret_has_own_key(secret: Resource) -> str | None:
    """A secret is encrypted with our key, whose policy is ours to write."""
    return None if secret.has_own_key("kmsKeyId") else "set kms_key_id to the secrets key"


@RULES.on(
    "TXMON.15",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:rds/instance:Instance",
    "aws:rds/cluster:Cluster",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    source="Pulumi documentation, write-only arguments",
)
def no_inline_password(resource: Resource) -> str | None:
    """No password or token passes through the state: it is written through a write-only argument."""
    inline = [key for key in ("password", "secretString", "authToken") if resource.has(key)]
    return f"use the write-only argument in place of {', '.join(inline)}" if inline else None


def _allows(statement: Statement) -> bool:
    return bool(statement.get("Effect") == "Allow")


def _is_whole_service(action: str) -> bool:
    return action == "*" or action.endswith(":*")


def _is_public(statement: Statement) -> bool:
    principal: Any = statement.get("Principal")
    named = as_list(principal.get("AWS")) if isinstance(principal, dict) else as_list(principal)
    return "*" in named or "NotPrincipal" in statement


def _condition_keys(statement: Statement) -> Iterator[str]:
    for operator in (statement.get("Condition") or {}).values():
        yield from (key.lower() for key in operator)
