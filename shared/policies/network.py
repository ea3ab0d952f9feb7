"""Rules for the VPC: no public access, and traffic is allowed by security group only."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.policies.documents import values_at
from shared.policies.resource import PROVIDER, Resource, default_tags
from shared.policies.rule import Rules

RULES = Rules()

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
LEGACY_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
SECURITY_GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_SECURITY_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INGRESS_TYPES = (INGRESS, LEGACY_RULE, SECURITY_GROUP, DEFAULT_SECURITY_GROUP)
SECURITY_GROUP_TYPES = (*INGRESS_TYPES, EGRESS)
"""The types whose inputs hold rules of a security group."""
ADDRESS_INPUTS = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
GROUP_INPUTS = frozenset(
    {
        "referencedSecurityGroupId",
        "sourceSecurityGroupId",
        "securityGroups",
        "self",
        "prefixListId",
        "prefixListIds",
    }
)
VPC = "aws:ec2/vpc:Vpc"
FLOW_LOG = "aws:ec2/flowLog:FlowLog"
ROUTE_TABLE = "aws:ec2/routeTable:RouteTable"
GATEWAYS = (
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/eip:Eip",
    "aws:ec2/route:Route",
)
HIGH_RISK_PORTS = (
    20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601, 6379, 8080,
    8088, 8888, 9200, 9300,
)  # fmt: skip
"""The ports of Security Hub's EC2.19, and Redis's."""


@dataclass(frozen=True)
class TrafficRule:
    """A rule of a security group, from any type of resource that can hold one."""

    ingress: bool
    addresses: tuple[str, ...]
    by_group: bool
    """Whether it names a security group, or the prefix list of an AWS service."""
    ports: range


def traffic_rules(resource: Resource) -> Iterator[TrafficRule]:
    """Yield the security group rules of a resource of `SECURITY_GROUP_TYPES`."""
    if resource.type in {INGRESS, EGRESS}:
        yield _traffic_rule(resource.inputs, ingress=resource.type == INGRESS)
    elif resource.type == LEGACY_RULE:
        yield _traffic_rule(resource.inputs, ingress=resource.get("type") == "ingress")
    else:
        for direction in ("ingress", "egress"):
            for each in resource.get(direction) or ():
                yield _traffic_rule(each, ingress=direction == "ingress")


def _traffic_rule(given: Mapping[str, Any], *, ingress: bool) -> TrafficRule:
    every_port = str(given.get("ipProtocol", given.get("protocol"))) in {"-1", "all"}
    first, last = (0, 65535) if every_port else (int(given.get("fromPort") or 0), int(given.get("toPort") or 65535))
    return TrafficRule(
        ingress=ingress,
        addresses=tuple(str(value) for key in ADDRESS_INPUTS for value in values_at(given, key)),
        by_group=not GROUP_INPUTS.isdisjoint(given),
        ports=range(first, last + 1),
    )


@RULES.on("EC2.2", DEFAULT_SECURITY_GROUP)
def default_security_group_is_closed(group: Resource) -> str | None:
    """A VPC's default security group has no rules."""
    return "leave out ingress and egress" if group.get("ingress") or group.get("egress") else None


@RULES.on_stack("TXMON.25", VPC, source="Security Hub's EC2.2, for a default group that the stack does not manage")
def default_security_group_is_managed(vpc: Resource, stack: Sequence[Resource]) -> str | None:
    """A VPC's default security group is managed. AWS creates it with rules that allow traffic."""
    managed = any(each.type == DEFAULT_SECURITY_GROUP and each.depends_on(vpc, "vpcId") for each in stack)
    return None if managed else "add a DefaultSecurityGroup without rules"


@RULES.on_stack("EC2.6", VPC, PROVIDER)
def vpc_has_flow_log(resource: Resource, stack: Sequence[Resource]) -> str | None:
    """A VPC has a flow log, in its own stack or in monitoring's, which reads the VPC from network's outputs."""
    flow_logs = [each for each in stack if each.type == FLOW_LOG and each.has("vpcId")]
    if resource.type == PROVIDER:
        missing = default_tags(resource.get("defaultTags")).get("Layer") == "monitoring" and not flow_logs
    else:
        missing = not any(flow_log.depends_on(resource, "vpcId") for flow_log in flow_logs)
    return "add a FlowLog of the VPC" if missing else None


@RULES.on("EC2.15", "aws:ec2/subnet:Subnet")
def subnet_assigns_no_public_address(subnet: Resource) -> str | None:
    """A subnet assigns no public addresses."""
    return "set map_public_ip_on_launch=False" if subnet.get("mapPublicIpOnLaunch") else None


@RULES.on("EC2.18", *INGRESS_TYPES)
def ingress_is_not_public(resource: Resource) -> str | None:
    """Only ports 80 and 443 may be open to the internet."""
    for rule in traffic_rules(resource):
        internet = any(address.endswith("/0") for address in rule.addresses)
        if rule.ingress and internet and not set(rule.ports) <= {80, 443}:
            return "name a source security group instead of the internet"
    return None


@RULES.on("EC2.19", *INGRESS_TYPES)
def high_risk_port_is_not_open(resource: Resource) -> str | None:
    """No port of a database or of remote access is open to IP addresses."""
    by_address = [each.ports for each in traffic_rules(resource) if each.ingress and each.addresses]
    risky = [str(port) for port in HIGH_RISK_PORTS if any(port in ports for ports in by_address)]
    return f"name a source security group for port {', '.join(risky)}" if risky else None


@RULES.on("TXMON.1", *SECURITY_GROUP_TYPES, source="Amazon VPC User Guide, security group rules by referenced group")
def traffic_is_allowed_by_group(resource: Resource) -> str | None:
    """Security group rules name security groups, not IP addresses."""
    if all(rule.by_group and not rule.addresses for rule in traffic_rules(resource)):
        return None
    return "give referenced_security_group_id (or the prefix_list_id of an AWS service) instead of a CIDR"


@RULES.on("TXMON.2", SECURITY_GROUP, LEGACY_RULE, source="projects/network: the access matrix is one table")
def security_group_has_no_inline_rules(resource: Resource) -> str | None:
    """Each security group rule is a resource of its own, so that it can be reviewed."""
    inline = resource.type == LEGACY_RULE or resource.get("ingress") or resource.get("egress")
    return "move the rule to the access matrix" if inline else None


@RULES.on(
    "TXMON.3",
    *GATEWAYS,
    ROUTE_TABLE,
    source="AWS Well-Architected Framework, SEC05-BP01: create network layers",
)
def egress_is_restricted(resource: Resource) -> str | None:
    """A VPC has no route to the internet or another network. AWS is reached through VPC endpoints."""
    if resource.type == ROUTE_TABLE and not resource.get("routes"):
        return None
    return "use a VPC endpoint of the service"


@RULES.on("TXMON.4", "aws:ec2/vpcEndpoint:VpcEndpoint", source="AWS whitepaper, Building a data perimeter on AWS")
def endpoint_has_policy(endpoint: Resource) -> str | None:
    """A VPC endpoint has a policy. The default policy allows all principals and resources of every account."""
    return None if endpoint.has("policy") else "set a policy that allows this account only"
