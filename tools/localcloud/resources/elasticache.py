"""Describes ElastiCache's replication groups, their subnet and parameter groups."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.rds_api import TAGGING, by_name, set_parameters
from tools.localcloud.schema.spec import DEFAULT_DESCRIPTION, Setter, Spec, from_aws, keys
from tools.localcloud.schema.validators import (
    Known,
    between,
    each_has,
    identifier,
    length,
    matches,
    needs,
    one_of,
    window,
)

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext
    from tools.localcloud.schema.values import Props

AUTH_TOKEN = (16, 128)  # characters
OF_MEMBERS = (
    "CacheParameterGroup", "CacheSubnetGroupName", "EngineVersion", "PreferredMaintenanceWindow", "SecurityGroups",
)  # fmt: skip
"""What AWS describes with the members of a group only."""
HOUR = 60
"""The shortest window, in minutes."""
VERSION = r"[1-5]\.\d+\.\d+|6\.x|([6-9]|[1-9]\d+)\.\d+"


def _parameters(ctx: ResourceContext) -> list[dict[str, str]]:
    pages = ctx.client("elasticache").get_paginator("describe_cache_parameters")
    found = [p for page in pages.paginate(CacheParameterGroupName=ctx.id) for p in page["Parameters"]]
    return [{"name": p["ParameterName"], "value": p["ParameterValue"]} for p in found if p.get("Source") == "user"]


def _set_parameters(ctx: ResourceContext) -> None:
    def send(verb: str, parameters: list[dict[str, str]]) -> None:
        ctx.call(f"{verb}_cache_parameter_group", CacheParameterGroupName=ctx.id, ParameterNameValues=parameters)

    set_parameters(ctx, _parameters(ctx), send)


def _read_parameter_group(ctx: ResourceContext) -> dict[str, Any] | None:
    group = ctx.first("describe_cache_parameter_groups", "CacheParameterGroups", CacheParameterGroupName=ctx.id)
    return group and group | {"Parameters": _parameters(ctx)}


# Replication groups.


def _read_group(ctx: ResourceContext) -> dict[str, Any] | None:
    group = ctx.first("describe_replication_groups", "ReplicationGroups", ReplicationGroupId=ctx.id)
    if group is None:
        return None
    sharded = bool(group.get("ClusterEnabled"))
    nodes = group["NodeGroups"]
    members = [member["CacheClusterId"] for node in nodes for member in node["NodeGroupMembers"]]
    first = ctx.first("describe_cache_clusters", "CacheClusters", CacheClusterId=members[0]) or {}
    endpoint = {"PrimaryEndpointAddress": nodes[0].get("PrimaryEndpoint", {}).get("Address")}
    if sharded:
        endpoint = {"ConfigurationEndpointAddress": group.get("ConfigurationEndpoint", {}).get("Address")}
    return group | endpoint | {
        "AutomaticFailoverEnabled": group.get("AutomaticFailover") == "enabled",
        "MultiAZEnabled": group.get("MultiAZ") == "enabled",
        "NumCacheClusters": len(members),
        "MemberClusters": members,
        "ReaderEndpointAddress": nodes[0].get("ReaderEndpoint", {}).get("Address"),
        "Port": nodes[0].get("PrimaryEndpoint", {}).get("Port"),
        **{name: first.get(name) for name in OF_MEMBERS},
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
        kind, key = kinds.get(each["destinationType"], ("", ""))
        found.append(
            {
                "LogType": each["logType"],
                "LogFormat": each["logFormat"],
                "DestinationType": each["destinationType"],
                "DestinationDetails": {kind: {key: each["destination"]}},
            }
        )
    return found


def _create_group(ctx: ResourceContext) -> str:
    token = ctx.write_only_values.get("authTokenWo")
    return ctx.create("create_replication_group", "ReplicationGroup.ReplicationGroupId", AuthToken=token)


def _rotate_token(ctx: ResourceContext) -> None:
    ctx.call(
        "modify_replication_group",
        ReplicationGroupId=ctx.id,
        AuthToken=ctx.write_only_values.get("authTokenWo"),
        AuthTokenUpdateStrategy=ctx.get("authTokenUpdateStrategy") or "ROTATE",
        ApplyImmediately=True,
    )


def _deliver_logs(ctx: ResourceContext) -> None:
    """Set the wanted deliveries, and end those of the other types."""
    wanted = _aws_log_delivery(ctx.get("logDeliveryConfigurations"))
    have = {each["LogType"] for each in (_read_group(ctx) or {}).get("LogDeliveryConfigurations", ())}
    ended = [{"LogType": each, "Enabled": False} for each in sorted(have - {each["LogType"] for each in wanted})]
    ctx.call(
        "modify_replication_group",
        ReplicationGroupId=ctx.id,
        LogDeliveryConfigurations=wanted + ended,
        ApplyImmediately=True,
    )


def _resize(ctx: ResourceContext) -> None:
    wanted, group = ctx.get("numCacheClusters"), _read_group(ctx) or {}
    verb = "increase" if wanted > group.get("NumCacheClusters", 0) else "decrease"
    ctx.call(f"{verb}_replica_count", ReplicationGroupId=ctx.id, NewReplicaCount=wanted - 1, ApplyImmediately=True)


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


CHANGEABLE = keys(
    "description nodeType engine engineVersion automaticFailoverEnabled multiAzEnabled "
    "snapshotRetentionLimit snapshotWindow maintenanceWindow autoMinorVersionUpgrade "
    "parameterGroupName securityGroupIds transitEncryptionEnabled transitEncryptionMode"
)


SPECS = (
    Spec(
        kind="aws:elasticache/subnetGroup:SubnetGroup",
        client="elasticache",
        required=keys("subnetIds"),
        force_new=keys("name"),
        updatable=keys("description subnetIds tags"),
        outputs=keys("arn vpcId"),
        defaults=DEFAULT_DESCRIPTION,
        unordered=keys("subnetIds"),
        names={"name": "CacheSubnetGroupName", "description": "CacheSubnetGroupDescription", "arn": "ARN"},
        response_path={"subnetIds": "Subnets.*.SubnetIdentifier"},
        name="name",
        name_is_lower=True,
        create=lambda ctx: ctx.create("create_cache_subnet_group", "CacheSubnetGroup.CacheSubnetGroupName"),
        read=lambda ctx: ctx.first("describe_cache_subnet_groups", "CacheSubnetGroups", CacheSubnetGroupName=ctx.id),
        delete=lambda ctx: ctx.call("delete_cache_subnet_group", CacheSubnetGroupName=ctx.id),
        setters=(
            Setter(
                keys("description subnetIds"),
                lambda ctx: ctx.modify(
                    "modify_cache_subnet_group", keys("description subnetIds"), CacheSubnetGroupName=ctx.id
                ),
                create=False,
            ),
        ),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:elasticache/parameterGroup:ParameterGroup",
        client="elasticache",
        required=keys("family"),
        force_new=keys("name family description"),
        updatable=keys("parameters tags"),
        outputs=keys("arn"),
        defaults=DEFAULT_DESCRIPTION,
        names={"name": "CacheParameterGroupName", "family": "CacheParameterGroupFamily", "arn": "ARN"},
        canonical={"parameters": by_name},
        name="name",
        name_is_lower=True,
        validators=(each_has("parameters", "name", "value"),),
        create=lambda ctx: ctx.create("create_cache_parameter_group", "CacheParameterGroup.CacheParameterGroupName"),
        read=_read_parameter_group,
        delete=lambda ctx: ctx.call("delete_cache_parameter_group", CacheParameterGroupName=ctx.id),
        setters=(Setter(keys("parameters"), _set_parameters),),
        tagging=TAGGING,
    ),
    Spec(
        kind="aws:elasticache/replicationGroup:ReplicationGroup",
        client="elasticache",
        required=keys("description"),
        force_new=keys("replicationGroupId atRestEncryptionEnabled kmsKeyId subnetGroupName port"),
        updatable=CHANGEABLE | keys("logDeliveryConfigurations numCacheClusters tags"),
        force_new_if={
            "engineVersion": _downgrade,
            "engine": lambda old, new: (old, new) == ("valkey", "redis"),
        },
        state_only=keys("applyImmediately authTokenUpdateStrategy authTokenWoVersion finalSnapshotIdentifier"),
        write_only=keys("authTokenWo"),
        outputs=keys(
            "arn clusterEnabled configurationEndpointAddress engineVersionActual memberClusters "
            "primaryEndpointAddress readerEndpointAddress"
        ),
        computed=keys(
            "applyImmediately atRestEncryptionEnabled engineVersion maintenanceWindow nodeType "
            "numCacheClusters parameterGroupName port securityGroupIds snapshotWindow subnetGroupName "
            "transitEncryptionEnabled transitEncryptionMode authTokenUpdateStrategy"
        ),
        defaults={
            "automaticFailoverEnabled": False,
            "autoMinorVersionUpgrade": True,
            "engine": "redis",
            "multiAzEnabled": False,
        },
        unordered=keys("securityGroupIds logDeliveryConfigurations"),
        answered_otherwise=keys("port"),  # the port may be taken on this machine
        names={
            "description": "ReplicationGroupDescription",
            "arn": "ARN",
            "nodeType": "CacheNodeType",
            "multiAzEnabled": "MultiAZEnabled",
            "parameterGroupName": "CacheParameterGroupName",
            "subnetGroupName": "CacheSubnetGroupName",
            "maintenanceWindow": "PreferredMaintenanceWindow",
        },
        response_path={
            "description": "Description",
            "engineVersionActual": "EngineVersion",
            "parameterGroupName": "CacheParameterGroup.CacheParameterGroupName",
            "securityGroupIds": "SecurityGroups.*.SecurityGroupId",
        },
        codecs={
            "logDeliveryConfigurations": (_aws_log_delivery, from_aws),
        },
        unknown_when_changed={"memberClusters": "numCacheClusters", "engineVersionActual": "engineVersion"},
        name="replicationGroupId",
        name_limit=40,
        name_is_lower=True,
        requests=("create_replication_group", "modify_replication_group"),
        validators=(
            _failover,
            each_has("logDeliveryConfigurations", "destination", "destinationType", "logFormat", "logType"),
            matches("description", ".+", "must not be empty"),
            matches("engineVersion", VERSION, "is not a version of Redis (7.1, 6.x, 5.0.6) or of Valkey (8.0)"),
            window("snapshotWindow", HOUR),
            window("maintenanceWindow", HOUR, weekly=True),
            identifier("replicationGroupId", 40),
            length("authTokenWo", *AUTH_TOKEN),
            lambda news: (
                "an auth token needs transitEncryptionEnabled"
                if news.get("authTokenWo") and news.get("transitEncryptionEnabled") is False
                else None
            ),
            between("snapshotRetentionLimit", 0, 35),
            one_of("engine", "redis", "valkey"),
            needs("numCacheClusters", "nodeType"),
        ),
        create=_create_group,
        read=_read_group,
        delete=lambda ctx: ctx.call(
            "delete_replication_group",
            ReplicationGroupId=ctx.id,
            FinalSnapshotIdentifier=ctx.get("finalSnapshotIdentifier"),
        ),
        setters=(
            Setter(
                CHANGEABLE,
                lambda ctx: ctx.modify(
                    "modify_replication_group", CHANGEABLE, ReplicationGroupId=ctx.id, ApplyImmediately=True
                ),
                create=False,
            ),
            Setter(keys("logDeliveryConfigurations"), _deliver_logs, create=False),
            Setter(keys("numCacheClusters"), _resize, create=False),
            Setter(keys("authTokenWoVersion"), _rotate_token, create=False),
        ),
        tagging=TAGGING,
    ),
)
