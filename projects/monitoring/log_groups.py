"""The applications' log group and the VPC's flow logs, with the grants to write to them."""

import pulumi
import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.monitoring.config import MonitoringConfig
from shared.contracts import DataContract, NetworkContract, ProcessingContract, SecurityContract
from shared.iam import allow, document
from shared.stack import StackContext

WRITE = ("logs:CreateLogStream", "logs:PutLogEvents")

DATA_IDENTIFIERS = ("CreditCardNumber", "CreditCardSecurityCode", "EmailAddress")
"""The personal data to mask (CloudWatch Logs User Guide, "Types of data that you can protect")."""


class ApplicationLogs(pulumi.ComponentResource):
    """The log group of the producers: encrypted, writable by their role only. Processing has one of its own."""

    group: aws.cloudwatch.LogGroup

    def __init__(self, stack: StackContext, config: MonitoringConfig, security: SecurityContract) -> None:
        super().__init__("txmon:monitoring:ApplicationLogs", stack.names.logical("application-logs"), opts=stack.opts)
        self.group = _log_group(self, stack, config, security, "log_group")
        aws.iam.RolePolicy(
            stack.names.logical("producer-log-access"),
            role=security.kinesis_producer_role_name,
            policy=document(allow("WriteLogs", WRITE, [_streams(self.group)])),
            opts=ResourceOptions(parent=self, replacement_trigger=security.kinesis_producer_role_id),
        )
        self.register_outputs({})


class FlowLogs(pulumi.ComponentResource):
    """Flow logs of every accepted and rejected connection in the VPC."""

    group: aws.cloudwatch.LogGroup

    def __init__(
        self, stack: StackContext, config: MonitoringConfig, network: NetworkContract, security: SecurityContract
    ) -> None:
        super().__init__("txmon:monitoring:FlowLogs", stack.names.logical("flow-logs"), opts=stack.opts)
        self.group = _log_group(self, stack, config, security, "vpc_flow_log_group")
        delivery = aws.iam.RolePolicy(
            stack.names.logical("flow-log-delivery"),
            role=security.flow_log_role_name,
            # VPC User Guide, "IAM role for publishing flow logs to CloudWatch Logs", less the right to create groups.
            policy=document(
                allow("Deliver", [*WRITE, "logs:DescribeLogStreams"], [self.group.arn, _streams(self.group)]),
                allow("FindGroup", ["logs:DescribeLogGroups"], ["*"]),  # the action takes no resource
            ),
            opts=ResourceOptions(parent=self, replacement_trigger=security.flow_log_role_id),
        )
        aws.ec2.FlowLog(
            stack.names.logical("flow-log"),
            vpc_id=network.vpc_id,
            traffic_type="ALL",
            log_destination_type="cloud-watch-logs",
            log_destination=self.group.arn,
            iam_role_arn=security.flow_log_role_arn,
            max_aggregation_interval=60,
            tags=stack.name_tag("flow-log"),
            opts=ResourceOptions(parent=self, depends_on=delivery),
        )
        self.register_outputs({})


def _log_group(
    parent: pulumi.Resource, stack: StackContext, config: MonitoringConfig, security: SecurityContract, key: str
) -> aws.cloudwatch.LogGroup:
    """Create the log group whose name has the key `key` in `shared.names.PHYSICAL`."""
    resource_type = key.replace("_", "-")
    return aws.cloudwatch.LogGroup(
        stack.names.logical(resource_type),
        name=stack.names.physical(key),
        retention_in_days=config.log_retention_days,
        kms_key_id=security.telemetry_key_arn,
        deletion_protection_enabled=stack.protect,
        tags=stack.name_tag(resource_type),
        opts=ResourceOptions(parent=parent, protect=stack.protect),
    )


def _streams(group: aws.cloudwatch.LogGroup) -> Output[str]:
    """Return the ARN pattern of all streams of a group; the writers choose their names."""
    return Output.concat(group.arn, ":log-stream:*")


def mask_personal_data(
    stack: StackContext,
    config: MonitoringConfig,
    application_group: Output[str],
    data: DataContract,
    processing: ProcessingContract,
) -> None:
    """Mask personal data in the logs of applications and databases (slow statements show values), if asked to."""
    if not config.mask_personal_data:
        return
    groups = {
        "application": [application_group],
        "processing": [processing.processing_log_group_name],
        "postgres": data.rds_log_group_names,
        "redis": data.redis_log_group_names,
    }
    for source, names in groups.items():
        for number, name in enumerate(names, 1):
            aws.cloudwatch.LogDataProtectionPolicy(
                stack.names.logical(f"log-data-protection-{source}-{number}"),
                log_group_name=name,
                policy_document=_masking_policy(stack),
                opts=stack.opts,
            )


def _masking_policy(stack: StackContext) -> Output[str]:
    """Return the policy: an audit and a masking statement (CloudWatch Logs User Guide, "Data protection policy")."""
    identifiers = [f"arn:aws:dataprotection::aws:data-identifier/{name}" for name in DATA_IDENTIFIERS]
    return Output.json_dumps(
        {
            "Name": stack.names.logical("mask-personal-data"),
            "Version": "2021-06-01",
            "Statement": [
                {
                    "Sid": "Find",
                    "DataIdentifier": identifiers,
                    "Operation": {"Audit": {"FindingsDestination": {}}},
                },
                {
                    "Sid": "Mask",
                    "DataIdentifier": identifiers,
                    "Operation": {"Deidentify": {"MaskConfig": {}}},
                },
            ],
        }
    )
