"""Roles, keys and secrets: how they are set up. What their policies allow is judged in `grants.py`."""

from shared.policies.documents import KEY, ROLE, SECRET, values_at
from shared.policies.grants import LEAST_PRIVILEGE
from shared.policies.rule import Resource, Rules

RULES = Rules()

ATTACHED = {
    ROLE: "managedPolicyArns",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": "policyArns",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": "managedPolicyArn",
}
"""Type -> the input that names policies that are attached."""
BROAD = ("FullAccess", "Administrator", "PowerUser")
"""What the names of AWS's policies have in them that open a whole service or the account."""

ENOUGH_DAYS = 30
"""The most that KMS and Secrets Manager wait before they delete."""


@RULES.on("TXMON.10", *ATTACHED, source=LEAST_PRIVILEGE)
def no_full_access(resource: Resource) -> str | None:
    """No policy that opens a whole service or the account is attached."""
    named = [str(arn).rsplit("/", 1)[-1] for arn in values_at(resource.inputs, ATTACHED[resource.type])]
    broad = [name for name in named if any(word in name for word in BROAD)]
    return f"write a policy for what is needed in place of {', '.join(broad)}" if broad else None


@RULES.on(
    "TXMON.11",
    "aws:iam/user:User",
    "aws:iam/accessKey:AccessKey",
    "aws:iam/userLoginProfile:UserLoginProfile",
    source="IAM User Guide, Security best practices",
)
def no_users(_: Resource) -> str | None:
    """Workloads have roles: no users, no keys that live for ever."""
    return "use a role"


@RULES.on("TXMON.12", ROLE, source="IAM User Guide, Permissions boundaries for IAM entities")
def has_boundary(role: Resource) -> str | None:
    """A role has a permissions boundary of ours, whatever a layer may grant to it."""
    boundary = str(role.get("permissionsBoundary", ""))
    ours = boundary and not boundary.startswith("arn:aws:iam::aws:")
    return None if ours else "set permissions_boundary to the environment's"


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
    "aws:elasticache/replicationGroup:ReplicationGroup",
    source="Pulumi documentation, write-only arguments",
)
def no_inline_password(resource: Resource) -> str | None:
    """No password or token passes through the state: it is written through a write-only argument."""
    inline = [key for key in ("password", "secretString", "secretBinary", "authToken") if resource.has(key)]
    return f"use the write-only argument in place of {', '.join(inline)}" if inline else None
