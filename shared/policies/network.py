"""The VPC: nothing public, nothing by address."""

from shared.policies.rule import Resource, Rules

RULES = Rules()

INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
WAYS_OUT = (
    "aws:ec2/internetGateway:InternetGateway",
    "aws:ec2/egressOnlyInternetGateway:EgressOnlyInternetGateway",
    "aws:ec2/natGateway:NatGateway",
    "aws:ec2/eip:Eip",
)
HIGH_RISK_PORTS = (
    20, 21, 22, 23, 25, 110, 135, 143, 445, 1433, 1434, 3000, 3306, 3389, 4333, 5000, 5432, 5500, 5601, 6379, 8080,
    8088, 8888, 9200, 9300,
)  # fmt: skip
"""Security Hub's list, and Redis's port."""


@RULES.on("EC2.2", "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
def default_group_is_empty(group: Resource) -> str | None:
    """A VPC's default security group lets nothing in or out."""
    return "leave out ingress and egress" if group.get("ingress") or group.get("egress") else None


@RULES.on("EC2.6", "aws:ec2/flowLog:FlowLog")
def flow_log_sees_what_was_refused(flow_log: Resource) -> str | None:
    """A flow log records at least what was refused."""
    return None if flow_log.get("trafficType") in {"ALL", "REJECT"} else 'set traffic_type="ALL"'


@RULES.on("EC2.15", "aws:ec2/subnet:Subnet")
def no_public_address_on_launch(subnet: Resource) -> str | None:
    """A subnet gives no public addresses."""
    return "set map_public_ip_on_launch=False" if subnet.get("mapPublicIpOnLaunch") else None


@RULES.on("EC2.18", INGRESS)
def nothing_from_the_internet(ingress: Resource) -> str | None:
    """No port but 80 and 443 is open to the internet."""
    if _from_the_internet(ingress) and not (_ports(ingress) <= {80, 443}):
        return "name a source security group instead of the internet"
    return None


@RULES.on("EC2.19", INGRESS)
def no_risky_port_by_address(ingress: Resource) -> str | None:
    """No port of a database or of remote access is open to addresses, whichever."""
    risky = sorted(_ports(ingress).intersection(HIGH_RISK_PORTS))
    if ingress.has("cidrIpv4", "cidrIpv6") and risky:
        return f"name a source security group for port {', '.join(map(str, risky))}"
    return None


@RULES.on("TXMON.1", INGRESS, EGRESS, source="Amazon VPC User Guide, security group rules by referenced group")
def by_group(rule: Resource) -> str | None:
    """Who may talk to whom is said by security group, never by address."""
    if rule.has("referencedSecurityGroupId", "prefixListId"):
        return None
    return "give referenced_security_group_id (or the prefix_list_id of an AWS service) in place of a CIDR"


@RULES.on("TXMON.2", "aws:ec2/securityGroup:SecurityGroup", source="projects/network: the access matrix is one table")
def no_inline_rules(group: Resource) -> str | None:
    """A security group's rules are resources of their own, so that each can be read and reviewed."""
    return "move the rule to the access matrix" if group.get("ingress") or group.get("egress") else None


@RULES.on("TXMON.3", *WAYS_OUT, source="AWS Well-Architected Framework, SEC05-BP01: create network layers")
def no_way_out(_: Resource) -> str | None:
    """The VPC has no way to the internet: AWS is reached through its endpoints."""
    return "use a VPC endpoint of the service that has to be reached"


@RULES.on("TXMON.4", "aws:ec2/vpcEndpoint:VpcEndpoint", source="AWS whitepaper, Building a data perimeter on AWS")
def endpoint_has_policy(endpoint: Resource) -> str | None:
    """A VPC endpoint has a policy of its own: AWS's admits every account's principals and resources."""
    return None if endpoint.has("policy") else "give a policy that admits this account only"


def _from_the_internet(ingress: Resource) -> bool:
    return any(str(ingress.get(key)).endswith("/0") for key in ("cidrIpv4", "cidrIpv6"))


def _ports(ingress: Resource) -> set[int]:
    if ingress.get("ipProtocol") == "-1":
        return set(range(65536))
    return set(range(int(ingress.get("fromPort", 0)), int(ingress.get("toPort", 65535)) + 1))
