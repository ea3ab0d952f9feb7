"""Tests what the local cloud refuses as AWS does, and that it does not refuse the same a step later or earlier."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError

from tests.support.emulator import client
from tools.localcloud.ministack_adapter import REGION

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.local


@contextmanager
def refused(code: str, words: str) -> Iterator[None]:
    with pytest.raises(ClientError, match=words) as found:
        yield
    assert found.value.response["Error"]["Code"] == code


@pytest.fixture
def subnets(ec2, vpc: str) -> list[str]:
    ranges = ("10.0.1.0/24", "10.0.2.0/24")
    return [ec2.create_subnet(VpcId=vpc, CidrBlock=each)["Subnet"]["SubnetId"] for each in ranges]


@pytest.fixture
def group(ec2, vpc: str) -> str:
    return str(ec2.create_security_group(GroupName="own", Description="own", VpcId=vpc)["GroupId"])


@pytest.fixture
def other_group(ec2, vpc: str) -> str:
    return str(ec2.create_security_group(GroupName="other", Description="other", VpcId=vpc)["GroupId"])


@pytest.fixture
def database(rds, subnets: list[str], group: str) -> Iterator[str]:
    """Make a database in its own subnet and parameter groups, and delete it if the test did not."""
    rds.create_db_subnet_group(DBSubnetGroupName="db-nets", DBSubnetGroupDescription="x", SubnetIds=subnets)
    family = "postgres17"
    rds.create_db_parameter_group(DBParameterGroupName="db-set", DBParameterGroupFamily=family, Description="x")
    rds.create_db_instance(
        DBInstanceIdentifier="db", DBInstanceClass="db.t4g.micro", Engine="postgres", EngineVersion="17.4",
        AllocatedStorage=20, MasterUsername="u", MasterUserPassword="password", DBSubnetGroupName="db-nets",
        DBParameterGroupName="db-set", VpcSecurityGroupIds=[group],
    )  # fmt: skip
    yield "db"
    delete_database(rds)
    rds.delete_db_subnet_group(DBSubnetGroupName="db-nets")
    rds.delete_db_parameter_group(DBParameterGroupName="db-set")


def delete_database(rds) -> None:
    if rds.describe_db_instances()["DBInstances"]:
        rds.delete_db_instance(DBInstanceIdentifier="db", SkipFinalSnapshot=True)


@pytest.fixture
def elasticache(port: int) -> Any:
    return client("elasticache", port)


@pytest.fixture
def cache(elasticache, subnets: list[str], group: str) -> Iterator[str]:
    """Make a cache in its own subnet and parameter groups, and delete it if the test did not."""
    elasticache.create_cache_subnet_group(
        CacheSubnetGroupName="nets", CacheSubnetGroupDescription="x", SubnetIds=subnets
    )
    elasticache.create_cache_parameter_group(
        CacheParameterGroupName="set", CacheParameterGroupFamily="redis7", Description="x"
    )
    elasticache.create_replication_group(
        ReplicationGroupId="cache", ReplicationGroupDescription="x", Engine="redis", CacheSubnetGroupName="nets",
        CacheParameterGroupName="set", SecurityGroupIds=[group], CacheNodeType="cache.t4g.micro",
    )  # fmt: skip
    yield "cache"
    delete_cache(elasticache)
    elasticache.delete_cache_subnet_group(CacheSubnetGroupName="nets")
    elasticache.delete_cache_parameter_group(CacheParameterGroupName="set")


def delete_cache(elasticache) -> None:
    if elasticache.describe_replication_groups()["ReplicationGroups"]:
        elasticache.delete_replication_group(ReplicationGroupId="cache")


def test_subnets_may_touch_but_not_overlap(ec2, vpc: str, subnets: list[str]) -> None:
    for overlapping in ("10.0.1.0/24", "10.0.1.128/25", "10.0.0.0/22"):
        with refused("InvalidSubnet.Conflict", f"The CIDR '{overlapping}' conflicts with another subnet"):
            ec2.create_subnet(VpcId=vpc, CidrBlock=overlapping)
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.0.0/24")
    elsewhere = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    ec2.create_subnet(VpcId=elsewhere, CidrBlock="10.0.1.0/24")
    ec2.delete_subnet(SubnetId=subnets[0])
    ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")


def test_a_subnet_lies_in_its_vpc(ec2, vpc: str) -> None:
    with refused("InvalidSubnet.Range", r"The CIDR '10\.1\.0\.0/24' is invalid"):
        ec2.create_subnet(VpcId=vpc, CidrBlock="10.1.0.0/24")


def test_a_subnet_and_a_group_of_an_endpoint_are_in_use(ec2, vpc: str, subnets: list[str], group: str) -> None:
    made = ec2.create_vpc_endpoint(
        VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.logs", VpcEndpointType="Interface", SubnetIds=subnets[:1],
        SecurityGroupIds=[group],
    )["VpcEndpoint"]["VpcEndpointId"]  # fmt: skip
    with refused("DependencyViolation", f"The subnet '{subnets[0]}' has dependencies and cannot be deleted"):
        ec2.delete_subnet(SubnetId=subnets[0])
    with refused("DependencyViolation", f"resource {group} has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    ec2.delete_subnet(SubnetId=subnets[1])
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    ec2.delete_subnet(SubnetId=subnets[0])
    ec2.delete_security_group(GroupId=group)


def test_a_group_that_a_rule_of_another_names_is_in_use(ec2, group: str, other_group: str) -> None:
    for owner in (group, other_group):
        pairs = [{"IpProtocol": "tcp", "FromPort": 1, "ToPort": 2, "UserIdGroupPairs": [{"GroupId": group}]}]
        ec2.authorize_security_group_ingress(GroupId=owner, IpPermissions=pairs)
    with refused("DependencyViolation", f"resource {group} has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    ec2.delete_security_group(GroupId=other_group)
    ec2.delete_security_group(GroupId=group)  # its own rule does not count


def test_a_route_table_of_a_subnet_is_in_use(ec2, vpc: str, subnets: list[str]) -> None:
    table = ec2.create_route_table(VpcId=vpc)["RouteTable"]["RouteTableId"]
    association = ec2.associate_route_table(RouteTableId=table, SubnetId=subnets[0])["AssociationId"]
    with refused("DependencyViolation", f"The routeTable '{table}' has dependencies and cannot be deleted"):
        ec2.delete_route_table(RouteTableId=table)
    ec2.disassociate_route_table(AssociationId=association)
    ec2.delete_route_table(RouteTableId=table)


def test_what_a_database_uses_is_in_use(ec2, rds, database: str, subnets: list[str], group: str) -> None:
    with refused("DependencyViolation", "has dependencies"):
        ec2.delete_subnet(SubnetId=subnets[0])
    with refused("DependencyViolation", "has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    with refused(
        "InvalidDBSubnetGroupStateFault", f"'db-nets' because at least one database instance: {database} is"
    ):
        rds.delete_db_subnet_group(DBSubnetGroupName="db-nets")
    with refused("InvalidDBParameterGroupState", "are still members of this parameter group db-set, so the group"):
        rds.delete_db_parameter_group(DBParameterGroupName="db-set")
    delete_database(rds)
    ec2.delete_subnet(SubnetId=subnets[0])
    ec2.delete_security_group(GroupId=group)


def test_what_a_cache_uses_is_in_use(ec2, elasticache, cache: str, subnets: list[str], group: str) -> None:
    with refused("DependencyViolation", "has dependencies"):
        ec2.delete_subnet(SubnetId=subnets[0])
    with refused("DependencyViolation", "has a dependent object"):
        ec2.delete_security_group(GroupId=group)
    with refused("CacheSubnetGroupInUse", "nets is currently in use"):
        elasticache.delete_cache_subnet_group(CacheSubnetGroupName="nets")
    with refused("InvalidCacheParameterGroupState", "are still members of this parameter group set, so the group"):
        elasticache.delete_cache_parameter_group(CacheParameterGroupName="set")
    delete_cache(elasticache)
    ec2.delete_subnet(SubnetId=subnets[0])
    ec2.delete_security_group(GroupId=group)


def test_postgresql_goes_to_no_lower_version(rds, database: str) -> None:
    def change(version: str, **more: Any) -> None:
        rds.modify_db_instance(DBInstanceIdentifier=database, EngineVersion=version, ApplyImmediately=True, **more)

    for lower in ("16", "17.3"):
        with refused("InvalidParameterCombination", f"Cannot upgrade postgres from 17.4 to {lower}"):
            change(lower, AllowMajorVersionUpgrade=True)
    change("17")
    with refused("InvalidParameterCombination", "The AllowMajorVersionUpgrade flag must be present"):
        change("18")
    change("18", AllowMajorVersionUpgrade=True)
    with refused("InvalidParameterCombination", "Cannot upgrade postgres from 18 to 17"):
        change("17", AllowMajorVersionUpgrade=True)


def test_a_disk_does_not_shrink(rds, database: str) -> None:
    def change(size: int) -> None:
        rds.modify_db_instance(DBInstanceIdentifier=database, AllocatedStorage=size, ApplyImmediately=True)

    change(30)
    change(30)
    with refused("InvalidParameterCombination", "Storage cannot be reduced from 30 to 20 GiB"):
        change(20)


def test_a_rule_with_targets_is_in_use(port: int) -> None:
    events = client("events", port)
    events.put_rule(Name="r", EventPattern='{"source": ["a"]}')
    events.put_targets(Rule="r", Targets=[{"Id": "t", "Arn": f"arn:aws:sns:{REGION}:000000000000:t"}])
    with refused("ValidationException", "Rule can't be deleted since it has targets"):
        events.delete_rule(Name="r")
    events.remove_targets(Rule="r", Ids=["t"])
    events.delete_rule(Name="r")
