"""ElastiCache: replication groups, their subnet and parameter groups."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.localcloud.resources.rds import TAGGING, named
from tools.localcloud.schema.lifecycle import from_aws
from tools.localcloud.schema.spec import MANAGED, Setter, Spec
from tools.localcloud.schema.validators import Known, between, exclusive, identifier, length, needs, one_of

if TYPE_CHECKING:
    from tools.localcloud.provider.property_values import Props
    from tools.localcloud.schema.lifecycle import Operation

AUTH_TOKEN = (16, 128)  # characters
PORT = 6379


def _parameters(op: Operation) -> list[dict[str, str]]:
    pages = op.session.client("elasticache", op.region).get_paginator("describe_cache_parameters")
    found = [p for page in pages.paginate(CacheParameterGroupName=op.id) for p in page["Parameters"]]
    return [{"name": p["ParameterName"], "value": p["ParameterValue"]} for p in found if p.get("Source") == "user"]


def _set_parameters(op: Operation) -> None:
    wanted = {each["name"]: str(each["value"]) for each in op.want("parameters") or ()}
    dropped = [each for each in _parameters(op) if each["name"] not in wanted]
    changes = (("modify", wanted), ("reset", {each["name"]: each["value"] for each in dropped}))
    for verb, parameters in changes:
        if parameters:
            pairs = [{"ParameterName": name, "ParameterValue": value} for name, value in parameters.items()]
            op.call(f"{verb}_cache_parameter_group", CacheParameterGroupName=op.id, ParameterNameValues=pairs)


def _read_parameter_group(op: Operation) -> dict[str, Any] | None:
    group = op.first("describe_cache_parameter_groups", "CacheParameterGroups", CacheParameterGroupName=op.id)
    return group and group | {"Parameters": _parameters(op)}


# Replication groups.


def _member(cluster: str, *, sharded: bool) -> str:
    """The emulator names a member `x-0001-001`; AWS does so only in cluster mode, else `x-001`."""
    return cluster if sharded else re.sub(r"-0001-(\d{3})$", r"-\1", cluster)


def _read_group(op: Operation) -> dict[str, Any] | None:
    group = op.first("describe_replication_groups", "ReplicationGroups", ReplicationGroupId=op.id)
    if group is None:
        return None
    sharded = bool(group.get("ClusterEnabled"))
    nodes = group["NodeGroups"]
    members = [member["CacheClusterId"] for node in nodes for member in node["NodeGroupMembers"]]
    first = op.first("describe_cache_clusters", "CacheClusters", CacheClusterId=members[0]) or {}
    endpoint = {"PrimaryEndpointAddress": nodes[0].get("PrimaryEndpoint", {}).get("Address")}
    if sharded:
        endpoint = {"ConfigurationEndpointAddress": group.get("ConfigurationEndpoint", {}).get("Address")}
    return group | endpoint | {
        "AutomaticFailoverEnabled": group.get("AutomaticFailover") == "enabled",
        "MultiAZEnabled": group.get("MultiAZ") == "enabled",
        "NumCacheClusters": len(members),
        "MemberClusters": [_member(member, sharded=sharded) for member in members],
        "ReaderEndpointAddress": nodes[0].get("ReaderEndpoint", {}).get("Address"),
        "CacheSubnetGroupName": first.get("CacheSubnetGroupName"),
        "EngineVersionActual": op.state.get("engineVersion") or first.get("EngineVersion"),
        "LogDeliveryConfigurations": [_log_delivery(each) for each in group.get("LogDeliveryConfigurations") or ()],
    }  # fmt: skip


def _log_delivery(found: dict[str, Any]) -> dict[str, Any]:
    details = found["DestinationDetails"]
    target = details.get("CloudWatchLogsDetails", {}).get("LogGroup") or details.get(
        "KinesisFirehoseDetails", {}
    ).get("DeliveryStream")
    return {key: found[key] for key in ("LogType", "LogFormat", "DestinationType")} | {"Destination": target}


def _aws_log_delivery(wanted: list[Props]) -> list[dict[str, Any]]:
    kinds = {
        "cloudwatch-logs": ("CloudWatchLogsDetails", "LogGroup"),
        "kinesis-firehose": ("KinesisFirehoseDetails", "DeliveryStream"),
    }
    found = []
    for each in wanted or ():
        kind, key = kinds[each["destinationType"]]
        found.append(
            {
                "LogType": each["logType"],
                "LogFormat": each["logFormat"],
                "DestinationType": each["destinationType"],
                "DestinationDetails": {kind: {key: each["destination"]}},
            }
        )
    return found


def _create_group(op: Operation) -> str:
    token = op.hidden.get("authTokenWo") or op.want("authToken")
    op.state.setdefault("port", op.want("port") or PORT)
    return op.make("create_replication_group", "ReplicationGroup.ReplicationGroupId", AuthToken=token)


def _rotate_token(op: Operation) -> None:
    op.call(
        "modify_replication_group",
        ReplicationGroupId=op.id,
        AuthToken=op.hidden.get("authTokenWo") or op.want("authToken"),
        AuthTokenUpdateStrategy=op.want("authTokenUpdateStrategy") or "ROTATE",
        ApplyImmediately=True,
    )


def _resize(op: Operation) -> None:
    wanted, group = op.want("numCacheClusters"), _read_group(op) or {}
    verb = "increase" if wanted > group.get("NumCacheClusters", 0) else "decrease"
    op.call(f"{verb}_replica_count", ReplicationGroupId=op.id, NewReplicaCount=wanted - 1, ApplyImmediately=True)


def _downgrade(old: Any, new: Any) -> bool:
    return isinstance(old, str) and isinstance(new, str) and _numbers(new) < _numbers(old)


def _numbers(version: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", version)]


def _failover(news: Known) -> str | None:
    if news.get("multiAzEnabled") and not news.get("automaticFailoverEnabled", False):
        return "multiAzEnabled needs automaticFailoverEnabled"
    if news.get("automaticFailoverEnabled") and news.get("numCacheClusters") == 1:
        return "automaticFailoverEnabled needs numCacheClusters of at least 2"
    return None


CHANGEABLE = (
    "description! nodeType engineVersion automaticFailoverEnabled multiAzEnabled snapshotRetentionLimit "
    "snapshotWindow maintenanceWindow autoMinorVersionUpgrade parameterGroupName securityGroupIds "
    "notificationTopicArn transitEncryptionMode logDeliveryConfigurations"
)


SPECS = (
    Spec(
        kind="aws:elasticache/subnetGroup:SubnetGroup",
        client="elasticache",
        fixed="name",
        mutable="description subnetIds! tags",
        outputs="arn vpcId",
        defaults=MANAGED,
        unordered="subnetIds",
        names={"name": "CacheSubnetGroupName", "description": "CacheSubnetGroupDescription", "arn": "ARN"},
        seen={"subnetIds": "Subnets.*.SubnetIdentifier"},
        name="name",
        lower=True,
        create=lambda op: op.make("create_cache_subnet_group", "CacheSubnetGroup.CacheSubnetGroupName"),
        read=lambda op: op.first("describe_cache_subnet_groups", "CacheSubnetGroups", CacheSubnetGroupName=op.id),
        delete=lambda op: op.call("delete_cache_subnet_group", CacheSubnetGroupName=op.id),
        setters=(
            Setter(
                "description subnetIds",
                lambda op: op.modify(
                    "modify_cache_subnet_group", "description subnetIds", CacheSubnetGroupName=op.id
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:elasticache/parameterGroup:ParameterGroup",
        client="elasticache",
        fixed="name family! description",
        mutable="parameters tags",
        outputs="arn",
        defaults=MANAGED,
        names={"name": "CacheParameterGroupName", "family": "CacheParameterGroupFamily", "arn": "ARN"},
        canonical={"parameters": named},
        name="name",
        lower=True,
        create=lambda op: op.make("create_cache_parameter_group", "CacheParameterGroup.CacheParameterGroupName"),
        read=_read_parameter_group,
        delete=lambda op: op.call("delete_cache_parameter_group", CacheParameterGroupName=op.id),
        setters=(Setter("parameters", _set_parameters),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:elasticache/replicationGroup:ReplicationGroup",
        client="elasticache",
        fixed="replicationGroupId engine atRestEncryptionEnabled kmsKeyId subnetGroupName port "
        "transitEncryptionEnabled",
        mutable=f"{CHANGEABLE} numCacheClusters authToken tags",
        replaced_when={"engineVersion": _downgrade},
        local="applyImmediately authTokenUpdateStrategy authTokenWoVersion finalSnapshotIdentifier",
        write_only="authTokenWo",
        outputs="arn clusterEnabled configurationEndpointAddress engineVersionActual memberClusters "
        "primaryEndpointAddress readerEndpointAddress",
        computed="applyImmediately atRestEncryptionEnabled engineVersion maintenanceWindow nodeType numCacheClusters "
        "parameterGroupName port securityGroupIds snapshotWindow subnetGroupName transitEncryptionEnabled "
        "transitEncryptionMode authTokenUpdateStrategy",
        defaults={
            "automaticFailoverEnabled": False,
            "autoMinorVersionUpgrade": True,
            "engine": "redis",
            "multiAzEnabled": False,
        },
        unordered="securityGroupIds logDeliveryConfigurations",
        secret="authToken",  # noqa: S106 - the name of the property
        names={
            "description": "ReplicationGroupDescription",
            "arn": "ARN",
            "nodeType": "CacheNodeType",
            "multiAzEnabled": "MultiAZEnabled",
            "parameterGroupName": "CacheParameterGroupName",
            "subnetGroupName": "CacheSubnetGroupName",
            "maintenanceWindow": "PreferredMaintenanceWindow",
        },
        seen={"description": "Description"},
        codecs={
            "logDeliveryConfigurations": (_aws_log_delivery, from_aws),
        },
        follows={"memberClusters": "numCacheClusters", "engineVersionActual": "engineVersion"},
        name="replicationGroupId",
        limit=40,
        lower=True,
        checks=(
            _failover,
            identifier("replicationGroupId", 40),
            exclusive("authToken", "authTokenWo"),
            length("authToken", *AUTH_TOKEN),
            length("authTokenWo", *AUTH_TOKEN),
            lambda news: (
                "an auth token needs transitEncryptionEnabled"
                if (news.get("authToken") or news.get("authTokenWo"))
                and news.get("transitEncryptionEnabled") is False
                else None
            ),
            between("snapshotRetentionLimit", 0, 35),
            one_of("engine", "redis", "valkey"),
            needs("numCacheClusters", "nodeType"),
        ),
        lost={
            "engineVersion parameterGroupName securityGroupIds maintenanceWindow": "the emulator's "
            "members, from which AWS shows them, keep the first value",
            "kmsKeyId port notificationTopicArn autoMinorVersionUpgrade logDeliveryConfigurations": "the emulator "
            "drops them, or ignores their change",
            "authToken": "no AWS call shows it",
        },
        create=_create_group,
        read=_read_group,
        delete=lambda op: op.call(
            "delete_replication_group",
            ReplicationGroupId=op.id,
            FinalSnapshotIdentifier=op.want("finalSnapshotIdentifier"),
        ),
        setters=(
            Setter(
                CHANGEABLE,
                lambda op: op.modify(
                    "modify_replication_group", CHANGEABLE, ReplicationGroupId=op.id, ApplyImmediately=True
                ),
                create=False,
            ),
            Setter("numCacheClusters", _resize, create=False),
            Setter("authToken authTokenWoVersion", _rotate_token, create=False),
        ),
        tagging=TAGGING,
    ),
)
