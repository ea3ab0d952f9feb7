"""The settings of the network layer."""

from collections.abc import Sequence
from ipaddress import IPv4Network
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from projects.network import subnets
from shared.config import LayerConfig, Structured, refusal

EndpointService = Literal[
    "kinesis-streams",
    "secretsmanager",
    "kms",
    "logs",
    "monitoring",
    "sts",
    "sqs",
    "sns",
    "lambda",
    "ecr.api",
    "ecr.dkr",
    "ssm",
    "ssmmessages",
    "ec2messages",
]


class NetworkConfig(LayerConfig):
    """The address plan and the VPC endpoints."""

    vpc_cidr: IPv4Network = IPv4Network("10.0.0.0/16")
    """The VPC's address range: private, a /16 to a /28. A change replaces the VPC, PostgreSQL and Redis."""

    subnet_prefix: Annotated[int, Field(ge=subnets.LARGEST, le=subnets.SMALLEST)] = 24
    """Prefix length of each private subnet."""

    availability_zones: Annotated[tuple[str, ...], Structured] = (
        "ap-northeast-1a",
        "ap-northeast-1c",
        "ap-northeast-1d",
    )
    """Exactly three zones of the stack's region. The default leaves out 1b, which AWS closed to new accounts."""

    interface_endpoints: Annotated[tuple[EndpointService, ...], Structured] = (
        "kinesis-streams",
        "secretsmanager",
        "ecr.api",
        "ecr.dkr",
        "logs",
    )
    """AWS services with an interface endpoint; the VPC has no other way out.

    The default is what producers on ECS and the functions of processing call.
    """

    endpoint_zones: Annotated[int, Field(ge=1, le=subnets.ZONES)] = subnets.ZONES
    """Zones of each interface endpoint; each costs about 10 USD a month."""

    @model_validator(mode="after")
    def _addresses_fit(self) -> Self:
        self.plan()
        if len(set(self.interface_endpoints)) != len(self.interface_endpoints):
            raise ValueError("interfaceEndpoints names a service twice")
        return self

    def plan(self) -> dict[str, IPv4Network]:
        """Return the subnet of each zone."""
        return subnets.plan(self.vpc_cidr, self.subnet_prefix, self.availability_zones)

    def plan_among(self, offered: Sequence[str]) -> dict[str, IPv4Network]:
        """Return the subnet of each zone, if AWS offers all the zones.

        Raises:
            pulumi.RunError: AWS does not offer one of the zones.
        """
        refused = [zone for zone in self.availability_zones if zone not in offered]
        if refused:
            raise refusal(
                "availabilityZones",
                f"AWS does not offer {', '.join(refused)} here; name three of {', '.join(offered)},"
                " or change aws:region",
            )
        return self.plan()
