"""The doors to AWS: without NAT and internet gateway, the VPC's applications reach AWS only through these."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from projects.network.vpc import Vpc
from shared.layer import Layer
from shared.policy import allow, document


class Endpoints(pulumi.ComponentResource):
    """S3's gateway endpoint and interface endpoints, for this account's principals and resources only."""

    def __init__(
        self,
        layer: Layer,
        vpc: Vpc,
        *,
        services: Sequence[str],
        zones: int,
        security_group_id: pulumi.Input[str],
    ) -> None:
        super().__init__("txmon:network:Endpoints", layer.names.logical("endpoints"), opts=layer.opts)
        here = pulumi.ResourceOptions(parent=self)
        policy = _own_account_only(layer)
        # Free of charge, and S3 never takes another way. No security group opens it yet: that is a row with S3's
        # prefix list, for the application that will need it.
        s3 = aws.ec2.VpcEndpoint(
            layer.names.logical("s3-endpoint"),
            vpc_id=vpc.id,
            service_name=f"com.amazonaws.{layer.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=vpc.route_table_ids,
            policy=policy,
            tags=layer.name_tag("s3-endpoint"),
            opts=here,
        )
        interfaces = {
            service: aws.ec2.VpcEndpoint(
                layer.names.logical(f"{service}-endpoint"),
                vpc_id=vpc.id,
                service_name=f"com.amazonaws.{layer.region}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=vpc.subnet_ids[:zones],
                security_group_ids=[security_group_id],
                private_dns_enabled=True,
                policy=policy,
                tags=layer.name_tag(f"{service}-endpoint"),
                opts=here,
            )
            for service in services
        }
        self.ids = pulumi.Output.all(s3=s3.id, **{service: endpoint.id for service, endpoint in interfaces.items()})
        self.register_outputs({"ids": self.ids})


def _own_account_only(layer: Layer) -> pulumi.Output[str]:
    """No credentials and no data of others (AWS whitepaper "Building a data perimeter on AWS")."""
    # Principals, actions and resources are those of the account: what each may do is said by its own policies.
    return document(
        allow(
            "OwnAccountOnly",
            ["*"],
            ["*"],
            principal="*",
            condition={
                "StringEquals": {
                    "aws:PrincipalAccount": layer.account_id,
                    "aws:ResourceAccount": layer.account_id,
                }
            },
        )
    )
