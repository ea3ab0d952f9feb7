"""Tests what is added to RDS."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.emulator import client

pytestmark = pytest.mark.local

TOPIC = "arn:aws:sns:ap-northeast-1:000000000000:events"


def create(rds, name: str, **more: Any) -> dict[str, Any]:
    given = {"DBInstanceClass": "db.t4g.micro", "Engine": "postgres", "AllocatedStorage": 20, "MasterUsername": "u"}
    return dict(rds.create_db_instance(DBInstanceIdentifier=name, **given, **more)["DBInstance"])


def described(rds, name: str) -> dict[str, Any]:
    return dict(rds.describe_db_instances(DBInstanceIdentifier=name)["DBInstances"][0])


def test_an_instance_shows_what_it_was_created_with(rds) -> None:
    create(
        rds, "shown", MasterUserPassword="password", PreferredBackupWindow="01:00-02:00",
        DatabaseInsightsMode="advanced",
        EnablePerformanceInsights=True, PerformanceInsightsKMSKeyId="key", PerformanceInsightsRetentionPeriod=731,
        EnableCloudwatchLogsExports=["upgrade", "postgresql"], EngineLifecycleSupport="x", StorageThroughput=500,
    )  # fmt: skip
    found = described(rds, "shown")
    assert (found["PreferredBackupWindow"], found["StorageThroughput"]) == ("01:00-02:00", 500)
    assert (found["DatabaseInsightsMode"], found["EngineLifecycleSupport"]) == ("advanced", "x")
    assert (found["PerformanceInsightsKMSKeyId"], found["PerformanceInsightsRetentionPeriod"]) == ("key", 731)
    assert found["EnabledCloudwatchLogsExports"] == ["postgresql", "upgrade"]


def test_an_instance_follows_its_changes(rds) -> None:
    create(rds, "changed", MasterUserPassword="password", EnablePerformanceInsights=True)
    rds.modify_db_instance(
        DBInstanceIdentifier="changed", DBPortNumber=5433, EnablePerformanceInsights=False,
        AutoMinorVersionUpgrade=False, CloudwatchLogsExportConfiguration={"EnableLogTypes": ["a", "b"]},
    )  # fmt: skip
    rds.modify_db_instance(
        DBInstanceIdentifier="changed", CloudwatchLogsExportConfiguration={"DisableLogTypes": ["a"]}
    )
    found = described(rds, "changed")
    assert (found["Endpoint"]["Port"], found["EnabledCloudwatchLogsExports"]) == (5433, ["b"])
    assert (found["PerformanceInsightsEnabled"], found["AutoMinorVersionUpgrade"]) == (False, False)
    assert "PerformanceInsightsRetentionPeriod" not in found


def test_a_managed_password_is_in_a_secret_that_lives_with_the_instance(port: int, rds) -> None:
    vault = client("secretsmanager", port)
    made = create(rds, "managed", ManageMasterUserPassword=True)["MasterUserSecret"]
    assert made["SecretStatus"] == "active"
    assert '"username": "u"' in vault.get_secret_value(SecretId=made["SecretArn"])["SecretString"]
    rds.modify_db_instance(
        DBInstanceIdentifier="managed", ManageMasterUserPassword=True, MasterUserSecretKmsKeyId="key"
    )
    assert described(rds, "managed")["MasterUserSecret"]["KmsKeyId"] == "key"
    rds.delete_db_instance(DBInstanceIdentifier="managed", SkipFinalSnapshot=True)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        vault.describe_secret(SecretId=made["SecretArn"])


def test_a_password_becomes_managed_and_unmanaged(rds) -> None:
    create(rds, "both", MasterUserPassword="password")
    assert "MasterUserSecret" not in described(rds, "both")
    rds.modify_db_instance(DBInstanceIdentifier="both", ManageMasterUserPassword=True)
    assert described(rds, "both")["MasterUserSecret"]["SecretArn"]
    rds.modify_db_instance(DBInstanceIdentifier="both", ManageMasterUserPassword=False, MasterUserPassword="password")
    assert "MasterUserSecret" not in described(rds, "both")


def test_a_delete_without_a_final_snapshot_must_say_so(rds) -> None:
    create(rds, "final", MasterUserPassword="password")
    with pytest.raises(ClientError, match="FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot"):
        rds.delete_db_instance(DBInstanceIdentifier="final")
    rds.delete_db_instance(DBInstanceIdentifier="final", FinalDBSnapshotIdentifier="last")
    assert rds.describe_db_snapshots(DBSnapshotIdentifier="last")["DBSnapshots"]


def test_an_event_subscription_is_created_changed_and_deleted(rds) -> None:
    given = {"SourceType": "db-instance", "SourceIds": ["a"], "EventCategories": ["failure"]}
    tags = [{"Key": "Name", "Value": "events"}]
    made = rds.create_event_subscription(SubscriptionName="s", SnsTopicArn=TOPIC, Tags=tags, **given)
    arn = made["EventSubscription"]["EventSubscriptionArn"]
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == tags
    rds.modify_event_subscription(SubscriptionName="s", EventCategories=["deletion"], Enabled=False)
    rds.add_source_identifier_to_subscription(SubscriptionName="s", SourceIdentifier="b")
    rds.remove_source_identifier_from_subscription(SubscriptionName="s", SourceIdentifier="a")
    (found,) = rds.describe_event_subscriptions(SubscriptionName="s")["EventSubscriptionsList"]
    assert (found["SnsTopicArn"], found["Status"], found["Enabled"]) == (TOPIC, "active", False)
    assert (found["SourceIdsList"], found["EventCategoriesList"]) == (["b"], ["deletion"])
    with pytest.raises(ClientError, match="already exists"):
        rds.create_event_subscription(SubscriptionName="s", SnsTopicArn=TOPIC)
    rds.delete_event_subscription(SubscriptionName="s")
    with pytest.raises(rds.exceptions.SubscriptionNotFoundFault):
        rds.describe_event_subscriptions(SubscriptionName="s")
    assert rds.list_tags_for_resource(ResourceName=arn)["TagList"] == []
