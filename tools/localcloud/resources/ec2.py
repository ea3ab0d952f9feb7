"""Describes EC2's VPC and what is in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import DEFAULT_DESCRIPTION, Setter, Spec, Tagging, keys, pascal
from tools.localcloud.schema.validators import (
    any_of,
    arns,
    between,
    exclusive,
    ipv4_network,
    matches,
    one_of,
    policies,
)

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

TAGGING = Tagging(target="Resources", add="create_tags", remove="delete_tags", tag_keys="Tags", many=True)
ANYWHERE = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
PERMISSIONS = {"ingress": "IpPermissions", "egress": "IpPermissionsEgress"}
TO_CLOUDWATCH = "cloud-watch-logs"


def _vpc_attribute(name: str) -> Setter:
    aws = pascal(name)
    return Setter(
        keys(name),
        lambda ctx: ctx.call("modify_vpc_attribute", VpcId=ctx.id, **{aws: {"Value": bool(ctx.get(name))}}),
    )


def _read_vpc(ctx: ResourceContext) -> dict[str, Any] | None:
    vpc = ctx.first("describe_vpcs", "Vpcs", VpcIds=[ctx.id])
    if vpc is None:
        return None
    for name in ("enableDnsSupport", "enableDnsHostnames"):
        key = pascal(name)
        vpc[key] = ctx.call("describe_vpc_attribute", VpcId=ctx.id, Attribute=name)[key]["Value"]
    main = ctx.first(
        "describe_route_tables", "RouteTables",
        Filters=[{"Name": "vpc-id", "Values": [ctx.id]}, {"Name": "association.main", "Values": ["true"]}],
    )  # fmt: skip
    acl = ctx.first("describe_network_acls", "NetworkAcls", Filters=[{"Name": "vpc-id", "Values": [ctx.id]}])
    group = _default_group(ctx, ctx.id)
    return vpc | {
        "Arn": ctx.arn("ec2", f"vpc/{ctx.id}"),
        "MainRouteTableId": (main or {}).get("RouteTableId"),
        "DefaultNetworkAclId": (acl or {}).get("NetworkAclId"),
        "DefaultSecurityGroupId": (group or {}).get("GroupId"),
    }


def _default_group(ctx: ResourceContext, vpc: str) -> dict[str, Any] | None:
    wanted = [{"Name": "vpc-id", "Values": [vpc]}, {"Name": "group-name", "Values": ["default"]}]
    return ctx.first("describe_security_groups", "SecurityGroups", Filters=wanted)


def _association(ctx: ResourceContext) -> dict[str, Any] | None:
    """Find the association by its subnet: each update gives it another id, and Pulumi keeps the first."""
    for table in ctx.call("describe_route_tables")["RouteTables"]:
        for association in table["Associations"]:
            if association.get("SubnetId") == ctx.get("subnetId"):
                return dict(association)
    return None


def _move_association(ctx: ResourceContext) -> None:
    now = _association(ctx) or {}
    ctx.call(
        "replace_route_table_association",
        AssociationId=now.get("RouteTableAssociationId"),
        RouteTableId=ctx.get("routeTableId"),
    )


def _delete_association(ctx: ResourceContext) -> None:
    now = _association(ctx)
    if now:
        ctx.call("disassociate_route_table", AssociationId=now["RouteTableAssociationId"])


def _read_table(ctx: ResourceContext) -> dict[str, Any] | None:
    table = ctx.first("describe_route_tables", "RouteTables", RouteTableIds=[ctx.id])
    if table is None:
        return None
    renamed = {"DestinationCidrBlock": "CidrBlock", "DestinationIpv6CidrBlock": "Ipv6CidrBlock"}
    routes = [
        {renamed.get(key, key): value for key, value in route.items() if key not in ("State", "Origin")}
        for route in table["Routes"]
        if route.get("GatewayId") != "local"
    ]
    return table | {"Arn": ctx.arn("ec2", f"route-table/{ctx.id}"), "Routes": routes}


# Security groups.


def _read_group(ctx: ResourceContext) -> dict[str, Any] | None:
    group = ctx.first("describe_security_groups", "SecurityGroups", GroupIds=[ctx.id])
    return group and group | {"Arn": ctx.arn("ec2", f"security-group/{ctx.id}")}


def _create_group(ctx: ResourceContext) -> str:
    """Create a group without the rule that lets everything out, which Pulumi's provider removes too."""
    group = ctx.create("create_security_group", "GroupId")
    ctx.call("revoke_security_group_egress", GroupId=group, IpPermissions=[ANYWHERE])
    return group


def _adopt_group(ctx: ResourceContext) -> str:
    """Empty the default group, which AWS creates with the VPC, and return its id."""
    group = _default_group(ctx, ctx.get("vpcId"))
    if group is None:
        raise ctx.error("InvalidGroup.NotFound", f"{ctx.get('vpcId')} has no default group")
    for direction in PERMISSIONS:
        _revoke(ctx, direction, group)
    return str(group["GroupId"])


def _revoke(ctx: ResourceContext, direction: str, group: dict[str, Any]) -> None:
    """Remove all rules of a direction from a group."""
    rules = group.get(PERMISSIONS[direction])
    if rules:
        ctx.call(f"revoke_security_group_{direction}", GroupId=group["GroupId"], IpPermissions=rules)


def _empty(direction: str) -> Setter:
    return Setter(keys(direction), lambda ctx: _revoke(ctx, direction, _read_group(ctx) or {}), create=False)


def _permission(ctx: ResourceContext) -> dict[str, Any]:
    """Return the wanted rule as AWS authorizes it."""
    note = {"Description": ctx.get("description")} if ctx.get("description") else {}
    ports = {} if ctx.get("ipProtocol") == "-1" else {"FromPort": ctx.get("fromPort"), "ToPort": ctx.get("toPort")}
    if ctx.get("prefixListId"):
        source = {"PrefixListIds": [{"PrefixListId": ctx.get("prefixListId"), **note}]}
    else:
        source = {"UserIdGroupPairs": [{"GroupId": ctx.get("referencedSecurityGroupId"), **note}]}
    return {"IpProtocol": ctx.get("ipProtocol"), **ports, **source}


def _rule_ids(ctx: ResourceContext) -> set[str]:
    filters = [{"Name": "group-id", "Values": [ctx.get("securityGroupId")]}]
    rules = ctx.call("describe_security_group_rules", Filters=filters)["SecurityGroupRules"]
    return {rule["SecurityGroupRuleId"] for rule in rules}


def _create_rule(ctx: ResourceContext, direction: str) -> str:
    before, group = _rule_ids(ctx), ctx.get("securityGroupId")
    made = ctx.call(f"authorize_security_group_{direction}", GroupId=group, IpPermissions=[_permission(ctx)])
    rule = str(made["SecurityGroupRules"][0]["SecurityGroupRuleId"])
    if rule in before:  # the emulator accepts a duplicate and returns the existing rule
        raise ctx.error("InvalidPermission.Duplicate", f"{group} has the same rule as {rule}")
    return rule


def _change_rule(ctx: ResourceContext) -> None:
    change = {"SecurityGroupRuleId": ctx.id, "SecurityGroupRule": ctx.arguments(RULE & ctx.inputs.keys())}
    ctx.call("modify_security_group_rules", GroupId=ctx.get("securityGroupId"), SecurityGroupRules=[change])


GROUP_TEXT = r"[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{0,255}"
GROUP_WORDS = "must have up to 255 letters, digits, spaces and ._-:/()#,@[]+=&;{}!$*"
RULE = keys("ipProtocol fromPort toPort prefixListId referencedSecurityGroupId description")


def _another_kind(old: Any, new: Any) -> bool:
    """Return whether a rule begins or ceases to have this kind of source."""
    return (old is None) != (new is None)


def _rule(direction: str) -> Spec:
    return Spec(
        kind=f"aws:vpc/securityGroup{direction.capitalize()}Rule:SecurityGroup{direction.capitalize()}Rule",
        client="ec2",
        force_new=keys("securityGroupId"),
        updatable=RULE | {"tags"},
        outputs=keys("arn securityGroupRuleId"),
        required=keys("securityGroupId ipProtocol"),
        names={
            "securityGroupId": "GroupId",
            "arn": "SecurityGroupRuleArn",
            "referencedSecurityGroupId": "ReferencedGroupId",
        },
        response_path={"referencedSecurityGroupId": "ReferencedGroupInfo.GroupId"},
        force_new_if=dict.fromkeys(("prefixListId", "referencedSecurityGroupId"), _another_kind),
        canonical={"fromPort": lambda port: max(port, 0), "toPort": lambda port: max(port, 0)},
        validators=(
            exclusive("prefixListId", "referencedSecurityGroupId"),
            any_of("prefixListId", "referencedSecurityGroupId"),
            between("fromPort", -1, 65535),
            between("toPort", -1, 65535),
            matches("description", GROUP_TEXT, GROUP_WORDS),
            lambda news: (
                "fromPort and toPort must be given unless ipProtocol is -1"
                if news.get("ipProtocol") not in (None, "-1") and (news.lacks("fromPort") or news.lacks("toPort"))
                else None
            ),
        ),
        create=lambda ctx: _create_rule(ctx, direction),
        read=lambda ctx: ctx.first(
            "describe_security_group_rules", "SecurityGroupRules", SecurityGroupRuleIds=[ctx.id]
        ),
        delete=lambda ctx: ctx.call(
            f"revoke_security_group_{direction}", GroupId=ctx.get("securityGroupId"), SecurityGroupRuleIds=[ctx.id]
        ),
        setters=(Setter(RULE, _change_rule, create=False),),
        tagging=TAGGING,
    )


# VPC endpoints and flow logs.


def _membership(key: str, aws: str) -> Setter:
    def run(ctx: ResourceContext) -> None:
        endpoint = ctx.first("describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[ctx.id]) or {}
        have, wanted = set(_members(endpoint, aws)), set(ctx.get(key) or ())
        ctx.call(
            "modify_vpc_endpoint", VpcEndpointId=ctx.id,
            **{f"Add{aws}Ids": sorted(wanted - have) or None, f"Remove{aws}Ids": sorted(have - wanted) or None},
        )  # fmt: skip

    return Setter(keys(key), run, create=False)


def _members(endpoint: dict[str, Any], aws: str) -> list[str]:
    if aws == "SecurityGroup":
        return [group["GroupId"] for group in endpoint.get("Groups", ())]
    return endpoint.get(f"{aws}Ids") or []


def _read_endpoint(ctx: ResourceContext) -> dict[str, Any] | None:
    endpoint = ctx.first("describe_vpc_endpoints", "VpcEndpoints", VpcEndpointIds=[ctx.id])
    if endpoint is None:
        return None
    prefixes: dict[str, Any] = {}
    if endpoint["VpcEndpointType"] == "Gateway":
        named = [{"Name": "prefix-list-name", "Values": [endpoint["ServiceName"]]}]
        prefixes = ctx.first("describe_prefix_lists", "PrefixLists", Filters=named) or {}
    return endpoint | {
        "Arn": ctx.arn("ec2", f"vpc-endpoint/{ctx.id}"),
        "PrefixListId": prefixes.get("PrefixListId"),
        "CidrBlocks": prefixes.get("Cidrs", []),
    }


def _create_flow_log(ctx: ResourceContext) -> str:
    given = ctx.arguments(ctx.spec.create_arguments & ctx.inputs.keys() - {"vpcId"})
    return str(
        ctx.call("create_flow_logs", ResourceIds=[ctx.get("vpcId")], ResourceType="VPC", **given)["FlowLogIds"][0]
    )


def _read_flow_log(ctx: ResourceContext) -> dict[str, Any] | None:
    flow_log = ctx.first("describe_flow_logs", "FlowLogs", FlowLogIds=[ctx.id])
    return flow_log and flow_log | {"Arn": ctx.arn("ec2", f"vpc-flow-log/{ctx.id}")}


SPECS = (
    Spec(
        kind="aws:ec2/vpc:Vpc",
        client="ec2",
        required=keys("cidrBlock"),
        force_new=keys("cidrBlock"),
        updatable=keys("enableDnsHostnames enableDnsSupport tags"),
        outputs=keys(
            "arn ownerId mainRouteTableId defaultRouteTableId defaultNetworkAclId "
            "defaultSecurityGroupId dhcpOptionsId"
        ),
        defaults={"enableDnsSupport": True},
        computed=keys("enableDnsHostnames"),
        response_path={"defaultRouteTableId": "MainRouteTableId"},
        validators=(ipv4_network("cidrBlock", 16, 28),),
        create=lambda ctx: ctx.create("create_vpc", "Vpc.VpcId"),
        read=_read_vpc,
        delete=lambda ctx: ctx.call("delete_vpc", VpcId=ctx.id),
        setters=(_vpc_attribute("enableDnsSupport"), _vpc_attribute("enableDnsHostnames")),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/subnet:Subnet",
        client="ec2",
        required=keys("vpcId cidrBlock"),
        force_new=keys("vpcId cidrBlock availabilityZone"),
        updatable=keys("mapPublicIpOnLaunch tags"),
        outputs=keys("arn ownerId"),
        computed=keys("availabilityZone"),
        defaults={"mapPublicIpOnLaunch": False},
        names={"arn": "SubnetArn"},
        validators=(ipv4_network("cidrBlock", 16, 28),),
        create=lambda ctx: ctx.create("create_subnet", "Subnet.SubnetId"),
        read=lambda ctx: ctx.first("describe_subnets", "Subnets", SubnetIds=[ctx.id]),
        delete=lambda ctx: ctx.call("delete_subnet", SubnetId=ctx.id),
        setters=(
            Setter(
                keys("mapPublicIpOnLaunch"),
                lambda ctx: ctx.call(
                    "modify_subnet_attribute",
                    SubnetId=ctx.id,
                    MapPublicIpOnLaunch={"Value": bool(ctx.get("mapPublicIpOnLaunch"))},
                ),
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/routeTable:RouteTable",
        client="ec2",
        required=keys("vpcId"),
        force_new=keys("vpcId"),
        updatable=keys("tags"),
        outputs=keys("arn ownerId routes"),
        create=lambda ctx: ctx.create("create_route_table", "RouteTable.RouteTableId"),
        read=_read_table,
        delete=lambda ctx: ctx.call("delete_route_table", RouteTableId=ctx.id),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/routeTableAssociation:RouteTableAssociation",
        client="ec2",
        required=keys("subnetId routeTableId"),
        force_new=keys("subnetId"),
        updatable=keys("routeTableId"),
        create=lambda ctx: ctx.create("associate_route_table", "AssociationId"),
        read=_association,
        delete=_delete_association,
        setters=(Setter(keys("routeTableId"), _move_association, create=False),),
    ),
    Spec(
        kind="aws:ec2/vpcEndpoint:VpcEndpoint",
        client="ec2",
        required=keys("vpcId"),
        force_new=keys("vpcId serviceName vpcEndpointType"),
        updatable=keys("policy privateDnsEnabled routeTableIds subnetIds securityGroupIds tags"),
        outputs=keys("arn state ownerId dnsEntries networkInterfaceIds cidrBlocks requesterManaged prefixListId"),
        computed=keys("policy securityGroupIds privateDnsEnabled routeTableIds subnetIds"),
        defaults={"vpcEndpointType": "Gateway"},
        documents=keys("policy"),
        unordered=keys("routeTableIds subnetIds securityGroupIds"),
        names={"policy": "PolicyDocument"},
        response_path={"securityGroupIds": "Groups.*.GroupId"},
        validators=(
            policies("policy"),
            one_of("vpcEndpointType", "Gateway", "Interface", "GatewayLoadBalancer", "Resource", "ServiceNetwork"),
            lambda news: (
                "privateDnsEnabled, subnetIds and securityGroupIds are for interface endpoints"
                if news.get("vpcEndpointType", "Gateway") == "Gateway"
                and (news.get("privateDnsEnabled") or news.get("subnetIds") or news.get("securityGroupIds"))
                else None
            ),
        ),
        create=lambda ctx: ctx.create("create_vpc_endpoint", "VpcEndpoint.VpcEndpointId"),
        read=_read_endpoint,
        delete=lambda ctx: ctx.call("delete_vpc_endpoints", VpcEndpointIds=[ctx.id]),
        setters=(
            _membership("routeTableIds", "RouteTable"),
            _membership("subnetIds", "Subnet"),
            _membership("securityGroupIds", "SecurityGroup"),
            Setter(
                keys("privateDnsEnabled"),
                lambda ctx: ctx.call(
                    "modify_vpc_endpoint", VpcEndpointId=ctx.id, PrivateDnsEnabled=bool(ctx.get("privateDnsEnabled"))
                ),
                create=False,
            ),
            Setter(
                keys("policy"),
                lambda ctx: ctx.call(
                    "modify_vpc_endpoint",
                    VpcEndpointId=ctx.id,
                    PolicyDocument=ctx.get("policy"),
                    ResetPolicy=not ctx.get("policy"),
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/securityGroup:SecurityGroup",
        client="ec2",
        force_new=keys("name description vpcId"),
        updatable=keys("tags"),
        state_only=keys("revokeRulesOnDelete"),
        outputs=keys("arn ownerId"),
        computed=keys("vpcId"),
        defaults=DEFAULT_DESCRIPTION | {"revokeRulesOnDelete": False},
        names={"name": "GroupName"},
        name="name",
        validators=(
            matches("name", f"(?!sg-){GROUP_TEXT}", f"cannot begin with sg- and {GROUP_WORDS}"),
            matches("description", GROUP_TEXT, GROUP_WORDS),
        ),
        create=_create_group,
        read=_read_group,
        delete=lambda ctx: ctx.call("delete_security_group", GroupId=ctx.id),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
        client="ec2",
        force_new=keys("vpcId"),
        updatable=keys("ingress egress tags"),
        outputs=keys("arn ownerId name description"),
        defaults={"ingress": [], "egress": []},
        computed=keys("vpcId"),
        unordered=keys("ingress egress"),
        names=PERMISSIONS | {"name": "GroupName"},
        validators=(
            lambda news: (
                "the local cloud only empties a default group: ingress and egress must be empty"
                if news.get("ingress") or news.get("egress")
                else None
            ),
        ),
        create=_adopt_group,
        read=_read_group,
        delete=lambda _ctx: None,  # it is deleted with its VPC
        setters=(_empty("ingress"), _empty("egress")),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:ec2/flowLog:FlowLog",
        client="ec2",
        required=keys("vpcId"),
        force_new=keys("vpcId trafficType logDestination logDestinationType iamRoleArn maxAggregationInterval"),
        updatable=keys("tags"),
        outputs=keys("arn"),
        computed=keys("logDestination"),
        defaults={"logDestinationType": TO_CLOUDWATCH, "maxAggregationInterval": 600},
        names={"iamRoleArn": "DeliverLogsPermissionArn", "vpcId": "ResourceId"},
        requests=("create_flow_logs",),
        validators=(
            *arns("iamRoleArn", "logDestination"),
            one_of("maxAggregationInterval", 60, 600),
            lambda news: (
                "iamRoleArn is needed to deliver to CloudWatch Logs"
                if news.get("logDestinationType", TO_CLOUDWATCH) == TO_CLOUDWATCH and news.lacks("iamRoleArn")
                else None
            ),
        ),
        create=_create_flow_log,
        read=_read_flow_log,
        delete=lambda ctx: ctx.call("delete_flow_logs", FlowLogIds=[ctx.id]),
        tagging=TAGGING,
    ),
    _rule("ingress"),
    _rule("egress"),
)
