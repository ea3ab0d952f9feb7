"""Network: a VPC without internet access, its private subnets, VPC endpoints and security groups."""

from projects.network.config import NetworkConfig
from projects.network.endpoints import Endpoints
from projects.network.groups import SecurityGroups
from projects.network.vpc import Vpc, offered_zones
from shared.contracts import NetworkContract
from shared.stack import StackContext

config = NetworkConfig.load()
stack = StackContext.current(config)

vpc = Vpc(stack, config.vpc_cidr, config.plan_among(offered_zones(stack)))
groups = SecurityGroups(stack, vpc.id)
endpoints = Endpoints(
    stack,
    vpc,
    services=config.interface_endpoints,
    zones=config.endpoint_zones,
    security_group_id=groups.ids["endpoints"],
)
if endpoints.image_prefix_list_id is not None:
    groups.allow_image_pulls(stack, endpoints.image_prefix_list_id)

NetworkContract(
    vpc_id=vpc.id,
    vpc_cidr=vpc.cidr,
    availability_zones=vpc.zones,
    private_subnet_ids=vpc.subnet_ids,
    producer_security_group_id=groups.ids["producer"],
    consumer_security_group_id=groups.ids["consumer"],
    rds_security_group_id=groups.ids["rds"],
    redis_security_group_id=groups.ids["redis"],
    endpoint_ids=endpoints.ids,
).export(stack)
