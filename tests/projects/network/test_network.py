"""The network layer's program with its committed stack files, under mocks."""

from collections.abc import Callable
from ipaddress import IPv4Network
from typing import Any

import pulumi
import pytest

from projects.network.groups import GROUPS, MATRIX

VPC = "aws:ec2/vpc:Vpc"
SUBNET = "aws:ec2/subnet:Subnet"
ENDPOINT = "aws:ec2/vpcEndpoint:VpcEndpoint"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"


def test_the_vpc_has_its_range_and_private_dns(run_layer, env: str) -> None:
    vpc = run_layer("network", env).one(VPC, f"vpc-{env}")
    assert vpc["cidrBlock"] == "10.0.0.0/16"
    assert vpc["enableDnsHostnames"] is True
    assert vpc["enableDnsSupport"] is True


def test_each_of_three_zones_has_a_private_subnet(run_layer, env: str) -> None:
    subnets = [run_layer("network", env).one(SUBNET, f"private-subnet-{index}-{env}") for index in range(3)]
    assert [(subnet["availabilityZone"], subnet["cidrBlock"]) for subnet in subnets] == [
        ("ap-northeast-1a", "10.0.1.0/24"),
        ("ap-northeast-1c", "10.0.2.0/24"),
        ("ap-northeast-1d", "10.0.3.0/24"),
    ]
    assert not any(subnet["mapPublicIpOnLaunch"] for subnet in subnets)


def test_every_subnet_has_its_own_routes_and_no_internet_access(run_layer, env: str) -> None:
    run = run_layer("network", env)
    pairs = [
        (resource.inputs["routeTableId"], resource.inputs["subnetId"])
        for resource in run.all("aws:ec2/routeTableAssociation:RouteTableAssociation")
    ]
    assert {subnet for _, subnet in pairs} == {f"private-subnet-{index}-{env}-id" for index in range(3)}
    assert len({table for table, _ in pairs}) == 3
    types = {resource.typ for resource in run.resources}
    assert not [kind for kind in types if "Gateway" in kind or kind.endswith(":Route") or "Eip" in kind]
    assert not any("routes" in table.inputs for table in run.all("aws:ec2/routeTable:RouteTable"))


def test_the_default_security_group_has_no_rules(run_layer, env: str) -> None:
    group = run_layer("network", env).one("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    assert group["vpcId"] == f"vpc-{env}-id"
    assert not group.get("ingress")
    assert not group.get("egress")


NO_IMAGES = {"interfaceEndpoints": ["kinesis-streams", "secretsmanager"]}


def rules(run: Any, token: str) -> set[tuple[str, str, int]]:
    """Return rules as (group, other group, port). Check that each is one TCP port between groups."""
    found = set()
    for rule in run.all(token):
        inputs = rule.inputs
        assert inputs["ipProtocol"] == "tcp"
        assert inputs["fromPort"] == inputs["toPort"]
        assert not {"cidrIpv4", "cidrIpv6", "prefixListId"} & inputs.keys()
        ids = (inputs["securityGroupId"], inputs["referencedSecurityGroupId"])
        mine, theirs = (each.removesuffix(f"-sg-{run.env}-id") for each in ids)
        found.add((mine, theirs, int(inputs["fromPort"])))
    assert len(found) == len(run.all(token))
    return found


def test_security_group_rules_are_exactly_the_matrix(run_layer, env: str) -> None:
    run = run_layer("network", env, config=NO_IMAGES)
    allowed = {
        ("producer", "endpoints", 443),
        ("consumer", "endpoints", 443),
        ("consumer", "rds", 5432),
        ("consumer", "redis", 6379),
    }
    assert rules(run, EGRESS) == allowed
    assert rules(run, INGRESS) == {(target, source, port) for source, target, port in allowed}


def test_databases_and_endpoints_have_no_egress(run_layer, env: str) -> None:
    sources = {source for source, _, _ in rules(run_layer("network", env, config=NO_IMAGES), EGRESS)}
    assert sources.isdisjoint({"rds", "redis", "endpoints"})


def test_security_groups_have_no_inline_rules(run_layer, env: str) -> None:
    groups = run_layer("network", env).all(GROUP)
    assert {group.name for group in groups} == {f"{name}-sg-{env}" for name in GROUPS}
    assert not any({"ingress", "egress"} & group.inputs.keys() for group in groups)
    assert all(group.inputs["revokeRulesOnDelete"] for group in groups)


def test_the_matrix_names_only_groups_that_exist() -> None:
    assert {access.source for access in MATRIX} | {access.target for access in MATRIX} == set(GROUPS)


@pytest.mark.parametrize(
    ("env", "zones"),
    [("local", 1), ("dev", 1), ("prod", 3)],
)
def test_interface_endpoints_match_the_profile(run_layer, env: str, zones: int) -> None:
    services = {"kinesis-streams", "secretsmanager", "ecr.api", "ecr.dkr", "logs"}
    run = run_layer("network", env)
    interfaces = {r.name: r.inputs for r in run.all(ENDPOINT) if r.inputs["vpcEndpointType"] == "Interface"}
    assert {endpoint["serviceName"] for endpoint in interfaces.values()} == {
        f"com.amazonaws.ap-northeast-1.{service}" for service in services
    }
    for endpoint in interfaces.values():
        assert endpoint["subnetIds"] == [f"private-subnet-{index}-{env}-id" for index in range(zones)]
        assert endpoint["securityGroupIds"] == [f"endpoints-sg-{env}-id"]
        assert endpoint["privateDnsEnabled"] is True
    assert run.exports["endpoint_ids"].keys() == services | {"s3"}


def test_every_route_table_has_the_s3_gateway(run_layer, env: str) -> None:
    s3 = run_layer("network", env).one(ENDPOINT, f"s3-endpoint-{env}")
    assert s3["vpcEndpointType"] == "Gateway"
    assert s3["serviceName"] == "com.amazonaws.ap-northeast-1.s3"
    assert s3["routeTableIds"] == [f"private-routes-{index}-{env}-id" for index in range(3)]


def test_endpoints_allow_this_account_only(run_layer, statements: Callable[[str], Any], env: str) -> None:
    for endpoint in run_layer("network", env, config=NO_IMAGES).all(ENDPOINT):
        policy = statements(endpoint.inputs["policy"])
        assert policy.keys() == {"OwnAccountOnly"}
        assert policy["OwnAccountOnly"] == {
            "Sid": "OwnAccountOnly",
            "Effect": "Allow",
            "Principal": "*",
            "Action": ["*"],
            "Resource": ["*"],
            "Condition": {
                "StringEquals": {"aws:PrincipalAccount": "123456789012", "aws:ResourceAccount": "123456789012"}
            },
        }


PULLING = {"interfaceEndpoints": ["ecr.api", "ecr.dkr", "logs"]}


def test_ecr_endpoints_open_the_bucket_of_image_layers(run_layer, statements: Callable[[str], Any]) -> None:
    run = run_layer("network", "prod", config=PULLING)
    policy = statements(run.one(ENDPOINT, "s3-endpoint-prod")["policy"])
    assert policy.keys() == {"OwnAccountOnly", "ImageLayers"}
    assert policy["ImageLayers"]["Action"] == ["s3:GetObject"]
    assert policy["ImageLayers"]["Resource"] == ["arn:aws:s3:::prod-ap-northeast-1-starport-layer-bucket/*"]
    assert policy["ImageLayers"]["Condition"] == {"StringEquals": {"aws:SourceVpc": "vpc-prod-id"}}
    assert run.one(ENDPOINT, "ecr-dkr-endpoint-prod")["serviceName"] == "com.amazonaws.ap-northeast-1.ecr.dkr"
    others = [endpoint.inputs["policy"] for endpoint in run.all(ENDPOINT) if endpoint.name != "s3-endpoint-prod"]
    assert all(statements(each).keys() == {"OwnAccountOnly"} for each in others)
    opened = [rule.inputs for rule in run.all(EGRESS) if "prefixListId" in rule.inputs]
    assert {rule["securityGroupId"] for rule in opened} == {"producer-sg-prod-id", "consumer-sg-prod-id"}
    assert {(rule["prefixListId"], rule["fromPort"], rule["toPort"]) for rule in opened} == {("pl-s3", 443, 443)}


def test_endpoints_for_systems_manager_can_be_added(run_layer) -> None:
    services = ["ssm", "ssmmessages", "ec2messages"]
    run = run_layer("network", "dev", config={"interfaceEndpoints": services})
    assert run.exports["endpoint_ids"].keys() == {*services, "s3"}


def test_only_production_protects_the_vpc_and_its_subnets(run_layer) -> None:
    assert run_layer("network", "prod").protected == {"vpc-prod", *(f"private-subnet-{i}-prod" for i in range(3))}
    assert not run_layer("network", "dev").protected
    assert not run_layer("network", "local").protected


def test_the_address_plan_follows_the_settings(run_layer) -> None:
    zones = ["eu-west-1c", "eu-west-1b", "eu-west-1a"]
    run = run_layer(
        "network",
        "dev",
        config={"vpcCidr": "172.20.0.0/20", "subnetPrefix": 22, "availabilityZones": zones},
        settings={"aws:region": "eu-west-1"},
    )
    subnets = [run.one(SUBNET, f"private-subnet-{index}-dev") for index in range(3)]
    assert [subnet["availabilityZone"] for subnet in subnets] == zones
    assert all(IPv4Network(s["cidrBlock"]).subnet_of(IPv4Network("172.20.0.0/20")) for s in subnets)
    assert run.one(ENDPOINT, "s3-endpoint-dev")["serviceName"] == "com.amazonaws.eu-west-1.s3"
    assert run.exports["region"] == "eu-west-1"


@pytest.mark.parametrize("zone", ["us-east-1a", "ap-northeast-1z", "ap-northeast-1-tpe-1a"])
def test_a_zone_that_aws_does_not_offer_is_refused(run_layer, zone: str) -> None:
    zones = [zone, "ap-northeast-1c", "ap-northeast-1d"]
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("network", "dev", config={"availabilityZones": zones})
    assert str(refused.value) == (
        f"projects/network/Pulumi.dev.yaml: availabilityZones: AWS does not offer {zone} here; name three of"
        " ap-northeast-1a, ap-northeast-1b, ap-northeast-1c, ap-northeast-1d, or change aws:region"
    )
