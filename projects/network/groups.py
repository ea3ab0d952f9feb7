"""The security groups, and the table of allowed connections."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws

from shared.stack import StackContext

GROUPS = {
    "producer": "Applications that put transactions on the stream",
    "consumer": "Applications that read the stream and write transactions down",
    "endpoints": "Interface endpoints to AWS services",
    "rds": "RDS PostgreSQL",
    "redis": "ElastiCache Redis",
}
"""The description of each group: what belongs to it."""


@dataclass(frozen=True)
class Access:
    """Permission for group `source` to open TCP connections to group `target` on `port`."""

    source: str
    target: str
    port: int
    purpose: str


MATRIX = (
    Access("producer", "endpoints", 443, "AWS APIs over TLS"),
    Access("consumer", "endpoints", 443, "AWS APIs over TLS"),
    Access("consumer", "rds", 5432, "PostgreSQL over TLS"),
    Access("consumer", "redis", 6379, "Redis over TLS"),
)
"""Every allowed connection. Databases and endpoints are no sources, so they can only answer.

Amazon's DNS resolver needs no row: security groups do not apply to it (Amazon VPC User Guide).
"""

PULL_IMAGES = ("producer", "consumer")
"""The groups that may reach S3 if the VPC has ECR's endpoints, because S3 serves the image layers."""


class SecurityGroups(pulumi.ComponentResource):
    """The groups of `GROUPS`. Each row of `MATRIX` is an egress rule and an ingress rule between groups."""

    def __init__(self, stack: StackContext, vpc_id: pulumi.Input[str]) -> None:
        super().__init__("txmon:network:SecurityGroups", stack.names.logical("security-groups"), opts=stack.opts)
        here = pulumi.ResourceOptions(parent=self)
        self.ids = {
            group: aws.ec2.SecurityGroup(
                stack.names.logical(f"{group}-sg"),
                vpc_id=vpc_id,
                description=description,
                # Without it, groups that refer to each other in manually added rules cannot be deleted.
                revoke_rules_on_delete=True,
                tags=stack.name_tag(f"{group}-sg"),
                opts=here,
            ).id
            for group, description in GROUPS.items()
        }
        for access in MATRIX:
            between = f"{access.source}-to-{access.target}"
            aws.vpc.SecurityGroupEgressRule(
                stack.names.logical(between),
                security_group_id=self.ids[access.source],
                referenced_security_group_id=self.ids[access.target],
                ip_protocol="tcp",
                from_port=access.port,
                to_port=access.port,
                description=f"{access.purpose}, to {access.target}",
                tags=stack.name_tag(between),
                opts=here,
            )
            aws.vpc.SecurityGroupIngressRule(
                stack.names.logical(between),
                security_group_id=self.ids[access.target],
                referenced_security_group_id=self.ids[access.source],
                ip_protocol="tcp",
                from_port=access.port,
                to_port=access.port,
                description=f"{access.purpose}, from {access.source}",
                tags=stack.name_tag(between),
                opts=here,
            )
        self.register_outputs({"ids": self.ids})

    def allow_image_pulls(self, stack: StackContext, prefix_list_id: pulumi.Input[str]) -> None:
        """Allow the groups in `PULL_IMAGES` to reach S3's gateway endpoint by its prefix list."""
        for source in PULL_IMAGES:
            between = f"{source}-to-s3"
            aws.vpc.SecurityGroupEgressRule(
                stack.names.logical(between),
                security_group_id=self.ids[source],
                prefix_list_id=prefix_list_id,
                ip_protocol="tcp",
                from_port=443,
                to_port=443,
                description="Layers of images over TLS, to S3",
                tags=stack.name_tag(between),
                opts=pulumi.ResourceOptions(parent=self),
            )
