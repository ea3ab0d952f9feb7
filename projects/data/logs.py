"""The log groups that RDS and ElastiCache write to."""

from collections.abc import Sequence

import pulumi_aws as aws
from pulumi import Resource, ResourceOptions

from projects.data.config import DataConfig
from shared.contracts import SecurityContract
from shared.stack import StackContext


def create_log_groups(
    parent: Resource,
    stack: StackContext,
    config: DataConfig,
    security: SecurityContract,
    *,
    group: str,
    logs: Sequence[str],
    prefix: str,
) -> list[aws.cloudwatch.LogGroup]:
    """Create a log group for each log, which AWS would otherwise create without retention and key.

    `group` is the key of their physical name, `prefix` begins their logical names.
    """
    return [
        aws.cloudwatch.LogGroup(
            stack.names.logical(f"{prefix}-{log}"),
            name=f"{stack.names.physical(group)}/{log}",
            retention_in_days=config.log_retention_days,
            kms_key_id=security.telemetry_key_arn,
            deletion_protection_enabled=stack.protect,
            tags=stack.name_tag(f"{prefix}-{log}"),
            opts=ResourceOptions(parent=parent, protect=stack.protect),
        )
        for log in logs
    ]
