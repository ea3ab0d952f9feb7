"""Tests what is added to ElastiCache."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.emulator import client

pytestmark = pytest.mark.local

SLOW_LOG = {
    "LogType": "slow-log",
    "LogFormat": "json",
    "DestinationType": "cloudwatch-logs",
    "DestinationDetails": {"CloudWatchLogsDetails": {"LogGroup": "slow"}},
}


@pytest.fixture
def cache(port: int) -> Any:
    return client("elasticache", port)


def create(cache, name: str, **more: Any) -> None:
    cache.create_replication_group(ReplicationGroupId=name, ReplicationGroupDescription="d", **more)


def described(cache, name: str) -> dict[str, Any]:
    return dict(cache.describe_replication_groups(ReplicationGroupId=name)["ReplicationGroups"][0])


def member(cache, name: str) -> dict[str, Any]:
    found = cache.describe_cache_clusters(CacheClusterId=name, ShowCacheNodeInfo=True)
    return dict(found["CacheClusters"][0])


def test_a_group_shows_its_key_port_and_zones(cache) -> None:
    zones = ["ap-northeast-1c", "ap-northeast-1d"]
    create(cache, "shown", NumCacheClusters=2, KmsKeyId="key", Port=6380, PreferredCacheClusterAZs=zones)
    found = described(cache, "shown")
    node = found["NodeGroups"][0]
    assert (found["KmsKeyId"], node["PrimaryEndpoint"]["Port"]) == ("key", 6380)
    assert [each["PreferredAvailabilityZone"] for each in node["NodeGroupMembers"]] == zones
    assert member(cache, "shown-001")["CacheNodes"][0]["Endpoint"]["Port"] == 6380


def test_members_have_the_names_that_aws_gives_them(cache) -> None:
    create(cache, "names", NumCacheClusters=2)
    assert described(cache, "names")["MemberClusters"] == ["names-001", "names-002"]
    create(cache, "shards", NumNodeGroups=3, ReplicasPerNodeGroup=0)
    assert described(cache, "shards")["MemberClusters"] == [f"shards-000{n}-001" for n in (1, 2, 3)]


def test_members_follow_the_settings_of_their_group(cache) -> None:
    create(cache, "follow", NumCacheClusters=2, EngineVersion="7.0", SecurityGroupIds=["sg-1"])
    cache.modify_replication_group(
        ReplicationGroupId="follow", EngineVersion="7.1", SecurityGroupIds=["sg-2"], AutoMinorVersionUpgrade=False,
        PreferredMaintenanceWindow="mon:01:00-mon:02:00", CacheParameterGroupName="own", NotificationTopicArn="topic",
    )  # fmt: skip
    cache.increase_replica_count(ReplicationGroupId="follow", NewReplicaCount=2, ApplyImmediately=True)
    for name in described(cache, "follow")["MemberClusters"]:
        found = member(cache, name)
        assert (found["EngineVersion"], found["SecurityGroups"][0]["SecurityGroupId"]) == ("7.1", "sg-2")
        assert found["PreferredMaintenanceWindow"] == "mon:01:00-mon:02:00"
        assert found["CacheParameterGroup"]["CacheParameterGroupName"] == "own"
        assert (found["NotificationConfiguration"]["TopicArn"], found["AutoMinorVersionUpgrade"]) == ("topic", False)
    assert described(cache, "follow")["AutoMinorVersionUpgrade"] is False


def test_members_come_and_go_with_the_number_of_replicas(cache) -> None:
    create(cache, "count", NumCacheClusters=2)
    for count in (2, 1):
        verb = cache.increase_replica_count if count == 2 else cache.decrease_replica_count
        verb(ReplicationGroupId="count", NewReplicaCount=count, ApplyImmediately=True)
        members = described(cache, "count")["MemberClusters"]
        assert members == [f"count-00{number + 1}" for number in range(count + 1)]
        every = cache.describe_cache_clusters()["CacheClusters"]
        assert [c["CacheClusterId"] for c in every if c.get("ReplicationGroupId") == "count"] == members


def test_log_delivery_begins_and_ends(cache) -> None:
    create(cache, "logs", LogDeliveryConfigurations=[SLOW_LOG])
    engine = {**SLOW_LOG, "LogType": "engine-log"}
    change = [{"LogType": "slow-log", "Enabled": False}, engine]
    cache.modify_replication_group(ReplicationGroupId="logs", LogDeliveryConfigurations=change)
    for found in (described(cache, "logs"), member(cache, "logs-001")):
        (each,) = found["LogDeliveryConfigurations"]
        assert (each["LogType"], each["Status"]) == ("engine-log", "active")
        assert each["DestinationDetails"] == SLOW_LOG["DestinationDetails"]


def test_a_final_snapshot_is_made(cache) -> None:
    create(cache, "final")
    cache.delete_replication_group(ReplicationGroupId="final", FinalSnapshotIdentifier="last")
    assert cache.describe_snapshots(SnapshotName="last")["Snapshots"]


def test_the_parameters_that_a_user_changed_are_listed_alone(cache) -> None:
    cache.create_cache_parameter_group(
        CacheParameterGroupName="changed", CacheParameterGroupFamily="redis7", Description="d"
    )
    change = [{"ParameterName": "maxmemory-policy", "ParameterValue": "allkeys-lru"}]
    cache.modify_cache_parameter_group(CacheParameterGroupName="changed", ParameterNameValues=change)
    found = cache.describe_cache_parameters(CacheParameterGroupName="changed", Source="user")["Parameters"]
    assert [each["ParameterName"] for each in found] == ["maxmemory-policy"]
    assert len(cache.describe_cache_parameters(CacheParameterGroupName="changed")["Parameters"]) > 1
