"""The security groups, and the one table of who may talk to whom."""

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
"""What joins each group."""


@dataclass(frozen=True)
class Access:
    """`source` may open TCP connections to `target` on `port`."""

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
"""All that is allowed. What is no source here has no way out: the databases and the endpoints answer, no more.

Amazon's DNS resolver is not subject to security groups (Amazon VPC User Guide) and needs no row.
"""


PULL_IMAGES = ("producer", "consumer")
"""What reaches S3, too, where the VPC has ECR's endpoints: the layers of an image come from there."""


class SecurityGroups(pulumi.ComponentResource):
    """The groups of `GROUPS`, opened to each other as `MATRIX` says: each row a rule on both sides, by group."""

    def __init__(self, stack: StackContext, vpc_id: pulumi.Input[str]) -> None:
        super().__init__("txmon:network:SecurityGroups", stack.names.logical("security-groups"), opts=stack.opts)
        here = pulumi.ResourceOptions(parent=self)
        self.ids = {
            group: aws.ec2.SecurityGroup(
                stack.names.logical(f"{group}-sg"),
                vpc_id=vpc_id,
                description=joined_by,
                # Else groups that name each other in rules made by hand could not be deleted.
                revoke_rules_on_delete=True,
                tags=stack.name_tag(f"{group}-sg"),
                opts=here,
            ).id
            for group, joined_by in GROUPS.items()
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

    def open_to_images(self, stack: StackContext, prefix_list_id: pulumi.Input[str]) -> None:
        """Let `PULL_IMAGES` reach S3's gateway endpoint, by its prefix list."""
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
