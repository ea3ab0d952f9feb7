"""Policy documents: statements as data, JSON once every ARN in them is known.

An action, a resource or a principal `"*"` needs its reason in a comment where it is written.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pulumi
from pulumi import Input, Output

Statement = Mapping[str, Any]
Condition = Mapping[str, Mapping[str, Any]]


def allow(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Input[str]] = (),
    *,
    principal: Any = None,
    condition: Condition | None = None,
) -> Statement:
    """A trust policy's statement takes no resources; a role's grant takes no principal."""
    return _statement("Allow", sid, actions, Principal=principal, Resource=list(resources), Condition=condition)


def deny(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Input[str]],
    *,
    principal: Any = None,
    condition: Condition | None = None,
) -> Statement:
    return _statement("Deny", sid, actions, Principal=principal, Resource=list(resources), Condition=condition)


def deny_without_tls(actions: Sequence[str], resource: Input[str]) -> Statement:
    """Refuse plain HTTP on `resource` to everyone, as the AWS Security Hub controls ask of resource policies.

    `actions` are named where the service refuses others than the resource's own in its policy (SNS, Kinesis).
    """
    # Every principal: a Deny opens nothing.
    return deny(
        "DenyWithoutTls",
        actions,
        [resource],
        principal="*",
        condition={"Bool": {"aws:SecureTransport": "false"}},
    )


def secret_policy(secret_arn: Input[str], reader_arns: Input[Sequence[str]]) -> Output[str]:
    """Refuse plain HTTP, and the value to all but `reader_arns`: ARNs of IAM, with `*`.

    Only the value: whoever manages the secret can always mend its policy. AWS's own services are exempt, since RDS
    rotates the secrets that it manages and stops when it is refused; without a grant none of them reads anything.
    """
    return document(
        deny_without_tls(["secretsmanager:*"], secret_arn),
        # Everyone but the readers: a Deny opens nothing.
        deny(
            "DenyOthers",
            ["secretsmanager:GetSecretValue"],
            [secret_arn],
            principal="*",
            condition={
                "ArnNotLike": {"aws:PrincipalArn": reader_arns},
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
            },
        ),
    )


def use_key(
    sid: str,
    actions: Sequence[str],
    key_arn: Input[str],
    *,
    service: str,
    region: str,
    context: Mapping[str, Input[str]] | None = None,
) -> Statement:
    """Use a key through one service only, and for one thing only where the service sets an encryption context.

    `service` is the first label of the service's host name, as in `kinesis`; `context` is the encryption context
    that the service sends (KMS documentation, "kms:ViaService" and "kms:EncryptionContext:context-key").
    """
    return allow(
        sid,
        actions,
        [key_arn],
        condition={
            "StringEquals": {
                "kms:ViaService": f"{service}.{region}.amazonaws.com",
                **{f"kms:EncryptionContext:{key}": value for key, value in (context or {}).items()},
            }
        },
    )


def document(*statements: Statement) -> Output[str]:
    """The policy document as JSON."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _statement(effect: str, sid: str, actions: Sequence[str], **parts: Any) -> Statement:
    return {"Sid": sid, "Effect": effect, "Action": list(actions)} | {k: v for k, v in parts.items() if v}
