"""The VPC: private subnets, each with its own route table, and no route to the internet."""

from collections.abc import Mapping
from ipaddress import IPv4Network

import pulumi
import pulumi_aws as aws

from shared.stack import StackContext


def offered_zones(stack: StackContext) -> list[str]:
    """Return the region's zones that this account can use, without Local Zones, which take no standby databases."""
    found = aws.get_availability_zones(state="available", opts=pulumi.InvokeOptions(provider=stack.provider))
    return [
        zone for zone in found.names if zone[:-1] == stack.region
    ]  # a Local Zone is named as ap-northeast-1-tpe-1a


class Vpc(pulumi.ComponentResource):
    """A VPC with one private subnet in each zone.

    The VPC and its subnets are protected, because replacing one replaces the database and the cache.
    """

    def __init__(self, stack: StackContext, cidr: IPv4Network, subnets: Mapping[str, IPv4Network]) -> None:
        super().__init__("txmon:network:Vpc", stack.names.logical("network"), opts=stack.opts)
        here = pulumi.ResourceOptions(parent=self)
        protected = pulumi.ResourceOptions(parent=self, protect=stack.protect)

        vpc = aws.ec2.Vpc(
            stack.names.logical("vpc"),
            cidr_block=str(cidr),
            # The private DNS names of the endpoints need both.
            enable_dns_hostnames=True,
            enable_dns_support=True,
            tags=stack.name_tag("vpc"),
            opts=protected,
        )
        # Without rules, so that what names no group cannot communicate (Security Hub EC2.2).
        aws.ec2.DefaultSecurityGroup(
            stack.names.logical("default-sg"), vpc_id=vpc.id, tags=stack.name_tag("default-sg"), opts=here
        )

        self.id = vpc.id
        self.cidr = vpc.cidr_block
        self.subnets: list[pulumi.Resource] = []
        self.subnet_ids: list[pulumi.Output[str]] = []
        self.zones: list[pulumi.Output[str]] = []
        self.route_table_ids: list[pulumi.Output[str]] = []
        for index, (zone, block) in enumerate(subnets.items()):
            subnet = aws.ec2.Subnet(
                stack.names.logical(f"private-subnet-{index}"),
                vpc_id=vpc.id,
                cidr_block=str(block),
                availability_zone=zone,
                map_public_ip_on_launch=False,
                tags=stack.name_tag(f"private-subnet-{index}"),
                # A new subnet's addresses may overlap with any of the old ones, which AWS refuses while those exist.
                opts=pulumi.ResourceOptions.merge(
                    protected,
                    pulumi.ResourceOptions(delete_before_replace=True, replace_with=list(self.subnets)),
                ),
            )
            table = aws.ec2.RouteTable(
                stack.names.logical(f"private-routes-{index}"),
                vpc_id=vpc.id,
                tags=stack.name_tag(f"private-routes-{index}"),
                opts=here,
            )
            aws.ec2.RouteTableAssociation(
                stack.names.logical(f"private-routes-{index}"),
                route_table_id=table.id,
                subnet_id=subnet.id,
                opts=here,
            )
            self.subnets.append(subnet)
            self.subnet_ids.append(subnet.id)
            self.zones.append(subnet.availability_zone)
            self.route_table_ids.append(table.id)
        self.register_outputs({"vpc_id": self.id})
