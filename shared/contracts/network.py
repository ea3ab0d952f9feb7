"""What the network layer exports."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from pulumi import Output

from shared.contracts.contract import Contract
from shared.contracts.output_spec import OutputSpec


@dataclass(frozen=True, kw_only=True)
class NetworkContract(Contract):
    """The VPC, its subnets, and the security groups to join."""

    layer: ClassVar[str] = "network"

    vpc_id: Annotated[Output[str], OutputSpec("The VPC.", "vpc-0a1b2c3d4e5f60718")]
    vpc_cidr: Annotated[Output[str], OutputSpec("Address range of the VPC.", "10.0.0.0/16")]
    availability_zones: Annotated[
        list[Output[str]],
        OutputSpec("The three availability zones.", ["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1d"]),
    ]
    private_subnet_ids: Annotated[
        list[Output[str]],
        OutputSpec(
            "The private subnets, one in each zone, in the order of the zones.",
            ["subnet-0a", "subnet-0b", "subnet-0c"],
        ),
    ]
    producer_security_group_id: Annotated[
        Output[str], OutputSpec("For applications that put transactions on the stream.", "sg-0123456789abcdef0")
    ]
    consumer_security_group_id: Annotated[
        Output[str], OutputSpec("For applications that read transactions and store them.", "sg-0123456789abcdef1")
    ]
    rds_security_group_id: Annotated[Output[str], OutputSpec("PostgreSQL's security group.", "sg-0123456789abcdef2")]
    redis_security_group_id: Annotated[Output[str], OutputSpec("Redis's security group.", "sg-0123456789abcdef3")]
    endpoint_ids: Annotated[
        Output[dict[str, str]],
        OutputSpec("VPC endpoints by service.", {"s3": "vpce-0a1b2c3d", "kinesis-streams": "vpce-1a1b2c3d"}),
    ]
