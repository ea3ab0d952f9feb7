"""What the network layer can be told."""

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
    """The address plan, and how the VPC reaches AWS."""

    vpc_cidr: IPv4Network = IPv4Network("10.0.0.0/16")
    """The VPC's address range: private, a /16 to a /28. Changing it replaces the VPC and all that is in it."""

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
        "logs",
        "monitoring",
    )
    """AWS services that can be reached from the VPC; there is no other way out of it."""

    endpoint_zones: Annotated[int, Field(ge=1, le=subnets.ZONES)] = subnets.ZONES
    """In how many of the zones each interface endpoint stands; each costs about 10 USD a month."""

    @model_validator(mode="after")
    def _addresses_fit(self) -> Self:
        self.plan()
        if len(set(self.interface_endpoints)) != len(self.interface_endpoints):
            raise ValueError("interfaceEndpoints names a service twice")
        return self

    def plan(self) -> dict[str, IPv4Network]:
        """The subnet of each zone."""
        return subnets.plan(self.vpc_cidr, self.subnet_prefix, self.availability_zones)

    def plan_among(self, offered: Sequence[str]) -> dict[str, IPv4Network]:
        """As `plan`, once the zones are known to be among those that AWS offers.

        Raises:
            pulumi.RunError: AWS does not offer one of them.
        """
        refused = [zone for zone in self.availability_zones if zone not in offered]
        if refused:
            raise refusal(
                "availabilityZones",
                f"AWS does not offer {', '.join(refused)} here; name three of {', '.join(offered)},"
                " or change aws:region",
            )
        return self.plan()
