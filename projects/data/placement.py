"""Where PostgreSQL and Redis are, and what follows for their replacement."""

from pulumi import Output

from shared.contracts import NetworkContract


def placement(network: NetworkContract) -> Output[list[str]]:
    """Return the VPC and the subnets, as a `replacement_trigger` for what cannot move to others.

    RDS and ElastiCache refuse subnets of another VPC in a subnet group, and the removal of a subnet that an instance
    or node uses (RDS API reference, "ModifyDBSubnetGroup"; ElastiCache API reference, "ModifyCacheSubnetGroup").
    Without the trigger, a plan would show an update, which AWS then refuses.
    """
    return Output.all(network.vpc_id, *network.private_subnet_ids).apply(list)
