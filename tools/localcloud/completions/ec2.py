"""Completes EC2: zones, VPC endpoints, flow logs, filters of network interfaces, and rules for a prefix list."""

from __future__ import annotations

import json
import uuid
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions.call import Completion, Refused
from tools.localcloud.completions.wires import WholeForm

if TYPE_CHECKING:
    from tools.localcloud.completions.call import Call

ADDED: Final = "Completed"
"""In a record of MiniStack: what its answers lack, as AWS names it."""
OPEN: Final = {"Statement": [{"Action": "*", "Effect": "Allow", "Principal": "*", "Resource": "*"}]}
"""The policy of an endpoint that gets none.
https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html#default-endpoint-policy"""
FORMAT: Final = (
    "${version} ${account-id} ${interface-id} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${packets} "
    "${bytes} ${start} ${end} ${action} ${log-status}"
)
"""The default format of a flow log. https://docs.aws.amazon.com/vpc/latest/userguide/flow-log-records.html"""
INTERVAL: Final = 600  # seconds: the default of MaxAggregationInterval
ZONES: Final = {"a": "a", "b": "c", "c": "d"}
"""The letter of a zone in MiniStack -> that which a new account has in ap-northeast-1, which has no zone b."""
FILTERS: Final = {
    "attachment.instance-owner-id": "Attachment.InstanceOwnerId",
    "attachment.instance-id": "Attachment.InstanceId",
    "attachment.attachment-id": "Attachment.AttachmentId",
    "availability-zone": "AvailabilityZone",
    "description": "Description",
    "group-id": "Groups.GroupId",
    "interface-type": "InterfaceType",
    "network-interface-id": "NetworkInterfaceId",
    "requester-id": "RequesterId",
    "status": "Status",
    "subnet-id": "SubnetId",
    "vpc-id": "VpcId",
}
"""Filter of DescribeNetworkInterfaces -> the path of the value that it compares."""


async def _describe_zones(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    for zone in answer["AvailabilityZones"]:
        name, number = zone["ZoneName"], zone["ZoneId"]
        letter = ZONES[name[-1]]
        zone |= {"ZoneName": name[:-1] + letter, "ZoneId": number[:-1] + str("abcd".index(letter) + 1)}
    return answer


# VPC endpoints.


def _interface(endpoint: dict[str, Any]) -> bool:
    return bool(endpoint["VpcEndpointType"] == "Interface")


def _groups(call: Call, identities: list[str]) -> list[dict[str, str]]:
    known = call.store("_security_groups")
    return [{"GroupId": each, "GroupName": known.get(each, {}).get("GroupName", each)} for each in identities]


async def _attach(call: Call, endpoint: dict[str, Any]) -> None:
    """Give an interface endpoint a network interface in each of its subnets, and no other."""
    interfaces, added = call.store("_network_interfaces"), endpoint[ADDED]
    have = {interfaces[each]["SubnetId"]: each for each in added["NetworkInterfaceIds"] if each in interfaces}
    for subnet in sorted(set(endpoint["SubnetIds"]) - have.keys()):
        create = WholeForm("ec2", "CreateNetworkInterface")
        made = await call.ask("ec2", create, SubnetId=subnet)
        have[subnet] = made["NetworkInterface"]["NetworkInterfaceId"]
    for subnet in have.keys() - set(endpoint["SubnetIds"]):
        del interfaces[have.pop(subnet)]
    for each in have.values():
        interfaces[each] |= {
            "Description": f"VPC Endpoint Interface {endpoint['VpcEndpointId']}",
            "InterfaceType": "vpc_endpoint",
            "Status": "in-use",
            "Groups": added["Groups"],
        }
    added["NetworkInterfaceIds"] = sorted(have.values())


async def _create_endpoint(call: Call) -> dict[str, Any]:
    given = call.request
    answer = await call.proceed()
    endpoint = call.store("_vpc_endpoints")[answer["VpcEndpoint"]["VpcEndpointId"]]
    endpoint[ADDED] = {
        "PolicyDocument": given.get("PolicyDocument") or json.dumps(OPEN),
        "PrivateDnsEnabled": _interface(endpoint) and given.get("PrivateDnsEnabled", True),
        "RequesterManaged": False,
        "Groups": [],
        "NetworkInterfaceIds": [],
        "DnsEntries": [],
    }
    if _interface(endpoint):
        service = endpoint["ServiceName"].rpartition(".")[2]
        region = endpoint["ServiceName"].split(".")[2]
        name = f"{endpoint['VpcEndpointId']}-{uuid.uuid4().hex[:8]}.{service}.{region}.vpce.amazonaws.com"
        family = given.get("IpAddressType", "ipv4")
        endpoint[ADDED] |= {
            "DnsEntries": [{"DnsName": name}],
            "DnsOptions": {"DnsRecordIpType": "ipv4", **given.get("DnsOptions", {})},
            "IpAddressType": family,
            "Groups": _groups(call, given.get("SecurityGroupIds") or [_default_group(call, endpoint["VpcId"])]),
        }
        await _attach(call, endpoint)
    return {"VpcEndpoint": answer["VpcEndpoint"] | endpoint[ADDED]}


def _default_group(call: Call, vpc: str) -> str:
    groups = call.store("_security_groups").values()
    return next(str(each["GroupId"]) for each in groups if each["VpcId"] == vpc and each["GroupName"] == "default")


async def _modify_endpoint(call: Call) -> dict[str, Any]:
    given = call.request
    answer = await call.proceed()
    endpoint = call.store("_vpc_endpoints")[given["VpcEndpointId"]]
    added = endpoint[ADDED]
    added |= {name: given[name] for name in ("PolicyDocument", "PrivateDnsEnabled", "IpAddressType") if name in given}
    if given.get("ResetPolicy"):
        added["PolicyDocument"] = json.dumps(OPEN)
    added.setdefault("DnsOptions", {}).update(given.get("DnsOptions", {}))
    removed = given.get("RemoveSecurityGroupIds", ())
    kept = [each["GroupId"] for each in added["Groups"] if each["GroupId"] not in removed]
    added["Groups"] = _groups(call, list(dict.fromkeys([*kept, *given.get("AddSecurityGroupIds", ())])))
    if _interface(endpoint):
        await _attach(call, endpoint)
    return answer


async def _describe_endpoints(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    endpoints = call.store("_vpc_endpoints")
    for shown in answer["VpcEndpoints"]:
        shown.update(endpoints[shown["VpcEndpointId"]].get(ADDED, {}))
    return answer


async def _delete_endpoints(call: Call) -> dict[str, Any]:
    endpoints, interfaces = call.store("_vpc_endpoints"), call.store("_network_interfaces")
    for identity in call.request["VpcEndpointIds"]:
        for each in endpoints.get(identity, {}).get(ADDED, {}).get("NetworkInterfaceIds", ()):
            interfaces.pop(each, None)
    return await call.proceed()


async def _describe_interfaces(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    filters = call.request.get("Filters", ())
    for each in filters:
        if each["Name"] not in FILTERS:
            raise Refused("InvalidParameterValue", f"The filter '{each['Name']}' is invalid")
    found = answer["NetworkInterfaces"]
    answer["NetworkInterfaces"] = [each for each in found if all(_matches(each, wanted) for wanted in filters)]
    return answer


def _matches(interface: dict[str, Any], wanted: dict[str, Any]) -> bool:
    values: list[Any] = [interface]
    for key in FILTERS[wanted["Name"]].split("."):
        values = [each.get(key) or {} for each in values]
        values = [item for each in values for item in (each if isinstance(each, list) else [each])]
    return any(fnmatchcase(str(value), pattern) for value in values if value for pattern in wanted["Values"])


# Flow logs.


async def _create_flow_logs(call: Call) -> dict[str, Any]:
    given = call.request
    answer = await call.proceed()
    names = ("DeliverLogsPermissionArn", "DeliverCrossAccountRole", "DestinationOptions", "LogGroupName")
    for identity in answer["FlowLogIds"]:
        call.store("_tags")[identity] = [tag for each in given.get("TagSpecifications", ()) for tag in each["Tags"]]
        call.store("_flow_logs")[identity][ADDED] = {
            "DeliverLogsStatus": "SUCCESS",
            "LogFormat": given.get("LogFormat", FORMAT),
            "MaxAggregationInterval": given.get("MaxAggregationInterval", INTERVAL),
            **{name: given[name] for name in names if name in given},
        }
    return answer


async def _describe_flow_logs(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    for shown in answer["FlowLogs"]:
        shown.update(call.store("_flow_logs")[shown["FlowLogId"]].get(ADDED, {}))
    return answer


# Rules for a prefix list.


async def _authorize(call: Call) -> dict[str, Any]:
    """Let MiniStack keep a rule's prefix list in place of an address range, which it does not check."""
    permissions = call.request.get("IpPermissions", [])
    for permission in permissions:
        ranges = permission.setdefault("IpRanges", [])
        for each in permission.pop("PrefixListIds", ()):
            ranges.append({"CidrIp": each.pop("PrefixListId"), **each})
    return _with_prefix_lists(await call.proceed())


async def _describe_rules(call: Call) -> dict[str, Any]:
    return _with_prefix_lists(await call.proceed())


def _with_prefix_lists(answer: dict[str, Any]) -> dict[str, Any]:
    for rule in answer.get("SecurityGroupRules", ()):
        if str(rule.get("CidrIpv4")).startswith("pl-"):
            rule["PrefixListId"] = rule.pop("CidrIpv4")
    return answer


async def _modify_rules(call: Call) -> dict[str, Any]:
    """Let a rule refer to another group, which MiniStack looks for under a name that AWS does not have."""
    groups = {}
    for each in call.request["SecurityGroupRules"]:
        rule = each["SecurityGroupRule"]
        if "PrefixListId" in rule:
            rule["CidrIpv4"] = rule.pop("PrefixListId")
        groups[each["SecurityGroupRuleId"]] = rule.get("ReferencedGroupId")
    answer = await call.proceed()
    owner = call.store("_security_groups")[call.request["GroupId"]]
    for rule in [*owner["IpPermissions"], *owner["IpPermissionsEgress"]]:
        group = groups.get(rule.get("SecurityGroupRuleId"))
        for pair in rule.get("UserIdGroupPairs", ()) if group else ():
            pair["GroupId"] = group
    return answer


async def _describe_groups(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    for group in answer["SecurityGroups"]:
        for permission in (*group.get("IpPermissions", ()), *group.get("IpPermissionsEgress", ())):
            ranges = permission.get("IpRanges", [])
            lists = [each for each in ranges if each["CidrIp"].startswith("pl-")]
            permission["IpRanges"] = [each for each in ranges if each not in lists]
            permission["PrefixListIds"] = [{"PrefixListId": each.pop("CidrIp"), **each} for each in lists]
    return answer


COMPLETIONS: Final = (
    Completion("ec2", "the zones of a new account", {"DescribeAvailabilityZones": _describe_zones}),
    Completion(
        "ec2", "policies, security groups, private DNS and network interfaces of VPC endpoints",
        {
            "CreateVpcEndpoint": _create_endpoint,
            "ModifyVpcEndpoint": _modify_endpoint,
            "DescribeVpcEndpoints": _describe_endpoints,
            "DeleteVpcEndpoints": _delete_endpoints,
        },
    ),
    Completion("ec2", "filters of network interfaces", {"DescribeNetworkInterfaces": _describe_interfaces}),
    Completion(
        "ec2", "roles, formats, intervals and first tags of flow logs",
        {"CreateFlowLogs": _create_flow_logs, "DescribeFlowLogs": _describe_flow_logs},
    ),
    Completion(
        "ec2", "prefix lists in the rules of security groups",
        {
            "AuthorizeSecurityGroupIngress": _authorize,
            "AuthorizeSecurityGroupEgress": _authorize,
            "RevokeSecurityGroupIngress": _authorize,
            "RevokeSecurityGroupEgress": _authorize,
            "ModifySecurityGroupRules": _modify_rules,
            "DescribeSecurityGroupRules": _describe_rules,
            "DescribeSecurityGroups": _describe_groups,
        },
    ),
)  # fmt: skip
