"""Tests that the provider refuses in `Check`, and so in a preview, what AWS or hashicorp/aws refuses."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from tests.tools.localcloud.test_provider_and_specs import check, property_values, provider, urn
from tools.localcloud.resources import SPECS
from tools.localcloud.schema.values import UNKNOWN

TYPES = {f"{kind.split('/')[0].removeprefix('aws:')}.{kind.rpartition(':')[2]}": kind for kind in SPECS}
REFUSED: tuple[tuple[str, str, Any], ...] = (
    ("budgets.Budget", "budgetType", "MONEY"),
    ("cloudwatch.CompositeAlarm", "alarmRule", "x" * 10241),
    ("cloudwatch.CompositeAlarm", "alarmRule", ""),
    ("cloudwatch.Dashboard", "dashboardName", "a b"),
    ("cloudwatch.EventRule", "name", "x" * 65),
    ("cloudwatch.EventRule", "name", "a b"),
    ("cloudwatch.EventRule", "roleArn", "x"),
    ("cloudwatch.EventTarget", "arn", "x"),
    ("cloudwatch.EventTarget", "targetId", "a b"),
    ("cloudwatch.LogGroup", "name", "a b"),
    ("cloudwatch.LogMetricFilter", "metricTransformation", {"name": "a:b$", "namespace": "y", "value": "1"}),
    ("cloudwatch.LogMetricFilter", "pattern", "x" * 1025),
    ("cloudwatch.MetricAlarm", "alarmActions", ["x"]),
    ("cloudwatch.QueryDefinition", "logGroupNames", ["a b"]),
    ("cloudwatch.QueryDefinition", "name", "x" * 256),
    ("ec2.FlowLog", "iamRoleArn", "x"),
    ("ec2.FlowLog", "logDestination", "x"),
    ("ec2.SecurityGroup", "description", "x" * 256),
    ("ec2.Subnet", "cidrBlock", "x"),
    ("ec2.Vpc", "cidrBlock", "10.0.0.1/16"),
    ("ec2.Vpc", "instanceTenancy", "shared"),
    ("elasticache.ReplicationGroup", "description", ""),
    ("elasticache.ReplicationGroup", "engineVersion", "5.0"),
    ("elasticache.ReplicationGroup", "engineVersion", "x"),
    (
        "elasticache.ReplicationGroup",
        "logDeliveryConfigurations",
        [{"logType": "x", "logFormat": "json", "destinationType": "cloudwatch-logs", "destination": "g"}],
    ),
    ("elasticache.ReplicationGroup", "maintenanceWindow", "3am"),
    ("elasticache.ReplicationGroup", "notificationTopicArn", "x"),
    ("elasticache.ReplicationGroup", "snapshotWindow", "25:00-26:00"),
    ("elasticache.ReplicationGroup", "transitEncryptionMode", "x"),
    ("iam.Policy", "name", "a b"),
    ("iam.Role", "name", "x" * 65),
    ("iam.Role", "permissionsBoundary", "not-an-arn"),
    ("kinesis.Stream", "encryptionType", "AES"),
    ("lambda.EventSourceMapping", "batchSize", 10001),
    ("lambda.EventSourceMapping", "eventSourceArn", "x"),
    ("lambda.EventSourceMapping", "functionResponseTypes", ["x"]),
    ("lambda.EventSourceMapping", "maximumRecordAgeInSeconds", 59),
    ("lambda.EventSourceMapping", "maximumRetryAttempts", 10001),
    ("lambda.EventSourceMapping", "parallelizationFactor", 11),
    ("lambda.Function", "architectures", ["mips"]),
    ("lambda.Function", "kmsKeyArn", "x"),
    ("lambda.Function", "loggingConfig", {"logFormat": "XML"}),
    ("lambda.Function", "memorySize", 127),
    ("lambda.Function", "name", "a b"),
    ("lambda.Function", "role", "x"),
    ("lambda.Function", "runtime", "python2.6"),
    ("lambda.Function", "timeout", 901),
    ("lambda.Invocation", "input", "{"),
    ("rds.Instance", "backupWindow", "25:00-26:00"),
    ("rds.Instance", "databaseInsightsMode", "super"),
    ("rds.Instance", "engineLifecycleSupport", "x"),
    ("rds.Instance", "kmsKeyId", "x"),
    ("rds.Instance", "maintenanceWindow", "xxx:03:00-xxx:04:00"),
    ("rds.Instance", "maintenanceWindow", "03:00-04:00"),
    ("rds.Instance", "monitoringRoleArn", "x"),
    ("rds.Instance", "networkType", "IPV9"),
    ("rds.ParameterGroup", "name", "A_b"),
    ("rds.ParameterGroup", "name", "a--b"),
    ("rds.ParameterGroup", "parameters", [{"name": "x", "value": "1", "applyMethod": "later"}]),
    ("secretsmanager.Secret", "name", "x" * 513),
    ("secretsmanager.Secret", "name", "a b"),
    ("secretsmanager.SecretPolicy", "secretArn", "x"),
    ("secretsmanager.SecretRotation", "rotationRules", {"automaticallyAfterDays": 2000}),
    ("secretsmanager.SecretRotation", "rotationRules", {}),
    (
        "secretsmanager.SecretRotation",
        "rotationRules",
        {"automaticallyAfterDays": 30, "scheduleExpression": "rate(10 days)"},
    ),
    ("sns.TopicPolicy", "arn", "x"),
    ("sqs.Queue", "deduplicationScope", "x"),
    ("sqs.Queue", "delaySeconds", "901"),
    ("sqs.Queue", "maxMessageSize", "100"),
    ("sqs.Queue", "maxMessageSize", "2000000"),
)
"""Type, input and a value that hashicorp/aws 5.100 refuses."""
FURTHER: tuple[tuple[str, str, Any], ...] = (
    ("budgets.Budget", "limitAmount", "x"),
    ("budgets.Budget", "notifications", [{"notificationType": "ACTUAL"}]),
    ("cloudwatch.EventTarget", "inputTransformer", {"inputTemplate": ""}),
    ("cloudwatch.LogMetricFilter", "metricTransformation", {"name": "a", "namespace": "b"}),
    ("cloudwatch.MetricAlarm", "okActions", ["arn:aws:sns:ap-northeast-1:123456789012:t"] * 6),
    ("ec2.SecurityGroup", "name", "sg-1"),
    ("ec2.Subnet", "cidrBlock", "10.0.0.0/29"),
    ("elasticache.ReplicationGroup", "engineVersion", "7.1.0"),
    ("elasticache.ReplicationGroup", "maintenanceWindow", "sun:23:30-mon:00:00"),
    ("kinesis.ResourcePolicy", "resourceArn", "arn:aws:sqs:ap-northeast-1:123456789012:q"),
    ("kms.Alias", "name", "alias/aws/x"),
    ("kms.Key", "rotationPeriodInDays", 180),
    ("lambda.EventSourceMapping", "startingPosition", "FIRST"),
    ("lambda.Function", "environment", {"variables": {"A": "x"}}),
    ("lambda.Function", "environment", {"variables": {"AWS_REGION": "x"}}),
    ("lambda.Function", "environment", {"variables": {"LONG": "x" * 4096}}),
    ("rds.Instance", "enabledCloudwatchLogsExports", ["x"]),
    ("rds.Instance", "finalSnapshotIdentifier", "1a"),
    ("rds.SubnetGroup", "name", "default"),
    ("sns.TopicSubscription", "protocol", "fax"),
    ("sqs.Queue", "name", "a b"),
    ("vpc.SecurityGroupEgressRule", "toPort", 65536),
)
"""Type, input and a value that AWS's reference of the service excludes."""
ACCEPTED: tuple[tuple[str, str, Any], ...] = (
    ("cloudwatch.MetricAlarm", "alarmActions", ["arn:aws:automate:ap-northeast-1:ec2:stop"]),
    ("ec2.Vpc", "cidrBlock", "10.0.0.0/16"),
    ("elasticache.ReplicationGroup", "engineVersion", "5.0.6"),
    ("elasticache.ReplicationGroup", "engineVersion", "6.x"),
    ("iam.RolePolicyAttachment", "policyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    ("kinesis.Stream", "shardLevelMetrics", []),
    ("lambda.EventSourceMapping", "maximumRecordAgeInSeconds", -1),
    ("lambda.Function", "architectures", ["arm64"]),
    ("lambda.Function", "environment", {"variables": {"RULES": "{}"}}),
    ("rds.Instance", "backupWindow", "23:45-00:15"),
    ("rds.Instance", "maintenanceWindow", "Sun:23:30-mon:00:00"),
    ("rds.ParameterGroup", "name", "a.b-c1"),
    ("secretsmanager.Secret", "name", "x" * 512),
)


def reasons(kind: str, inputs: dict[str, Any], key: str) -> list[str]:
    """Return the reasons to refuse an input; that another one is missing is none."""
    found = [failure.reason for failure in check(TYPES[kind], inputs).failures]
    return [reason for reason in found if re.search(rf"\b{key}\b", reason) and not reason.startswith("one of")]


@pytest.mark.parametrize(("kind", "key", "value"), REFUSED + FURTHER)
def test_a_value_that_aws_refuses_is_refused_by_its_name(kind: str, key: str, value: Any) -> None:
    assert reasons(kind, {key: value}, key)


@pytest.mark.parametrize(("kind", "key", "value"), ACCEPTED)
def test_a_value_that_aws_takes_is_accepted(kind: str, key: str, value: Any) -> None:
    assert reasons(kind, {key: value}, key) == []


@pytest.mark.parametrize("key", ["metricName", "namespace", "period", "statistic", "dimensions"])
def test_metric_queries_exclude_a_metric_of_the_alarms_own(key: str) -> None:
    value: Any = {"period": 60, "statistic": "Sum", "dimensions": {"a": "b"}}.get(key, "x")
    queries = [{"id": "m", "metric": {"metricName": "x", "namespace": "y", "period": 60, "stat": "Sum"}}]
    found = reasons("cloudwatch.MetricAlarm", {key: value, "metricQueries": queries}, key)
    assert f"{key} and metricQueries exclude each other" in found


def test_limits_within_an_input_are_named_by_their_path() -> None:
    delivery = {"destination": "g", "destinationType": "cloudwatch-logs", "logFormat": "text"}
    given = {"logDeliveryConfigurations": [delivery | {"logType": "slow-log"}, delivery | {"logType": "fast-log"}]}
    [reason] = reasons("elasticache.ReplicationGroup", given, "logDeliveryConfigurations")
    assert reason == (
        "logDeliveryConfigurations[1].logType 'fast-log' failed to satisfy constraint: "
        "Member must satisfy enum value set: [slow-log, engine-log]"
    )


def test_a_part_that_is_not_known_yet_is_not_refused() -> None:
    assert reasons("cloudwatch.MetricAlarm", {"alarmActions": [UNKNOWN]}, "alarmActions") == []
    assert reasons("iam.Role", {"name": UNKNOWN}, "name") == []


@pytest.mark.parametrize("key", ["name", "description"])
def test_a_reason_never_shows_a_secret(key: str) -> None:
    made, context = provider()
    news = property_values.dump({key: "correct horse \N{SNOWMAN}"}, frozenset({key}))
    request = provider_pb2.CheckRequest(urn=urn(TYPES["iam.Role"]), news=news, randomSeed=b"seed")
    told = [failure.reason for failure in made.Check(request, context).failures]
    assert any(f"{key} '[secret]'" in reason for reason in told), told
    assert "horse" not in json.dumps(told)


WRONG: tuple[Any, ...] = ("lots", 7, True, ["x"], [7], [["x"]], {"a": "b"}, {"a": {"b": [1]}}, [{"a": 1}])


@pytest.mark.parametrize("kind", SPECS)
def test_a_value_of_the_wrong_type_is_refused_or_accepted_and_no_error(kind: str) -> None:
    for key in sorted(SPECS[kind].inputs):
        for value in WRONG:
            found = check(kind, {key: value})
            assert found is not None, (key, value)


@pytest.mark.parametrize(
    ("kind", "key", "value", "reason"),
    [
        ("kms.Key", "tags", "lots", "tags must be a map"),
        ("kinesis.Stream", "retentionPeriod", "many", "retentionPeriod has a value of the wrong type"),
        ("rds.Instance", "maintenanceWindow", 7, "maintenanceWindow has a value of the wrong type"),
    ],
)
def test_a_value_of_the_wrong_type_is_named(kind: str, key: str, value: Any, reason: str) -> None:
    assert reason in [failure.reason for failure in check(TYPES[kind], {key: value}).failures]
