"""EC2: the VPC and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import MANAGED, Setter, Spec, Tagging, pascal
from tools.localcloud.schema.validators import exclusive, one_of, policies

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props
    from tools.localcloud.schema.lifecycle import Operation

TAGGING = Tagging(
    target="Resources", add="create_tags", remove="delete_tags", keys="Tags", many=True, of=lambda op: op.id
)
ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
TO_CLOUDWATCH = "cloud-watch-logs"


def _vpc_attribute(name: str) -> Setter:
    aws = pascal(name)
    return Setter(
        name, lambda op: op.call("modify_vpc_attribute", VpcId=op.id, **{aws: {"Value": bool(op.want(name))}})
    )


def _read_vpc(op: Operation) -> dict[str, Any] | None:
    vpc = op.first("describe_vpcs", "Vpcs", VpcIds=[op.id])
    if vpc is None:
        return None
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        key = pascal(name)
        vpc[key] = op.call("describe_vpc_attribute", VpcId=op.id, Attribute=name)[key]["Value"]
    main = op.first(
        "describe_route_tables", "RouteTables",
        Filters=[{"Name": "vpc-id", "Values": [op.id]}, {"Name": "association.main", "Values": ["true"]}],
    )  # fmt: skip
    acl = op.first("describe_network_acls", "NetworkAcls", Filters=[{"Name": "vpc-id", "Values": [op.id]}])
    group = _default_group(op, op.id)
    return vpc | {
        "Arn": op.arn("ec2", f"vpc/{op.id}"),
        "MainRouteTableId": (main or {}).get("RouteTableId"),
        "DefaultNetworkAclId": (acl or {}).get("NetworkAclId"),
        "DefaultSecurityGroupId": (group or {}).get("GroupId"),
    }


def _default_group(op: Operation, vpc: str) -> dict[str, Any] | None:
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    return op.first("describe_security_groups", "SecurityGroups", Filters=wanted)


def _association(op: Operation) -> dict[str, Any] | None:
    """A subnet has one. Moving it gives it another id, which the engine cannot be told: it keeps the first."""
    for table in op.call("describe_route_tables")["RouteTables"]:
        for association in table["Associations"]:
            if association.get("SubnetId") == op.want("subnetId"):
                return dict(association)
    return None


def _move_association(op: Operation) -> None:
    now = _association(op) or {}
    op.call(
        "replace_route_table_association",
        AssociationId=now.get("RouteTableAssociationId"),
        RouteTableId=op.want("routeTableId"),
    )


def _delete_association(op: Operation) -> None:
    now = _association(op)
    if now:
        op.call("disassociate_route_table", AssociationId=now["RouteTableAssociationId"])


def _read_table(op: Operation) -> dict[str, Any] | None:
    table = op.first("describe_route_tables", "RouteTables", RouteTableIds=[op.id])
    if table is None:
        return None
    own = [route for route in table["Routes"] if route.get("GatewayId") != "local"]
    renamed = {"DestinationCidrBlock": "CidrBlock", "DestinationIpv6CidrBlock": "Ipv6CidrBlock"}
    routes = [
        {renamed.get(key, key): value for key, value in route.items() if key not in ("State", "Origin")}
        for route in own
    ]
    return table | {"Arn": op.arn("ec2", f"route-table/{op.id}"), "Routes": routes}


# Security groups. Pulumi's inline rules are AWS's permissions, merged and split differently: they are compared
# as single rules, one source each.


def _permission(rule: Props, group: str) -> dict[str, Any]:
    note = {"Description": rule["description"]} if rule.get("description") else {}
    groups = list(rule.get("securityGroups") or ()) + ([group] if rule.get("self") else [])
    ports = {} if rule["protocol"] == "-1" else {"FromPort": rule["fromPort"], "ToPort": rule["toPort"]}
    sources = {
        "IpRanges": [{"CidrIp": cidr, **note} for cidr in rule.get("cidrBlocks") or ()],
        "Ipv6Ranges": [{"CidrIpv6": cidr, **note} for cidr in rule.get("ipv6CidrBlocks") or ()],
        "PrefixListIds": [{"PrefixListId": prefix, **note} for prefix in rule.get("prefixListIds") or ()],
        "UserIdGroupPairs": [{"GroupId": each, **note} for each in groups],
    }
    return {"IpProtocol": rule["protocol"], **ports, **{key: value for key, value in sources.items() if value}}


def _inline(permissions: list[dict[str, Any]]) -> list[Props]:
    kinds = {
        "IpRanges": ("CidrIp", "cidrBlocks"),
        "Ipv6Ranges": ("CidrIpv6", "ipv6CidrBlocks"),
        "PrefixListIds": ("PrefixListId", "prefixListIds"),
        "UserIdGroupPairs": ("GroupId", "securityGroups"),
    }
    rules: list[Props] = []
    for permission in permissions:
        notes: dict[str, Props] = {}
        for kind, (theirs, ours) in kinds.items():
            for source in permission.get(kind) or ():
                note = source.get("Description", "")
                rule = notes.setdefault(
                    note,
                    {
                        "protocol": permission["IpProtocol"],
                        "fromPort": max(permission.get("FromPort", 0), 0),
                        "toPort": max(permission.get("ToPort", 0), 0),
                        **({"description": note} if note else {}),
                    },
                )
                rule.setdefault(ours, []).append(source[theirs])
        rules += notes.values()
    return rules


def _single(rules: list[Props]) -> list[Props]:
    kinds = ("cidrBlocks", "ipv6CidrBlocks", "prefixListIds", "securityGroups")
    found = []
    for rule in rules:
        common = {key: rule.get(key) for key in ("protocol", "fromPort", "toPort", "description")}
        found += [common | {kind: source} for kind in kinds for source in rule.get(kind) or ()]
        found += [common | {"self": True}] if rule.get("self") else []
    return found


def _set_rules(key: str) -> Setter:
    direction = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}[key]

    def run(op: Operation) -> None:
        group = op.first("describe_security_groups", "SecurityGroups", GroupIds=[op.id]) or {}
        if group.get(direction):
            op.call(f"revoke_security_group_{key}", GroupId=op.id, IpPermissions=group[direction])
        rules = [_permission(rule, op.id) for rule in op.want(key) or ()]
        if rules:
            op.call(f"authorize_security_group_{key}", GroupId=op.id, IpPermissions=rules)

    return Setter(key, run)


def _read_group(op: Operation) -> dict[str, Any] | None:
    group = op.first("describe_security_groups", "SecurityGroups", GroupIds=[op.id])
    if group is None:
        return None
    found = group | {"Arn": op.arn("ec2", f"security-group/{op.id}")}
    for key, direction in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        rules = _inline(group.get(direction) or [])
        for rule in rules:
            if op.id in rule.get("securityGroups", ()):
                rule["securityGroups"].remove(op.id)
                rule["self"] = True
        found[key] = rules
    return found


def _create_group(op: Operation) -> str:
    """AWS lets everything out of a new group; Pulumi's provider takes that away, and so does this."""
    made = op.call(
        "create_security_group",
        GroupName=op.physical_name(),
        Description=op.want("description"),
        VpcId=op.want("vpcId"),
    )
    op.call("revoke_security_group_egress", GroupId=made["GroupId"], IpPermissions=[ANYWHERE])
    return str(made["GroupId"])


def _adopt_group(op: Operation) -> str:
    """The default group exists with its VPC: Pulumi adopts it and empties it."""
    group = _default_group(op, op.want("vpcId"))
    if group is None:
        raise op.refuse("InvalidGroup.NotFound", f"{op.want('vpcId')} has no default group")
    for direction, key in (("ingress", "IpPermissions"), ("egress", "IpPermissionsEgress")):
        if group.get(key):
            op.call(f"revoke_security_group_{direction}", GroupId=group["GroupId"], IpPermissions=group[key])
    return str(group["GroupId"])


def _rule_permission(op: Operation) -> dict[str, Any]:
    return _permission(
        {
            "protocol": op.want("ipProtocol"),
            "fromPort": op.want("fromPort"),
            "toPort": op.want("toPort"),
            "description": op.want("description"),
            "cidrBlocks": [op.want("cidrIpv4")] if op.want("cidrIpv4") else [],
            "ipv6CidrBlocks": [op.want("cidrIpv6")] if op.want("cidrIpv6") else [],
            "prefixListIds": [op.want("prefixListId")] if op.want("prefixListId") else [],
            "securityGroups": [group] if (group := op.want("referencedSecurityGroupId")) else [],
        },
        op.want("securityGroupId"),
    )


def _rule_ids(op: Operation) -> set[str]:
    wanted = [{"Name": "group-id", "Values": [op.want("securityGroupId")]}]
    return {
        rule["SecurityGroupRuleId"]
        for rule in op.call("describe_security_group_rules", Filters=wanted)["SecurityGroupRules"]
    }


def _create_rule(op: Operation, direction: str) -> str:
    before = _rule_ids(op)
    group, permission = op.want("securityGroupId"), _rule_permission(op)
    made = op.call(f"authorize_security_group_{direction}", GroupId=group, IpPermissions=[permission])
    rule = str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])
    if rule in before:  # the emulator answers the old one
        raise op.refuse("InvalidPermission.Duplicate", f"{group} has the same rule as {rule}")
    return rule


def _read_rule(op: Operation) -> dict[str, Any] | None:
    rule = op.first("describe_security_group_rules", "SecurityGroupRules", SecurityGroupRuleIds=[op.id])
    if rule and op.want("prefixListId"):  # the emulator drops it, and the description with it
        return rule | {"Description": op.want("description")}
    return rule


def _change_rule(op: Operation) -> None:
    rule = {
        "IpProtocol": op.want("ipProtocol"),
        "FromPort": op.want("fromPort"),
        "ToPort": op.want("toPort"),
        "CidrIpv4": op.want("cidrIpv4"),
        "CidrIpv6": op.want("cidrIpv6"),
        "PrefixListId": op.want("prefixListId"),
        "ReferencedGroupId": op.want("referencedSecurityGroupId"),
        "Description": op.want("description"),
    }
    change = {
        "SecurityGroupRuleId": op.id,
        "SecurityGroupRule": {key: value for key, value in rule.items() if value is not None},
    }
    op.call("modify_security_group_rules", GroupId=op.want("securityGroupId"), SecurityGroupRules=[change])


RULE = "ipProtocol! fromPort toPort cidrIpv4 cidrIpv6 prefixListId referencedSecurityGroupId description"


def _rule(direction: str) -> Spec:
    return Spec(
        kind=f"aws:vpc/securityGroup{direction.capitalize()}Rule:SecurityGroup{direction.capitalize()}Rule",
        client="ec2",
        fixed="securityGroupId!",
        mutable=f"{RULE} tags",
        outputs="arn securityGroupRuleId",
        names={
            "securityGroupId": "GroupId",
            "arn": "SecurityGroupRuleArn",
            "referencedSecurityGroupId": "ReferencedGroupInfo.GroupId",
        },
        canonical={"fromPort": lambda port: max(port, 0), "toPort": lambda port: max(port, 0)},
        checks=(
            exclusive("cidrIpv4", "cidrIpv6", "prefixListId", "referencedSecurityGroupId"),
            lambda news: (
                "fromPort and toPort must be given unless ipProtocol is -1"
                if news.get("ipProtocol") not in (None, "-1") and (news.lacks("fromPort") or news.lacks("toPort"))
                else None
            ),
        ),
        lost={"prefixListId": "the emulator drops a rule's prefix list"},
        create=lambda op: _create_rule(op, direction),
        read=_read_rule,
        delete=lambda op: op.call(
            f"revoke_security_group_{direction}", GroupId=op.want("securityGroupId"), SecurityGroupRuleIds=[op.id]
        ),
        setters=(Setter(RULE, _change_rule, create=False),),
        tagging=TAGGING,
    )


# VPC endpoints and flow logs.


def _membership(key: str, aws: str) -> Setter:
    def run(op: Operation) -> None:
        endpoint = op.first("describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[op.id]) or {}
        have, wanted = set(endpoint.get(f"{aws}Ids") or ()), set(op.want(key) or ())
        op.call(
            "modify_vpc_endpoint", VpcEndpointId=op.id,
            **{f"Add{aws}Ids": sorted(wanted - have) or None, f"Remove{aws}Ids": sorted(have - wanted) or None},
        )  # fmt: skip

    return Setter(key, run, create=False)


def _read_endpoint(op: Operation) -> dict[str, Any] | None:
    endpoint = op.first("describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[op.id])
    return endpoint and endpoint | {"Arn": op.arn("ec2", f"vpc-endpoint/{op.id}")}


def _create_endpoint(op: Operation) -> str:
    made = op.make("create_vpc_endpoint", "VpcEndpoint.VpcEndpointId")
    op.state |= {"dnsEntries": [], "networkInterfaceIds": [], "cidrBlocks": [], "requesterManaged": False}
    if op.want("vpcEndpointType") == "Gateway":
        named = [{"Name": "prefix-list-name", "Values": [op.want("serviceName")]}]
        prefixes = op.first("describe_prefix_lists", "PrefixLists", Filters=named) or {}
        op.state["prefixListId"] = prefixes.get("PrefixListId")
    return made


def _create_flow_log(op: Operation) -> str:
    given = op.encoded(op.spec.on_create & op.given.keys() - {"vpcId"})
    return str(
        op.call("create_flow_logs", ResourceIds=[op.want("vpcId")], ResourceType="VPC", **given)["FlowLogIds"][0]
    )


def _read_flow_log(op: Operation) -> dict[str, Any] | None:
    flow_log = op.first("describe_flow_logs", "FlowLogs", FlowLogIds=[op.id])
    return flow_log and flow_log | {"Arn": op.arn("ec2", f"vpc-flow-log/{op.id}")}


SPECS = (
    Spec(
        kind="aws:ec2/vpc:Vpc",
        client="ec2",
        fixed="cidrBlock! instanceTenancy",
        mutable="enableDnsHostnames enableDnsSupport tags",
        outputs="arn ownerId mainRouteTableId defaultRouteTableId defaultNetworkAclId defaultSecurityGroupId "
        "dhcpOptionsId",
        defaults={"instanceTenancy": "default", "enableDnsSupport": True},
        computed="enableDnsHostnames",
        seen={"defaultRouteTableId": "MainRouteTableId"},
        checks=(
            lambda news: (
                None
                if (prefix := news.get("cidrBlock", "/16").rsplit("/", 1)[-1]).isdigit() and 16 <= int(prefix) <= 28  # noqa: PLR2004
                else f"cidrBlock {news['cidrBlock']} must be between /16 and /28"
            ),
        ),
        create=lambda op: op.make("create_vpc", "Vpc.VpcId"),
        read=_read_vpc,
        delete=lambda op: op.call("delete_vpc", VpcId=op.id),
        setters=(_vpc_attribute("enableDnsSupport"), _vpc_attribute("enableDnsHostnames")),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/subnet:Subnet",
        client="ec2",
        fixed="vpcId! cidrBlock! availabilityZone availabilityZoneId",
        mutable="mapPublicIpOnLaunch tags",
        outputs="arn ownerId",
        computed="availabilityZone availabilityZoneId",
        defaults={"mapPublicIpOnLaunch": False},
        names={"arn": "SubnetArn"},
        create=lambda op: op.make("create_subnet", "Subnet.SubnetId"),
        read=lambda op: op.first("describe_subnets", "Subnets", SubnetIds=[op.id]),
        delete=lambda op: op.call("delete_subnet", SubnetId=op.id),
        setters=(
            Setter(
                "mapPublicIpOnLaunch",
                lambda op: op.call(
                    "modify_subnet_attribute",
                    SubnetId=op.id,
                    MapPublicIpOnLaunch={"Value": bool(op.want("mapPublicIpOnLaunch"))},
                ),
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/routeTable:RouteTable",
        client="ec2",
        fixed="vpcId!",
        mutable="tags",
        outputs="arn ownerId routes",
        create=lambda op: op.make("create_route_table", "RouteTable.RouteTableId"),
        read=_read_table,
        delete=lambda op: op.call("delete_route_table", RouteTableId=op.id),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/routeTableAssociation:RouteTableAssociation",
        client="ec2",
        fixed="subnetId!",
        mutable="routeTableId!",
        unique=True,
        create=lambda op: op.make("associate_route_table", "AssociationId"),
        read=_association,
        delete=_delete_association,
        setters=(Setter("routeTableId", _move_association, create=False),),
    ),
    Spec(
        kind="aws:ec2/vpcEndpoint:VpcEndpoint",
        client="ec2",
        fixed="vpcId! serviceName vpcEndpointType",
        mutable="policy privateDnsEnabled routeTableIds subnetIds securityGroupIds tags",
        outputs="arn state ownerId dnsEntries networkInterfaceIds cidrBlocks requesterManaged prefixListId",
        computed="policy securityGroupIds privateDnsEnabled routeTableIds subnetIds",
        defaults={"vpcEndpointType": "Gateway"},
        documents="policy",
        unordered="routeTableIds subnetIds securityGroupIds",
        names={"policy": "PolicyDocument"},
        lost={
            "policy privateDnsEnabled securityGroupIds dnsEntries networkInterfaceIds cidrBlocks requesterManaged "
            "prefixListId": "the emulator keeps an endpoint's service, subnets and route tables only"
        },
        checks=(
            policies("policy"),
            one_of("vpcEndpointType", "Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork"),
            lambda news: (
                "privateDnsEnabled, subnetIds and securityGroupIds are for interface endpoints"
                if news.get("vpcEndpointType", "Gateway") == "Gateway"
                and (news.get("privateDnsEnabled") or news.get("subnetIds") or news.get("securityGroupIds"))
                else None
            ),
        ),
        create=_create_endpoint,
        read=_read_endpoint,
        delete=lambda op: op.call("delete_vpc_endpoints", VpcEndpointIds=[op.id]),
        setters=(
            _membership("routeTableIds", "RouteTable"),
            _membership("subnetIds", "Subnet"),
            Setter(
                "policy",
                lambda op: op.call(
                    "modify_vpc_endpoint",
                    VpcEndpointId=op.id,
                    PolicyDocument=op.want("policy"),
                    ResetPolicy=not op.want("policy"),
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/securityGroup:SecurityGroup",
        client="ec2",
        fixed="name namePrefix description vpcId",
        mutable="ingress egress tags",
        local="revokeRulesOnDelete",
        outputs="arn ownerId",
        computed="vpcId",
        ceded="ingress egress",
        defaults=MANAGED | {"revokeRulesOnDelete": False},
        unordered="ingress egress",
        names={"name": "GroupName"},
        seen={"ingress": "ingress", "egress": "egress"},
        canonical={"ingress": _single, "egress": _single},
        name="name",
        create=_create_group,
        read=_read_group,
        delete=lambda op: op.call("delete_security_group", GroupId=op.id),
        setters=(_set_rules("ingress"), _set_rules("egress")),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        client="ec2",
        fixed="vpcId",
        mutable="ingress egress tags",
        outputs="arn ownerId name description",
        defaults={"ingress": [], "egress": []},
        computed="vpcId",
        unordered="ingress egress",
        names={"name": "GroupName"},
        seen={"ingress": "ingress", "egress": "egress"},
        canonical={"ingress": _single, "egress": _single},
        create=_adopt_group,
        read=_read_group,
        delete=lambda _op: None,  # it goes with its VPC
        setters=(_set_rules("ingress"), _set_rules("egress")),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/flowLog:FlowLog",
        client="ec2",
        fixed="vpcId! trafficType logDestination logDestinationType iamRoleArn maxAggregationInterval logFormat",
        mutable="tags",
        outputs="arn",
        computed="logDestination logFormat",
        defaults={"logDestinationType": TO_CLOUDWATCH, "maxAggregationInterval": 600},
        names={"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"},
        lost={"iamRoleArn maxAggregationInterval logFormat": "the emulator forgets them"},
        checks=(
            one_of("maxAggregationInterval", 60, 600),
            one_of("trafficType", "ACCEPT", "REJECT", "ALL"),
            lambda news: (
                "iamRoleArn is needed to deliver to CloudWatch Logs"
                if news.get("logDestinationType", TO_CLOUDWATCH) == TO_CLOUDWATCH and news.lacks("iamRoleArn")
                else None
            ),
        ),
        create=_create_flow_log,
        read=_read_flow_log,
        delete=lambda op: op.call("delete_flow_logs", FlowLogIds=[op.id]),
        tagging=TAGGING,
    ),
    _rule("ingress"),
    _rule("egress"),
)
