"""The IAM roles and who may assume them. The layer that owns a resource attaches the grants on it."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pulumi
import pulumi_aws as aws

from projects.security.config import LAMBDA
from shared.iam import Statement, allow, deny, document
from shared.stack import StackContext

WITHIN_BOUNDARY = (
    "cloudwatch:PutMetricData",
    "ec2:AssignPrivateIpAddresses",
    "ec2:CreateNetworkInterface",
    "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:UnassignPrivateIpAddresses",
    "elasticache:Connect",
    "kinesis:DescribeStream",
    "kinesis:DescribeStreamConsumer",
    "kinesis:DescribeStreamSummary",
    "kinesis:GetRecords",
    "kinesis:GetShardIterator",
    "kinesis:ListShards",
    "kinesis:ListStreams",
    "kinesis:PutRecord",
    "kinesis:PutRecords",
    "kinesis:SubscribeToShard",
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "logs:CreateLogGroup",
    "logs:CreateLogStream",
    "logs:DescribeLogGroups",
    "logs:DescribeLogStreams",
    "logs:GetLogEvents",
    "logs:PutLogEvents",
    "logs:PutRetentionPolicy",
    "rds-db:connect",
    "sqs:SendMessage",
)
"""The most that a layer can grant to a role: actions that use resources, none that administer them."""

READ_SECRETS = ("secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue")
"""What a layer can grant beyond that, on the system's own secrets only: an account has many secrets of others."""

ENHANCED_MONITORING = "arn:aws:iam::aws:policy/service-role/AmazonRDSEnhancedMonitoringRole"
"""AWS's managed policy for the log group that all RDS instances of an account share."""

ELASTIC_NETWORK_INTERFACES = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""The actions that Lambda needs in a VPC (AWS managed policy AWSLambdaVPCAccessExecutionRole).

The code of functions is denied them, as the Lambda Developer Guide advises ("Giving Lambda functions access to
resources in an Amazon VPC").
"""


class Roles(pulumi.ComponentResource):
    """The roles of the consumer, the migrator, the producer, RDS Enhanced Monitoring and VPC flow logs."""

    def __init__(
        self,
        stack: StackContext,
        *,
        consumer_services: Sequence[str],
        producer_services: Sequence[str],
        senders: Sequence[str],
        secret_names: Sequence[str],
    ) -> None:
        super().__init__("txmon:security:Roles", stack.names.logical("roles"), opts=stack.opts)
        self._stack = stack
        here = pulumi.ResourceOptions(parent=self)
        boundary = aws.iam.Policy(
            stack.names.logical("permissions-boundary"),
            name=stack.names.physical("permissions_boundary"),
            description="The most that a role of transaction monitoring can be granted",
            policy=document(
                # The boundary limits actions; the grants limit resources.
                allow("MostThatCanBeGranted", WITHIN_BOUNDARY, ["*"]),
                allow(
                    "OwnSecrets",
                    READ_SECRETS,
                    [stack.arn("secretsmanager", f"secret:{name}") for name in secret_names],
                ),
            ),
            tags=stack.name_tag("permissions-boundary"),
            opts=here,
        )
        self._boundary_arn = boundary.arn

        self.consumer = self._create_role(
            "kinesis-role", "consumer_role", "Reads transactions and writes them down", consumer_services
        )
        self.migrator = self._create_role(
            "processing-migrator-role", "migrator_role", "Migrates PostgreSQL's schema", [LAMBDA]
        )
        self.producer = self._create_role(
            "kinesis-producer-role", "producer_role", "Puts transactions on the stream", producer_services, senders
        )
        self.rds_monitoring = self._create_role(
            "rds-monitoring-role",
            "rds_monitoring_role",
            "Delivers RDS Enhanced Monitoring",
            ["monitoring.rds.amazonaws.com"],
        )
        self.flow_log = self._create_role(
            "flow-log-role", "flow_log_role", "Delivers VPC flow logs", ["vpc-flow-logs.amazonaws.com"]
        )
        aws.iam.RolePolicyAttachment(
            stack.names.logical("rds-monitoring-policy"),
            role=self.rds_monitoring.name,
            policy_arn=ENHANCED_MONITORING,
            opts=here,
        )
        self._allow_vpc("kinesis-vpc-policy", self.consumer)
        self._allow_vpc("processing-migrator-vpc-policy", self.migrator)
        self.register_outputs({})

    def _allow_vpc(self, kind: str, role: aws.iam.Role) -> None:
        """Allow Lambda to connect functions that have the role to a VPC."""
        aws.iam.RolePolicy(
            self._stack.names.logical(kind),
            role=role.name,
            policy=document(
                # The interfaces do not exist yet, and Describe actions take no resource.
                allow("StandInVpc", ELASTIC_NETWORK_INTERFACES, ["*"]),
                # Lambda creates the interfaces; a function's code does not need to.
                deny(
                    "NotByCode",
                    ELASTIC_NETWORK_INTERFACES,
                    ["*"],  # as above
                    condition={"ArnLike": {"lambda:SourceFunctionArn": self._stack.arn("lambda", "function:*")}},
                ),
            ),
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _create_role(
        self, kind: str, name: str, description: str, services: Sequence[str], people: Sequence[str] = ()
    ) -> aws.iam.Role:
        trusted = [_trust(self._stack, service) for service in services]
        if people:
            trusted.append(_trust_people(self._stack, people))
        return aws.iam.Role(
            self._stack.names.logical(kind),
            name=self._stack.names.physical(name),
            description=description,
            assume_role_policy=document(*trusted),
            permissions_boundary=self._boundary_arn,
            force_detach_policies=True,  # AWS deletes no role with policies, and other layers attach some
            tags=self._stack.name_tag(kind),
            opts=pulumi.ResourceOptions(parent=self),
        )


SOURCES: Mapping[str, Callable[[StackContext], tuple[str, str]]] = {
    "ecs-tasks.amazonaws.com": lambda _: ("ecs", "*"),  # the task does not exist yet
    "monitoring.rds.amazonaws.com": lambda stack: ("rds", f"db:{stack.names.physical('rds_instance')}"),
    "vpc-flow-logs.amazonaws.com": lambda _: ("ec2", "vpc-flow-log/*"),  # AWS assigns the id
}
"""By principal: service and resource of the ARN that it sends as aws:SourceArn.

Sources: the pages on the confused deputy problem in the guides of ECS, RDS and VPC flow logs. Lambda and EC2 need no
entry: they take a role only from someone who may pass it, and iam:PassRole does not cross accounts (IAM User Guide).
"""


def _trust(stack: StackContext, service: str) -> Statement:
    condition: dict[str, Any] | None = None
    if service in SOURCES:
        source_service, resource = SOURCES[service](stack)
        condition = {
            "StringEquals": {"aws:SourceAccount": stack.account_id},
            "ArnLike": {"aws:SourceArn": stack.arn(source_service, resource)},
        }
    sid = "".join(part.capitalize() for part in service.removesuffix(".amazonaws.com").replace("-", ".").split("."))
    return allow(sid, ["sts:AssumeRole"], principal={"Service": service}, condition=condition)


def _trust_people(stack: StackContext, ends: Sequence[str]) -> Statement:
    """Return the statement that trusts users and roles of the account, each the end of an IAM ARN."""
    return allow(
        "ByHand",
        ["sts:AssumeRole"],
        principal={"AWS": stack.arn("iam", "root", region="")},  # the account, which the condition narrows
        condition={"ArnLike": {"aws:PrincipalArn": [stack.arn("iam", end, region="") for end in ends]}},
    )
