"""The VPC endpoints: without NAT and internet gateway, applications reach AWS only through them."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.network.vpc import Vpc
from shared.iam import Statement, allow, document
from shared.stack import StackContext


class Endpoints(pulumi.ComponentResource):
    """A gateway endpoint for S3 and interface endpoints, for principals and resources of this account only."""

    def __init__(
        self,
        stack: StackContext,
        vpc: Vpc,
        *,
        services: Sequence[str],
        zones: int,
        security_group_id: pulumi.Input[str],
    ) -> None:
        super().__init__("txmon:network:Endpoints", stack.names.logical("endpoints"), opts=stack.opts)
        here = pulumi.ResourceOptions(parent=self)
        own_account_only = _own_account_only(stack)
        policy = document(own_account_only)
        pulls_images = "ecr.dkr" in services
        # A gateway endpoint is free of charge. The security groups allow it only for images.
        s3 = aws.ec2.VpcEndpoint(
            stack.names.logical("s3-endpoint"),
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{stack.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=vpc.route_table_ids,
            policy=document(own_account_only, _image_layers(stack, vpc.id)) if pulls_images else policy,
            tags=stack.name_tag("s3-endpoint"),
            opts=here,
        )
        kinds = {service: f"{service.replace('.', '-')}-endpoint" for service in services}
        interfaces = {
            service: aws.ec2.VpcEndpoint(
                stack.names.logical(kind),
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{stack.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=vpc.subnet_ids[:zones],
                security_group_ids=[security_group_id],
                private_dns_enabled=True,
                policy=policy,
                tags=stack.name_tag(kind),
                # AWS deletes no subnet in which an endpoint still has a network interface.
                opts=pulumi.ResourceOptions(parent=self, replace_with=vpc.subnets),
            )
            for service, kind in kinds.items()
        }
        self.image_prefix_list_id = s3.prefix_list_id if pulls_images else None
        """S3's prefix list if the VPC has ECR's endpoints, or None."""
        self.ids = pulumi.Output.all(s3=s3.id, **{service: endpoint.id for service, endpoint in interfaces.items()})
        self.register_outputs({"ids": self.ids})


def _own_account_only(stack: StackContext) -> Statement:
    """Allow principals and resources of this account only (AWS whitepaper "Building a data perimeter on AWS")."""
    # The condition limits it to the account; inside, each principal's own policies decide.
    return allow(
        "OwnAccountOnly",
        ["*"],
        ["*"],
        principal="*",
        condition={
            "StringEquals": {
                "aws:PrincipalAccount": stack.account_id,
                "aws:ResourceAccount": stack.account_id,
            }
        },
    )


def _image_layers(stack: StackContext, vpc_id: pulumi.Input[str]) -> Statement:
    """Allow the bucket from which ECR serves image layers (Amazon ECR User Guide, "VPC endpoints")."""
    return allow(
        "ImageLayers",
        ["s3:GetObject"],
        [f"arn:aws:s3:::prod-{stack.region}-starport-layer-bucket/*"],
        principal="*",  # AWS signs the links, not this account
        condition={"StringEquals": {"aws:SourceVpc": vpc_id}},  # the only proof of their origin
    )
