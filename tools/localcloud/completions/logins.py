"""Decides who may log in to an RDS instance with a token of IAM."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.completions.call import ministack

if TYPE_CHECKING:
    from collections.abc import Mapping


def refusal(instance: Mapping[str, Any], account: str, region: str, user: str, token: str) -> str | None:
    """Return why a token of IAM does not let a user log in to an instance; None if it does.

    As on AWS, it has to be signed by a principal that has `rds-db:connect` for that user.
    """
    rds_iam, iam_evaluator = ministack("core.rds_iam"), ministack("core.iam_evaluator")
    if not instance["IAMDatabaseAuthenticationEnabled"]:
        return "the instance has no IAM authentication"
    where = instance["Endpoint"]
    verified = rds_iam.verify_rds_iam_token(
        token, hostname=where["Address"], port=where["Port"], db_user=user, region=region, account_id=account
    )
    if isinstance(verified, rds_iam.RdsIamTokenError):
        return str(verified.code)
    with ministack("core.responses").request_scope(account, region):
        principal = iam_evaluator.resolve_principal(verified.access_key_id, account)
        if isinstance(principal, iam_evaluator.AuthError):
            return "its principal is unknown"
        if principal.policies is None:
            return None
        context = iam_evaluator.EvalContext(
            principal_arn=principal.arn, principal_type=principal.type, principal_account=account,
            action="rds-db:connect", region=region, principal_keys=principal.keys,
            resource_arn=f"arn:aws:rds-db:{region}:{account}:dbuser:{instance['DbiResourceId']}/{user}",
        )  # fmt: skip
        found = iam_evaluator.evaluate(context, principal.policies, *principal.limits)
    return None if found.decision == "Allow" else f"{principal.arn} has no rds-db:connect for {user}"
