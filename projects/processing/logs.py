"""The log group of the functions, and the grants to write to it."""

import pulumi_aws as aws

from projects.processing.config import ProcessingConfig
from shared.contracts import SecurityContract
from shared.iam import allow, document
from shared.stack import StackContext


def create_log_group(
    stack: StackContext, config: ProcessingConfig, security: SecurityContract
) -> aws.cloudwatch.LogGroup:
    """Create the log group. If it did not exist, Lambda would ask for the right to create one without a key."""
    return aws.cloudwatch.LogGroup(
        stack.names.logical("processing-logs"),
        name=stack.names.physical("processing_log_group"),
        retention_in_days=config.log_retention_days,
        kms_key_id=security.telemetry_key_arn,
        deletion_protection_enabled=stack.protect,
        tags=stack.name_tag("processing-logs"),
        opts=stack.stateful,
    )


def grant_logs(
    stack: StackContext, security: SecurityContract, group: aws.cloudwatch.LogGroup
) -> list[aws.iam.RolePolicy]:
    """Allow consumer and migrator to write to the group; Lambda names the streams."""
    return [
        aws.iam.RolePolicy(
            stack.names.logical(f"{who}-function-logs"),
            role=role,
            policy=document(
                allow(
                    "WriteLogs",
                    ["logs:CreateLogStream", "logs:PutLogEvents"],
                    [group.arn.apply(lambda arn: f"{arn}:log-stream:*")],
                )
            ),
            opts=stack.attached_to(role_id),
        )
        for who, role, role_id in (
            ("consumer", security.kinesis_role_name, security.kinesis_role_id),
            ("migrator", security.migrator_role_name, security.migrator_role_id),
        )
    ]
