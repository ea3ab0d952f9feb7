"""IAM policy documents: statements as data, which become JSON when their ARNs are known.

Every `"*"` as action, resource or principal needs a comment with its reason.
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
    """Return an Allow statement. Trust policies have no resources, identity policies no principal."""
    return _statement("Allow", sid, actions, Principal=principal, Resource=list(resources), Condition=condition)


def deny(
    sid: str,
    actions: Sequence[str],
    resources: Sequence[Input[str]],
    *,
    principal: Any = None,
    condition: Condition | None = None,
) -> Statement:
    """Return a Deny statement."""
    return _statement("Deny", sid, actions, Principal=principal, Resource=list(resources), Condition=condition)


def delegated_to_iam(account_root_arn: Input[str]) -> Statement:
    """Return the statement of a key policy that lets IAM's policies grant actions on the key, as KMS's default does.

    In a key policy the resource "*" is the key itself (KMS Developer Guide, "Key policies").
    """
    # Every action: this delegates to IAM, which grants single actions.
    return allow("AccountRoot", ["kms:*"], ["*"], principal={"AWS": account_root_arn})


def deny_without_tls(actions: Sequence[str], resource: Input[str]) -> Statement:
    """Return a statement that denies everyone plain HTTP on a resource, as AWS Security Hub's controls require.

    SNS and Kinesis accept only actions on the resource itself, so that `actions` names them one by one.
    """
    # Every principal: a Deny grants nothing.
    return deny(
        "DenyWithoutTls",
        actions,
        [resource],
        principal="*",
        condition={"Bool": {"aws:SecureTransport": "false"}},
    )


def secret_policy(secret_arn: Input[str], reader_arns: Input[Sequence[str]]) -> Output[str]:
    """Return a secret's policy, which denies plain HTTP, and denies the value to all but `reader_arns` (`*` allowed).

    It does not deny management, so that administrators can always repair the policy. AWS services are exempt, because
    RDS stops rotating the secrets that it manages if it is denied; a service still needs a grant to read.
    """
    return document(
        deny_without_tls(["secretsmanager:*"], secret_arn),
        # Everyone but the readers: a Deny grants nothing.
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
    """Return a statement that allows a key's use through one service, and for one encryption context if given.

    `service` is the first label of the service's host name, as `kinesis`. `context` is the encryption context that
    the service sends (KMS Developer Guide, "kms:ViaService" and "kms:EncryptionContext:context-key").
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
    """Return the policy document as JSON."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": list(statements)})


def _statement(effect: str, sid: str, actions: Sequence[str], **parts: Any) -> Statement:
    return {"Sid": sid, "Effect": effect, "Action": list(actions)} | {k: v for k, v in parts.items() if v}
