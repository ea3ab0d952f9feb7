"""Tests what is added to EC2."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.localcloud.ministack_adapter import REGION

pytestmark = pytest.mark.local

OTHER = [{"Name": "description", "Values": ["AWS Lambda VPC ENI*"]}]


def subnet(ec2, vpc: str, number: int) -> str:
    return str(ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24")["Subnet"]["SubnetId"])


def group(ec2, vpc: str, name: str) -> str:
    return str(ec2.create_security_group(GroupName=name, Description=name, VpcId=vpc)["GroupId"])


def endpoint(ec2, vpc: str, **more: Any) -> str:
    made = ec2.create_vpc_endpoint(VpcId=vpc, ServiceName=f"com.amazonaws.{REGION}.kinesis-streams", **more)
    return str(made["VpcEndpoint"]["VpcEndpointId"])


def described(ec2, identity: str) -> dict[str, Any]:
    return dict(ec2.describe_vpc_endpoints(VpcEndpointIds=[identity])["VpcEndpoints"][0])


def test_zones_are_those_of_a_new_account(ec2) -> None:
    zones = ec2.describe_availability_zones()["AvailabilityZones"]
    assert [zone["ZoneName"] for zone in zones] == [f"{REGION}{letter}" for letter in "acd"]
    assert [zone["ZoneId"] for zone in zones] == ["apne1-az1", "apne1-az3", "apne1-az4"]


def test_an_interface_endpoint_keeps_its_policy_groups_and_private_dns(ec2, vpc: str) -> None:
    groups = [group(ec2, vpc, name) for name in ("first", "second")]
    policy = json.dumps({"Statement": []})
    made = endpoint(
        ec2, vpc, VpcEndpointType="Interface", SecurityGroupIds=groups[:1], PolicyDocument=policy,
        PrivateDnsEnabled=True,
    )  # fmt: skip
    found = described(ec2, made)
    assert (found["PolicyDocument"], found["PrivateDnsEnabled"]) == (policy, True)
    assert found["Groups"] == [{"GroupId": groups[0], "GroupName": "first"}]
    assert found["DnsEntries"][0]["DnsName"].startswith(made)
    ec2.modify_vpc_endpoint(
        VpcEndpointId=made, AddSecurityGroupIds=groups[1:], RemoveSecurityGroupIds=groups[:1], ResetPolicy=True,
        PrivateDnsEnabled=False,
    )  # fmt: skip
    found = described(ec2, made)
    assert [each["GroupId"] for each in found["Groups"]] == groups[1:]
    assert (json.loads(found["PolicyDocument"])["Statement"][0]["Effect"], found["PrivateDnsEnabled"]) == (
        "Allow", False
    )  # fmt: skip


def test_an_interface_endpoint_has_a_network_interface_in_each_subnet(ec2, vpc: str) -> None:
    first, second = subnet(ec2, vpc, 1), subnet(ec2, vpc, 2)
    made = endpoint(ec2, vpc, VpcEndpointType="Interface", SubnetIds=[first])
    ec2.modify_vpc_endpoint(VpcEndpointId=made, AddSubnetIds=[second], RemoveSubnetIds=[first])
    mine = [{"Name": "vpc-id", "Values": [vpc]}]
    (interface,) = ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"]
    assert (interface["SubnetId"], interface["Status"]) == (second, "in-use")
    assert described(ec2, made)["NetworkInterfaceIds"] == [interface["NetworkInterfaceId"]]
    assert ec2.describe_network_interfaces(Filters=mine + OTHER)["NetworkInterfaces"] == []
    ec2.delete_vpc_endpoints(VpcEndpointIds=[made])
    assert ec2.describe_network_interfaces(Filters=mine)["NetworkInterfaces"] == []


def test_a_gateway_endpoint_is_open_unless_it_has_a_policy(ec2, vpc: str) -> None:
    found = described(ec2, endpoint(ec2, vpc))
    assert json.loads(found["PolicyDocument"])["Statement"][0]["Principal"] == "*"
    assert (found["Groups"], found["PrivateDnsEnabled"]) == ([], False)


def test_a_flow_log_keeps_its_role_format_interval_and_tags(ec2, vpc: str) -> None:
    role = "arn:aws:iam::000000000000:role/flow"
    given = {"ResourceIds": [vpc], "ResourceType": "VPC", "TrafficType": "ALL", "LogGroupName": "flow"}
    tags = [{"Key": "Name", "Value": "flow"}]
    tagged = [{"ResourceType": "vpc-flow-log", "Tags": tags}]
    made = ec2.create_flow_logs(
        **given, DeliverLogsPermissionArn=role, MaxAggregationInterval=60, TagSpecifications=tagged
    )["FlowLogIds"]
    (found,) = ec2.describe_flow_logs(FlowLogIds=made)["FlowLogs"]
    assert (found["DeliverLogsPermissionArn"], found["MaxAggregationInterval"]) == (role, 60)
    assert (found["LogGroupName"], found["LogFormat"].split()[0], found["Tags"]) == ("flow", "${version}", tags)


def test_a_rule_comes_to_refer_to_another_group(ec2, vpc: str) -> None:
    made, old, new = (group(ec2, vpc, name) for name in ("referring", "old", "new"))
    wanted = {"IpProtocol": "tcp", "FromPort": 5432, "ToPort": 5432}
    pairs = [{"GroupId": old, "Description": "database"}]
    rule = ec2.authorize_security_group_ingress(GroupId=made, IpPermissions=[{**wanted, "UserIdGroupPairs": pairs}])
    identity = rule["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    change = {"SecurityGroupRuleId": identity, "SecurityGroupRule": {**wanted, "ReferencedGroupId": new}}
    ec2.modify_security_group_rules(GroupId=made, SecurityGroupRules=[change])
    (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"]
    assert found["ReferencedGroupInfo"]["GroupId"] == new


def test_a_rule_keeps_its_prefix_list(ec2, vpc: str) -> None:
    made = group(ec2, vpc, "rules")
    wanted = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    lists = [{"PrefixListId": "pl-1", "Description": "images"}]
    rule = ec2.authorize_security_group_egress(GroupId=made, IpPermissions=[{**wanted, "PrefixListIds": lists}])
    identity = rule["SecurityGroupRules"][0]["SecurityGroupRuleId"]
    change = {"SecurityGroupRuleId": identity, "SecurityGroupRule": {**wanted, "PrefixListId": "pl-2"}}
    ec2.modify_security_group_rules(GroupId=made, SecurityGroupRules=[change])
    (found,) = ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"]
    assert found["PrefixListId"] == "pl-2"
    assert "CidrIpv4" not in found
    (shown,) = ec2.describe_security_groups(GroupIds=[made])["SecurityGroups"]
    assert [each["PrefixListIds"] for each in shown["IpPermissionsEgress"][1:]] == [
        [{"PrefixListId": "pl-2", "Description": "images"}]
    ]
    ec2.revoke_security_group_egress(GroupId=made, SecurityGroupRuleIds=[identity])
    assert ec2.describe_security_group_rules(SecurityGroupRuleIds=[identity])["SecurityGroupRules"] == []
