"""Refuses what AWS refuses and MiniStack does: to delete what is in use, subnets that overlap, lower versions.

Codes and sentences are AWS's, as its API references and users' reports have them.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.localcloud.completions.call import Call


# Networks.


def _create_subnet(call: Call) -> None:
    wanted, vpc = IPv4Network(call.request["CidrBlock"]), call.request["VpcId"]
    of_vpc = call.store("_vpcs").get(vpc)
    if of_vpc and not wanted.subnet_of(IPv4Network(of_vpc["CidrBlock"])):
        raise Refused("InvalidSubnet.Range", f"The CIDR '{wanted}' is invalid.")
    others = (each["CidrBlock"] for each in call.store("_subnets").values() if each["VpcId"] == vpc)
    if any(wanted.overlaps(IPv4Network(each)) for each in others):
        raise Refused("InvalidSubnet.Conflict", f"The CIDR '{wanted}' conflicts with another subnet")


def _delete_subnet(call: Call) -> None:
    subnet = call.request["SubnetId"]
    if subnet in _used_subnets(call):
        raise Refused("DependencyViolation", f"The subnet '{subnet}' has dependencies and cannot be deleted.")


def _used_subnets(call: Call) -> Iterator[str]:
    """Yield the subnets in which something has a network interface.

    MiniStack has none for databases, caches and functions, so that each of their subnets counts.
    """
    for interface in call.store("_network_interfaces").values():
        yield interface["SubnetId"]
    for instance in call.store("_instances", "rds").values():
        yield from _members(call, "rds", instance["DBSubnetGroup"]["DBSubnetGroupName"])
    for group in call.store("_replication_groups", "elasticache").values():
        yield from _members(call, "elasticache", group["CacheSubnetGroupName"])
    for function in call.store("_functions", "lambda").values():
        yield from _network(function).get("SubnetIds", ())


def _members(call: Call, service: str, subnet_group: str) -> list[str]:
    group = call.store("_subnet_groups", service).get(subnet_group, {})
    return [each["SubnetIdentifier"] for each in group.get("Subnets", ())]


def _network(function: dict[str, Any]) -> dict[str, Any]:
    return function["config"].get("VpcConfig") or {}


def _delete_security_group(call: Call) -> None:
    group = call.request["GroupId"]
    if group in _used_security_groups(call, but=group):
        raise Refused("DependencyViolation", f"resource {group} has a dependent object")


def _used_security_groups(call: Call, but: str) -> Iterator[str]:
    """Yield the groups of interfaces, databases, caches and functions, and those that rules of other groups name."""
    for interface in call.store("_network_interfaces").values():
        yield from (each["GroupId"] for each in interface.get("Groups", ()))
    for instance in call.store("_instances", "rds").values():
        yield from (each["VpcSecurityGroupId"] for each in instance.get("VpcSecurityGroups", ()))
    for group in call.store("_replication_groups", "elasticache").values():
        yield from (each["SecurityGroupId"] for each in group.get("SecurityGroups", ()))
    for function in call.store("_functions", "lambda").values():
        yield from _network(function).get("SecurityGroupIds", ())
    for group in call.store("_security_groups").values():
        for rule in (*group["IpPermissions"], *group["IpPermissionsEgress"]) if group["GroupId"] != but else ():
            yield from (each["GroupId"] for each in rule.get("UserIdGroupPairs", ()))


def _delete_route_table(call: Call) -> None:
    table, subnets = call.request["RouteTableId"], call.store("_subnets")
    associations = call.store("_route_tables").get(table, {}).get("Associations", ())
    if any(each.get("SubnetId") in subnets for each in associations):  # MiniStack keeps those of deleted subnets
        raise Refused("DependencyViolation", f"The routeTable '{table}' has dependencies and cannot be deleted.")


# Databases and caches.


def _delete_database_subnet_group(call: Call) -> None:
    name = call.request["DBSubnetGroupName"]
    for instance in call.store("_instances").values():
        if instance["DBSubnetGroup"]["DBSubnetGroupName"] == name:
            raise Refused(
                "InvalidDBSubnetGroupStateFault",
                f"Cannot delete the subnet group '{name}' because at least one database instance: "
                f"{instance['DBInstanceIdentifier']} is still using it.",
            )


def _delete_database_parameter_group(call: Call) -> None:
    name = call.request["DBParameterGroupName"]
    for instance in call.store("_instances").values():
        if name in [each["DBParameterGroupName"] for each in instance["DBParameterGroups"]]:
            raise Refused(
                "InvalidDBParameterGroupState",
                "One or more database instances are still members of this parameter group "
                f"{name}, so the group cannot be deleted",
            )


def _delete_cache_parameter_group(call: Call) -> None:
    name = call.request["CacheParameterGroupName"]
    for group in call.store("_replication_groups").values():
        if group["CacheParameterGroupName"] == name:
            raise Refused(
                "InvalidCacheParameterGroupState",
                "One or more cache clusters are still members of this parameter group "
                f"{name}, so the group cannot be deleted.",
            )


def _modify_instance(call: Call) -> None:
    given = call.request
    instance = call.store("_instances").get(given["DBInstanceIdentifier"])
    if instance is None:
        return
    if "EngineVersion" in given and instance["Engine"] == "postgres":
        _require_upgrade(instance, given["EngineVersion"], allowed=bool(given.get("AllowMajorVersionUpgrade")))
    if given.get("AllocatedStorage", instance["AllocatedStorage"]) < instance["AllocatedStorage"]:
        # AWS's own sentence for this is in no source that we have.
        text = f"Storage cannot be reduced from {instance['AllocatedStorage']} to {given['AllocatedStorage']} GiB"
        raise Refused("InvalidParameterCombination", text)


def _require_upgrade(instance: dict[str, Any], wanted: str, *, allowed: bool) -> None:
    """Refuse a lower version, and a higher major version unless it is allowed; "17" stands for all its minor ones."""
    engine, current = instance["Engine"], instance["EngineVersion"]
    pairs = list(zip(_numbers(current), _numbers(wanted), strict=False))
    if [new for _, new in pairs] < [old for old, _ in pairs]:
        raise Refused("InvalidParameterCombination", f"Cannot upgrade {engine} from {current} to {wanted}")
    if pairs[0][0] != pairs[0][1] and not allowed:
        text = "The AllowMajorVersionUpgrade flag must be present when upgrading to a new major version."
        raise Refused("InvalidParameterCombination", text)


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


# Events.


def _delete_rule(call: Call) -> None:
    if call.store("_targets").get(f"{call.request.get('EventBusName', 'default')}|{call.request['Name']}"):
        raise Refused("ValidationException", "Rule can't be deleted since it has targets.")


COMPLETIONS: Final = (
    Completion(
        "ec2", "the refusal of subnets that overlap, and of deleting subnets, groups and route tables in use",
        refusals={
            "CreateSubnet": _create_subnet,
            "DeleteRouteTable": _delete_route_table,
            "DeleteSecurityGroup": _delete_security_group,
            "DeleteSubnet": _delete_subnet,
        },
    ),
    Completion(
        "rds", "the refusal of lower versions, smaller disks, and of deleting subnet and parameter groups in use",
        refusals={
            "DeleteDBParameterGroup": _delete_database_parameter_group,
            "DeleteDBSubnetGroup": _delete_database_subnet_group,
            "ModifyDBInstance": _modify_instance,
        },
    ),
    Completion("events", "the refusal of deleting rules with targets", refusals={"DeleteRule": _delete_rule}),
    Completion(
        "elasticache", "the refusal of deleting parameter groups in use",
        refusals={"DeleteCacheParameterGroup": _delete_cache_parameter_group},
    ),
)  # fmt: skip
