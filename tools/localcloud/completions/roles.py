"""Asks MiniStack what a role may do, where AWS asks on behalf of a function."""

from __future__ import annotations

import secrets
from contextvars import Context
from typing import Final

from tools.localcloud.completions.call import ministack

READ: Final = (
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
)
"""What a role has to be allowed on a stream that Lambda reads ("AWSLambdaKinesisExecutionRole")."""


def role_may(role: str, action: str, resource: str) -> bool:
    """Return whether the role with an ARN may do something with a resource."""
    evaluator, sessions = ministack("core.iam_evaluator"), ministack("services.sts")
    account, name = role.split(":")[4], role.rpartition("/")[2]
    key, secret = f"ASIA{secrets.token_hex(8).upper()}", secrets.token_urlsafe()
    session = {
        "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/lambda", "UserId": f"{name}:lambda",
        "SecretAccessKey": secret, "SessionToken": secret,
    }  # fmt: skip

    def allowed() -> bool:
        service, region = action.partition(":")[0], resource.split(":")[3]
        with ministack("core.responses").request_scope(account, region):
            evaluator.pin_request_origin("127.0.0.1", secure_transport=True)
            return evaluator.enforce(key, action, service, region, resource) is None

    sessions._sessions[key] = session
    try:
        return Context().run(allowed)
    finally:
        del sessions._sessions[key]
