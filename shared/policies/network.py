"""The VPC: nothing public, nothing by address."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.policies.documents import values_at
from shared.policies.rule import PROVIDER, Resource, Rules, default_tags

RULES = Rules()

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
LEGACY_RULE = "aws:ec2/securityGroupRule:SecurityGroupRule"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
DEFAULT_GROUP = "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup"
INWARD = (INGRESS, LEGACY_RULE, GROUP, DEFAULT_GROUP)
OPENING = (*INWARD, EGRESS)
"""All that can open a security group."""
BY_ADDRESS = ("cidrIpv4", "cidrIpv6", "cidrBlocks", "ipv6CidrBlocks")
BY_GROUP = frozenset(
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
WAYS_OUT = (
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
"""Security Hub's list, and Redis's port."""


@dataclass(frozen=True)
class Opening:
    """Whom a security group lets in, or out to, in whichever way that is written."""

    ingress: bool
    addresses: tuple[str, ...]
    by_group: bool
    """Whether it names a security group, or the prefix list of a service of AWS."""
    ports: range


def openings(resource: Resource) -> Iterator[Opening]:
    """The openings that a resource of `OPENING` makes."""
    if resource.type in {INGRESS, EGRESS}:
        yield _opening(resource.inputs, ingress=resource.type == INGRESS)
    elif resource.type == LEGACY_RULE:
        yield _opening(resource.inputs, ingress=resource.get("type") == "ingress")
    else:
        for direction in ("ingress", "egress"):
            for each in resource.get(direction) or ():
                yield _opening(each, ingress=direction == "ingress")


def _opening(given: Mapping[str, Any], *, ingress: bool) -> Opening:
    every_port = str(given.get("ipProtocol", given.get("protocol"))) in {"-1", "all"}
    first, last = (0, 65535) if every_port else (int(given.get("fromPort") or 0), int(given.get("toPort") or 65535))
    return Opening(
        ingress=ingress,
        addresses=tuple(str(value) for key in BY_ADDRESS for value in values_at(given, key)),
        by_group=not BY_GROUP.isdisjoint(given),
        ports=range(first, last + 1),
    )


@RULES.on("EC2.2", DEFAULT_GROUP)
def default_group_is_empty(group: Resource) -> str | None:
    """A VPC's default security group lets nothing in or out."""
    return "leave out ingress and egress" if group.get("ingress") or group.get("egress") else None


@RULES.on_stack("TXMON.25", VPC, source="Security Hub's EC2.2, of a group that AWS makes with rules in it")
def default_group_is_ours(vpc: Resource, stack: Sequence[Resource]) -> str | None:
    """A VPC's default security group is managed: as AWS makes it, its members may do anything."""
    taken = any(each.type == DEFAULT_GROUP and each.is_for(vpc, "vpcId") for each in stack)
    return None if taken else "add a DefaultSecurityGroup without rules"


@RULES.on_stack("EC2.6", VPC, PROVIDER)
def vpc_has_flow_log(resource: Resource, stack: Sequence[Resource]) -> str | None:
    """A VPC has a flow log: in its own stack, or in monitoring's, which knows the VPC from another stack."""
    flow_logs = [each for each in stack if each.type == FLOW_LOG and each.has("vpcId")]
    if resource.type == PROVIDER:
        lacking = default_tags(resource.get("defaultTags")).get("Layer") == "monitoring" and not flow_logs
    else:
        lacking = not any(flow_log.is_for(resource, "vpcId") for flow_log in flow_logs)
    return "add a FlowLog of the VPC" if lacking else None


@RULES.on("EC2.15", "aws:ec2/subnet:Subnet")
def no_public_address_on_launch(subnet: Resource) -> str | None:
    """A subnet gives no public addresses."""
    return "set map_public_ip_on_launch=False" if subnet.get("mapPublicIpOnLaunch") else None


@RULES.on("EC2.18", *INWARD)
def nothing_from_the_internet(resource: Resource) -> str | None:
    """No port but 80 and 443 is open to the internet."""
    for opening in openings(resource):
        internet = any(address.endswith("/0") for address in opening.addresses)
        if opening.ingress and internet and not set(opening.ports) <= {80, 443}:
            return "name a source security group instead of the internet"
    return None


@RULES.on("EC2.19", *INWARD)
def no_risky_port_by_address(resource: Resource) -> str | None:
    """No port of a database or of remote access is open to addresses, whichever."""
    open_to_addresses = [each.ports for each in openings(resource) if each.ingress and each.addresses]
    risky = [str(port) for port in HIGH_RISK_PORTS if any(port in ports for ports in open_to_addresses)]
    return f"name a source security group for port {', '.join(risky)}" if risky else None


@RULES.on("TXMON.1", *OPENING, source="Amazon VPC User Guide, security group rules by referenced group")
def by_group(resource: Resource) -> str | None:
    """Who may talk to whom is said by security group, never by address."""
    if all(opening.by_group and not opening.addresses for opening in openings(resource)):
        return None
    return "give referenced_security_group_id (or the prefix_list_id of an AWS service) in place of a CIDR"


@RULES.on("TXMON.2", GROUP, LEGACY_RULE, source="projects/network: the access matrix is one table")
def rules_of_their_own(resource: Resource) -> str | None:
    """A security group's rules are resources of their own, one for each opening, so that each can be reviewed."""
    inline = resource.type == LEGACY_RULE or resource.get("ingress") or resource.get("egress")
    return "move the rule to the access matrix" if inline else None


@RULES.on(
    "TXMON.3",
    *WAYS_OUT,
    ROUTE_TABLE,
    source="AWS Well-Architected Framework, SEC05-BP01: create network layers",
)
def no_way_out(resource: Resource) -> str | None:
    """The VPC has no way to the internet, nor to another network: AWS is reached through its endpoints."""
    if resource.type == ROUTE_TABLE and not resource.get("routes"):
        return None
    return "use a VPC endpoint of the service that has to be reached"


@RULES.on("TXMON.4", "aws:ec2/vpcEndpoint:VpcEndpoint", source="AWS whitepaper, Building a data perimeter on AWS")
def endpoint_has_policy(endpoint: Resource) -> str | None:
    """A VPC endpoint has a policy of its own: AWS's admits every account's principals and resources."""
    return None if endpoint.has("policy") else "give a policy that admits this account only"
