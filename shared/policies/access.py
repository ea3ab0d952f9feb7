"""Rules for the setup of roles, keys and secrets. `grants.py` has those for what policy documents allow."""

from shared.policies.documents import KEY, ROLE, SECRET, values_at
from shared.policies.grants import LEAST_PRIVILEGE
from shared.policies.resource import Resource
from shared.policies.rule import Rules

RULES = Rules()

ATTACHMENTS = {
    ROLE: "managedPolicyArns",
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": "policyArn",
    "aws:iam/rolePolicyAttachmentsExclusive:RolePolicyAttachmentsExclusive": "policyArns",
    "aws:iam/groupPolicyAttachment:GroupPolicyAttachment": "policyArn",
    "aws:iam/userPolicyAttachment:UserPolicyAttachment": "policyArn",
    "aws:iam/policyAttachment:PolicyAttachment": "policyArn",
    "aws:ssoadmin/managedPolicyAttachment:ManagedPolicyAttachment": "managedPolicyArn",
}
"""Type -> the input with the ARNs of the attached policies."""
BROAD_POLICIES = ("FullAccess", "Administrator", "PowerUser")
"""Parts of the names of AWS managed policies that allow everything in a service or in the account."""

RECOVERY_DAYS = 30
"""The longest waiting period of KMS and recovery window of Secrets Manager, in days, and their default."""
ROTATION_DAYS = 90
"""The most that Security Hub's SecretsManager.4 accepts by default."""


@RULES.on("TXMON.10", *ATTACHMENTS, source=LEAST_PRIVILEGE)
def no_full_access_policy(resource: Resource) -> str | None:
    """No policy that allows everything in a service or in the account is attached."""
    named = [str(arn).rsplit("/", 1)[-1] for arn in values_at(resource.inputs, ATTACHMENTS[resource.type])]
    broad = [name for name in named if any(word in name for word in BROAD_POLICIES)]
    return f"attach a policy with only the needed actions instead of {', '.join(broad)}" if broad else None


@RULES.on(
    "TXMON.11",
    "aws:iam/user:User",
    "aws:iam/accessKey:AccessKey",
    "aws:iam/userLoginProfile:UserLoginProfile",
    source="IAM User Guide, Security best practices",
)
def no_iam_users(_: Resource) -> str | None:
    """Workloads use roles, not users with long-lived access keys."""
    return "use a role"


@RULES.on("TXMON.12", ROLE, source="IAM User Guide, Permissions boundaries for IAM entities")
def role_has_permissions_boundary(role: Resource) -> str | None:
    """A role has a customer managed permissions boundary, which limits what layers can grant to it."""
    boundary = str(role.get("permissionsBoundary", ""))
    own = boundary and not boundary.startswith("arn:aws:iam::aws:")
    return None if own else "set permissions_boundary to the environment's"


@RULES.on("KMS.3", KEY)
def key_deletion_is_delayed(key: Resource) -> str | None:
    """A deleted key can be recovered for 30 days. Data cannot be decrypted without its key."""
    days = key.get("deletionWindowInDays", RECOVERY_DAYS)
    return f"set deletion_window_in_days={RECOVERY_DAYS}" if days < RECOVERY_DAYS else None


@RULES.on("KMS.4", KEY)
def key_rotation_is_enabled(key: Resource) -> str | None:
    """A key is rotated."""
    return None if key.get("enableKeyRotation") else "set enable_key_rotation=True"


@RULES.on("SecretsManager.1", SECRET)
def secret_rotation_is_automatic(secret: Resource) -> str | None:
    """A secret is rotated automatically, or exceptions.py says how it is rotated."""
    return f"let RDS manage it, or say in exceptions.py how {secret.base_name} is rotated"


@RULES.on("SecretsManager.4", "aws:secretsmanager/secretRotation:SecretRotation")
def secret_rotates_within_90_days(rotation: Resource) -> str | None:
    """A secret with automatic rotation is rotated every 90 days or more often."""
    days = (rotation.get("rotationRules") or {}).get("automaticallyAfterDays", 0)
    return None if 1 <= days <= ROTATION_DAYS else f"set automatically_after_days to 1 to {ROTATION_DAYS}"


@RULES.on("TXMON.13", SECRET, source="Secrets Manager API Reference, DeleteSecret")
def secret_deletion_is_delayed(secret: Resource) -> str | None:
    """A deleted secret can be recovered for 30 days."""
    days = secret.get("recoveryWindowInDays", RECOVERY_DAYS)
    return f"set recovery_window_in_days={RECOVERY_DAYS}" if days < RECOVERY_DAYS else None


@RULES.on("TXMON.14", SECRET, source="AWS Well-Architected Framework, SEC08-BP02: enforce encryption at rest")
def secret_is_encrypted(secret: Resource) -> str | None:
    """A secret is encrypted with a customer managed key, which has a policy of its own."""
    return None if secret.has_own_key("kmsKeyId") else "set kms_key_id to the secrets key"


@RULES.on(
    "TXMON.15",
    "aws:secretsmanager/secretVersion:SecretVersion",
    "aws:rds/instance:Instance",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    source="Pulumi documentation, write-only arguments",
)
def password_is_write_only(resource: Resource) -> str | None:
    """A password or token is set through a write-only argument, which keeps it out of the state."""
    inline = [key for key in ("password", "secretString", "secretBinary", "authToken") if resource.has(key)]
    return f"use the write-only argument instead of {', '.join(inline)}" if inline else None
