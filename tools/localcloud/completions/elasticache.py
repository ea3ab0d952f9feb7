"""Completes ElastiCache: the servers of replication groups, what MiniStack drops of them, and their members."""

from __future__ import annotations

import copy
from itertools import cycle
from typing import TYPE_CHECKING, Any, Final

from tools.localcloud.completions import servers
from tools.localcloud.completions.call import Completion, Refused
from tools.localcloud.completions.wires import WholeForm

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tools.localcloud.completions.call import Call

PORT: Final = 6379
SHARED: Final = (
    "AutoMinorVersionUpgrade",
    "CacheNodeType",
    "CacheSubnetGroupName",
    "Engine",
    "EngineVersion",
    "LogDeliveryConfigurations",
    "NotificationConfiguration",
    "PreferredMaintenanceWindow",
    "SecurityGroups",
    "SnapshotRetentionLimit",
    "SnapshotWindow",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
)
"""What each member has of its group."""
GIVEN: Final = (
    "AutoMinorVersionUpgrade",
    "Engine",
    "KmsKeyId",
    "PreferredMaintenanceWindow",
    "TransitEncryptionEnabled",
    "TransitEncryptionMode",
)
"""Arguments that MiniStack drops or ignores in a change."""

HIDDEN: Final = ("AutoMinorVersionUpgrade", "NotificationConfiguration")
"""What MiniStack keeps of a member and does not show."""


def _keep(call: Call, group: dict[str, Any]) -> None:
    """Keep in a group's record what MiniStack drops of a request."""
    given = call.request
    group |= {name: given[name] for name in GIVEN if name in given}
    if "SecurityGroupIds" in given:
        group["SecurityGroups"] = [{"SecurityGroupId": g, "Status": "active"} for g in given["SecurityGroupIds"]]
    if "NotificationTopicArn" in given:
        group["NotificationConfiguration"] = {"TopicArn": given["NotificationTopicArn"], "TopicStatus": "active"}
    if "NotificationTopicStatus" in given and group.get("NotificationConfiguration"):
        group["NotificationConfiguration"]["TopicStatus"] = given["NotificationTopicStatus"]
    by_type = {each["LogType"]: each for each in group.get("LogDeliveryConfigurations", ())}
    for each in given.get("LogDeliveryConfigurations", ()):
        if each.get("Enabled") is False:
            by_type.pop(each["LogType"], None)
        else:
            by_type[each["LogType"]] = {k: v for k, v in each.items() if k != "Enabled"} | {"Status": "active"}
    group["LogDeliveryConfigurations"] = list(by_type.values())


def _zones(call: Call, group: dict[str, Any]) -> Iterator[str]:
    """Return the zones of a group's members in turn: those of the request, else of the subnets."""
    subnets = call.store("_subnet_groups").get(group["CacheSubnetGroupName"], {}).get("Subnets", ())
    known = sorted({each["SubnetAvailabilityZone"]["Name"] for each in subnets})
    wanted = call.request.get("PreferredCacheClusterAZs") or known
    return cycle(wanted or [group["ARN"].split(":")[3] + "a"])


def _settle(call: Call, group: dict[str, Any]) -> None:
    """Give a group its members, with AWS's names, `x-001`, and the group's settings.

    In cluster mode AWS has MiniStack's names, `x-0001-001`.
    """
    clusters, tags, identity = call.store("_clusters"), call.store("_tags"), group["ReplicationGroupId"]
    own = {name: each for name, each in clusters.items() if each.get("ReplicationGroupId") == identity}
    pattern, zones = next(iter(own.values())), _zones(call, group)
    group["MemberClusters"] = []
    for node in group["NodeGroups"]:
        for number, member in enumerate(node["NodeGroupMembers"], 1):
            name = member["CacheClusterId"] if group["ClusterEnabled"] else f"{identity}-{number:03d}"
            zone = next(zones)
            cluster = own[name] if name in own else copy.deepcopy(pattern) | {"PreferredAvailabilityZone": zone}
            arn = pattern["CacheClusterArn"].rpartition(":")[0] + f":{name}"
            clusters[name] = {
                **cluster,
                "CacheClusterId": name,
                "CacheClusterArn": arn,
                "CacheParameterGroup": {
                    "CacheParameterGroupName": group["CacheParameterGroupName"],
                    "ParameterApplyStatus": "in-sync",
                },
                **{key: group[key] for key in SHARED if key in group},
            }
            tags.setdefault(arn, copy.deepcopy(tags.get(group["ARN"], [])))
            member |= {"CacheClusterId": name, "PreferredAvailabilityZone": cluster["PreferredAvailabilityZone"]}
            group["MemberClusters"].append(name)
    for name in own.keys() - set(group["MemberClusters"]):
        del clusters[name]
        tags.pop(own[name]["CacheClusterArn"], None)


def _listen(group: dict[str, Any], record: dict[str, Any]) -> None:
    """Show where a group's server is; without a server, the group's port in place of MiniStack's, which all share."""
    for node in group["NodeGroups"]:
        members = [each["ReadEndpoint"] for each in node["NodeGroupMembers"]]
        for endpoint in (node["PrimaryEndpoint"], node["ReaderEndpoint"], *members):
            endpoint.update(_door(record))
    if group.get("ConfigurationEndpoint"):
        group["ConfigurationEndpoint"] |= _door(record)


def _door(record: dict[str, Any]) -> dict[str, Any]:
    return dict(record.get(servers.ENDPOINT) or {"Port": record.get("Port", PORT)})


async def _create(call: Call) -> dict[str, Any]:
    await call.proceed()
    identity = call.request["ReplicationGroupId"]
    group = call.store("_replication_groups")[identity]
    group["Port"] = call.request.get("Port", PORT)
    try:
        await servers.change(lambda: servers.create_group(group))
    except Refused:
        await call.ask("elasticache", WholeForm("elasticache", "DeleteReplicationGroup"), ReplicationGroupId=identity)
        raise
    return await _settled(call, group)


def _require_settable(group: dict[str, Any], token: str) -> None:
    """Refuse SET unless a ROTATE preceded it, with the same token.

    Source: ElastiCache User Guide, "Setting the AUTH token".
    """
    tokens = group.get("_auth_tokens") or [None]
    if tokens[-1] != token or (len(tokens) == 1 and not group.get("_auth_optional")):
        why = "The SET strategy needs two AUTH tokens, of which it takes the one that was rotated last."
        raise Refused("InvalidParameterValue", why)


async def _modify(call: Call) -> dict[str, Any]:
    given = call.request
    found = call.store("_replication_groups").get(given["ReplicationGroupId"])
    if found and given.get("AuthTokenUpdateStrategy") == "SET":
        _require_settable(found, given.get("AuthToken", ""))
    await call.proceed()
    group = call.store("_replication_groups")[call.request["ReplicationGroupId"]]
    if {"AuthToken", "AuthTokenUpdateStrategy"} & given.keys():
        await servers.change(lambda: servers.set_tokens(group))
    return await _settled(call, group)


async def _settled(call: Call, group: dict[str, Any]) -> dict[str, Any]:
    _keep(call, group)
    _settle(call, group)
    describe = WholeForm("elasticache", "DescribeReplicationGroups")
    found = await call.ask("elasticache", describe, ReplicationGroupId=group["ReplicationGroupId"])
    return {"ReplicationGroup": _shown(call, found["ReplicationGroups"][0])}


def _shown(call: Call, group: dict[str, Any]) -> dict[str, Any]:
    """Return a group as AWS describes it."""
    record = call.store("_replication_groups")[group["ReplicationGroupId"]]
    _listen(group, record)
    return group | ({"KmsKeyId": record["KmsKeyId"]} if "KmsKeyId" in record else {})


async def _describe_groups(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    return answer | {"ReplicationGroups": [_shown(call, each) for each in answer["ReplicationGroups"]]}


async def _describe_clusters(call: Call) -> dict[str, Any]:
    answer = await call.proceed()
    groups = call.store("_replication_groups")
    for shown in answer["CacheClusters"]:
        record = call.store("_clusters")[shown["CacheClusterId"]]
        shown.update({name: record[name] for name in HIDDEN if name in record})
        group = groups.get(shown.get("ReplicationGroupId"))
        for node in shown.get("CacheNodes", ()) if group else ():
            node["Endpoint"] |= _door(group)
    return answer


async def _describe_parameters(call: Call) -> dict[str, Any]:
    """Return the parameters of the source that is asked for: those that a user changed, for `user`."""
    answer = await call.proceed()
    wanted = call.request.get("Source")
    return answer | {"Parameters": [each for each in answer["Parameters"] if wanted in (None, each["Source"])]}


async def _delete_group(call: Call) -> dict[str, Any]:
    """Make the final snapshot first, as AWS does."""
    name = call.request.get("FinalSnapshotIdentifier")
    if name:
        create = WholeForm("elasticache", "CreateSnapshot")
        identity = call.request["ReplicationGroupId"]
        await call.ask("elasticache", create, SnapshotName=name, ReplicationGroupId=identity)
    group = call.store("_replication_groups").get(call.request["ReplicationGroupId"], {})
    answer = await call.proceed()
    await servers.change(lambda: servers.delete(group))
    return answer


async def _reboot(call: Call) -> dict[str, Any]:
    """Start the server of a member's group anew."""
    answer = await call.proceed()
    member = call.store("_clusters")[call.request["CacheClusterId"]]
    group = call.store("_replication_groups").get(member.get("ReplicationGroupId"), {})
    await servers.change(lambda: servers.start_group(group))
    return answer


COMPLETIONS: Final = (
    Completion(
        "elasticache",
        "a server for each replication group, over TLS, with one memory for all its nodes, and keys, topics, log "
        "delivery, final snapshots and members' settings",
        {
            "CreateReplicationGroup": _create,
            "ModifyReplicationGroup": _modify,
            "IncreaseReplicaCount": _modify,
            "DecreaseReplicaCount": _modify,
            "DescribeReplicationGroups": _describe_groups,
            "DescribeCacheClusters": _describe_clusters,
            "DeleteReplicationGroup": _delete_group,
            "RebootCacheCluster": _reboot,
        },
    ),
    Completion(
        "elasticache", "the filter of parameters by their source", {"DescribeCacheParameters": _describe_parameters}
    ),
)
