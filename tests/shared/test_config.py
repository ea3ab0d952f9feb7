"""A bad setting is one sentence that names the key, the stack file and what is allowed."""

import re
from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from projects.data.config import DataConfig
from projects.network.config import NetworkConfig
from projects.security.config import SecurityConfig
from projects.streaming.config import StreamingConfig
from shared.config import LayerConfig
from shared.graph import deploy_order
from tools.txmon.layers import config_class

FILE = "projects/some/Pulumi.dev.yaml"

BAD: dict[str, tuple[type[LayerConfig], dict[str, Any], str]] = {
    "a misspelt key": (
        NetworkConfig,
        {"vpcCider": "10.0.0.0/16"},
        "there is no setting 'vpcCider'; did you mean 'vpcCidr'?",
    ),
    "a key that resembles none": (
        StreamingConfig,
        {"zzz": "1"},
        "there is no setting 'zzz'; there are: environmentSuffix, protect, expires, transactionsPerMinute, ",
    ),
    "a key in Python's spelling": (
        StreamingConfig,
        {"shard_count": "2"},
        "there is no setting 'shard_count'; did you mean 'shardCount'?",
    ),
    "a word for a number": (StreamingConfig, {"shardCount": "two"}, "shardCount: input should be a valid integer"),
    "a number below the range": (
        StreamingConfig,
        {"retentionHours": "23"},
        "retentionHours: input should be greater than or equal to 24, not '23'",
    ),
    "a number above the range": (
        StreamingConfig,
        {"retentionHours": "8761"},
        "retentionHours: input should be less than or equal to 8760, not '8761'",
    ),
    "no shards": (StreamingConfig, {"shardCount": "0"}, "shardCount: input should be greater than or equal to 1"),
    "fewer shards than the load needs": (
        StreamingConfig,
        {"shardCount": "1", "transactionsPerMinute": "60060"},
        "shardCount 1 is too few: 60060 transactions a minute of 1024 bytes need 2 shards",
    ),
    "a word for a switch": (StreamingConfig, {"protect": "perhaps"}, "protect: input should be a valid boolean"),
    "a metric that does not exist": (
        StreamingConfig,
        {"shardMetrics": '["Latency"]'},
        "shardMetrics.0: input should be 'IncomingBytes', 'IncomingRecords'",
    ),
    "a day that does not exist": (
        StreamingConfig,
        {"expires": "2026-13-01"},
        "expires: '2026-13-01' is no day, as 2026-12-31 is",
    ),
    "a moment in place of a day": (
        StreamingConfig,
        {"expires": "2026-12-01 08:30:00 +0000 UTC"},
        "expires: '2026-12-01 08:30:00 +0000 UTC' is no day, as 2026-12-31 is",
    ),
    "a list that is no list": (
        NetworkConfig,
        {"interfaceEndpoints": "kms"},
        "interfaceEndpoints: it must be a list, not",
    ),
    "a list that is broken": (
        NetworkConfig,
        {"interfaceEndpoints": '["kms"'},
        "interfaceEndpoints: '[\"kms\"' is broken: ",
    ),
    "an endpoint that does not exist": (
        NetworkConfig,
        {"interfaceEndpoints": '["kinesis"]'},
        "interfaceEndpoints.0: input should be 'kinesis-streams'",
    ),
    "an endpoint twice": (
        NetworkConfig,
        {"interfaceEndpoints": '["kms", "kms"]'},
        "interfaceEndpoints names a service twice",
    ),
    "a range with host bits": (
        NetworkConfig,
        {"vpcCidr": "10.0.0.1/16"},
        "vpcCidr: input is not a valid IPv4 network",
    ),
    "a public range": (
        NetworkConfig,
        {"vpcCidr": "8.8.0.0/16"},
        "vpcCidr 8.8.0.0/16 must lie in 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16",
    ),
    "a range too small for the subnets": (
        NetworkConfig,
        {"vpcCidr": "10.0.0.0/23"},
        "three subnets of /24 do not fit in vpcCidr 10.0.0.0/23: a prefix of 25 to 28 fits",
    ),
    "a range too small for any subnets": (
        NetworkConfig,
        {"vpcCidr": "10.0.0.0/27", "subnetPrefix": "28"},
        "three subnets of /28 do not fit in vpcCidr 10.0.0.0/27: widen vpcCidr",
    ),
    "two zones": (
        NetworkConfig,
        {"availabilityZones": '["ap-northeast-1a", "ap-northeast-1c"]'},
        "availabilityZones must be three different zones, not ap-northeast-1a, ap-northeast-1c",
    ),
    "a zone twice": (
        NetworkConfig,
        {"availabilityZones": '["ap-northeast-1a", "ap-northeast-1c", "ap-northeast-1a"]'},
        "availabilityZones must be three different zones",
    ),
    "four endpoint zones": (NetworkConfig, {"endpointZones": "4"}, "endpointZones: input should be less than"),
    "a suffix with capitals": (
        StreamingConfig,
        {"environmentSuffix": "Dev"},
        "environmentSuffix: 'Dev' must be lower-case letters, digits and single hyphens",
    ),
    "a suffix with a double hyphen": (
        StreamingConfig,
        {"environmentSuffix": "pr--1"},
        "environmentSuffix: 'pr--1' must be lower-case letters, digits and single hyphens",
    ),
    "a suffix that begins with a digit": (
        StreamingConfig,
        {"environmentSuffix": "1st"},
        "environmentSuffix: '1st' must be lower-case letters, digits and single hyphens, beginning with a letter",
    ),
    "a suffix that is too long": (
        StreamingConfig,
        {"environmentSuffix": "a" * 35},
        f"environmentSuffix: '{'a' * 35}' has 35 characters; the names made from it take 34",
    ),
    "a reserved user": (SecurityConfig, {"dbUsername": "postgres"}, "dbUsername: 'postgres' is reserved"),
    "a user that PostgreSQL keeps for itself": (
        SecurityConfig,
        {"dbUsername": "pg_monitor"},
        "dbUsername: 'pg_monitor' is reserved",
    ),
    "a user with a hyphen": (
        SecurityConfig,
        {"dbUsername": "tx-admin"},
        "dbUsername: 'tx-admin' must be lower-case letters, digits and underscores, a letter first, 63",
    ),
    "a user in two lines": (SecurityConfig, {"dbUsername": "txadmin\n"}, "dbUsername: 'txadmin\\n' must be lower"),
    "a waiting time that KMS refuses": (
        SecurityConfig,
        {"keyDeletionDays": "6"},
        "keyDeletionDays: input should be greater than or equal to 7",
    ),
    "a waiting time that Secrets Manager refuses": (
        SecurityConfig,
        {"secretRecoveryDays": "3"},
        "secretRecoveryDays: 3 must be 0 or 7 to 30",
    ),
    "a kind of credentials that does not exist": (
        SecurityConfig,
        {"databaseCredentials": "plain"},
        "databaseCredentials: input should be 'rds-managed' or 'generated', not 'plain'",
    ),
    "an existing secret beside RDS's": (
        SecurityConfig,
        {"dbSecretName": "mine"},
        "dbSecretName goes with databaseCredentials 'generated', not 'rds-managed'",
    ),
    "a user beside an existing secret": (
        SecurityConfig,
        {"dbSecretName": "mine", "databaseCredentials": "generated", "dbUsername": "me"},
        "dbUsername is read from the secret that dbSecretName names",
    ),
    "a version that goes back": (
        SecurityConfig,
        {"dbCredentialsVersion": "0"},
        "dbCredentialsVersion: input should be greater than or equal to 1",
    ),
    "a password, as the original took it": (
        SecurityConfig,
        {"db_password": "x"},
        "there is no setting 'db_password'; ",
    ),
    "a reader that is no role and no user": (
        SecurityConfig,
        {"secretReaders": '["admins"]'},
        "secretReaders.0: 'admins' must be role/<path/name>, user/<path/name> or *, the end of an IAM ARN of this",
    ),
    "a reader as a whole ARN": (
        SecurityConfig,
        {"secretReaders": '["role/ops", "arn:aws:iam::123456789012:role/ops"]'},
        "secretReaders.1: 'arn:aws:iam::123456789012:role/ops' must be role/<path/name>",
    ),
    "a service that may not be a consumer": (
        SecurityConfig,
        {"consumerServices": '["kinesis.amazonaws.com"]'},
        "consumerServices.0: input should be 'lambda.amazonaws.com', 'ecs-tasks.amazonaws.com'",
    ),
}


@pytest.mark.parametrize(("layer", "values", "sentence"), BAD.values(), ids=BAD)
def test_a_bad_setting_is_one_sentence(layer: type[LayerConfig], values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        layer.parse({"environmentSuffix": "dev", **values}, FILE)
    assert str(refused.value).startswith(f"{FILE}: {sentence}")
    assert "\n" not in str(refused.value)
    assert "pydantic" not in str(refused.value)


EVERY_SETTING = [
    (layer, str(field.alias)) for layer in deploy_order() for field in config_class(layer).model_fields.values()
]


@pytest.mark.parametrize(("layer", "key"), EVERY_SETTING)
def test_every_setting_refuses_what_no_setting_is(layer: str, key: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        config_class(layer).parse({"environmentSuffix": "dev", key: {"what": "ever"}}, FILE)
    assert re.fullmatch(rf"{FILE}: {key}: .*what.*ever.*", str(refused.value))


BEYOND = {
    ("network", "subnetPrefix"): "29",
    ("security", "redisCredentialsVersion"): "0",
    ("security", "producerServices"): "[]",
    ("streaming", "bytesPerTransaction"): "1048577",
    ("data", "bytesPerTransaction"): "0",
    ("data", "historyHours"): "0",
    ("data", "masterPasswordRotationDays"): "1001",
    ("data", "postgresInsights"): "basic",
    ("data", "postgresVersion"): "9.6",
    ("data", "postgresMonitoringSeconds"): "3",
    ("data", "redisSnapshotDays"): "36",
    ("data", "redisSnapshotWindow"): "15:30-15:31",
    ("data", "finalSnapshot"): "-1",
    ("data", "logRetentionDays"): "8",
    ("monitoring", "iteratorAgeSeconds"): "0",
    ("monitoring", "freeStoragePercent"): "10",
    ("monitoring", "routineSecretReaders"): '["admins"]',
    ("monitoring", "monthlyBudgetUsd"): "-1",
}
"""Values just outside of what a setting takes, of those that no other test tries."""


@pytest.mark.parametrize(("setting", "value"), BEYOND.items())
def test_a_value_out_of_range_is_refused(setting: tuple[str, str], value: str) -> None:
    layer, key = setting
    with pytest.raises(pulumi.RunError) as refused:
        config_class(layer).parse({"environmentSuffix": "dev", key: value}, FILE)
    assert str(refused.value).startswith(f"{FILE}: {key}")
    assert "\n" not in str(refused.value)


def test_all_bad_settings_are_told_at_once() -> None:
    with pytest.raises(pulumi.RunError) as refused:
        StreamingConfig.parse({"environmentSuffix": "dev", "shardCount": "x", "retentionHours": "1"}, FILE)
    assert "shardCount: " in str(refused.value)
    assert "retentionHours: " in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"dbUsername": "hunter-2"}, {"dbUsername": "postgres"}, {"dbUsername": ["hunter-2"]}]
)
def test_a_secret_setting_is_refused_without_showing_it(values: dict[str, Any]) -> None:
    with pytest.raises(pulumi.RunError, match="dbUsername: the secret value is not accepted") as refused:
        SecurityConfig.parse({"environmentSuffix": "dev", **values}, FILE, secret={"dbUsername"})
    assert "hunter" not in str(refused.value)
    assert "postgres" not in str(refused.value)


@pytest.mark.parametrize(
    ("layer", "key", "text", "value"),
    [
        (StreamingConfig, "shardCount", "3", 3),
        (StreamingConfig, "protect", "false", False),
        (StreamingConfig, "shardMetrics", "[]", []),
        (StreamingConfig, "expires", "2026-12-31 00:00:00 +0000 UTC", "2026-12-31"),
        (DataConfig, "postgresVersion", "17", 17),
    ],
)
def test_the_engines_text_and_yamls_values_mean_the_same(
    layer: type[LayerConfig], key: str, text: str, value: Any
) -> None:
    same = {"environmentSuffix": "dev"}
    assert layer.parse(same | {key: text}, FILE) == layer.parse(same | {key: value}, FILE)


def test_the_suffix_is_the_stacks_name_unless_set(run_layer: Callable[..., Any]) -> None:
    assert run_layer("network", "dev").exports["environment_suffix"] == "dev"
    other = run_layer("network", "dev", config={"environmentSuffix": "pr-7"})
    assert other.exports["environment_suffix"] == "pr-7"
    assert [vpc.name for vpc in other.all("aws:ec2/vpc:Vpc")] == ["vpc-pr-7"]


def test_the_fault_names_the_stack_file_of_the_running_layer(run_layer: Callable[..., Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"^projects/network/Pulumi\.prod\.yaml: endpointZones: "):
        run_layer("network", "prod", config={"endpointZones": 0})


@pytest.mark.parametrize("given", ["tokyo", "ap-northeast-1a", "AP-Northeast-1", "ap-northeast", ""])
def test_a_region_that_is_none_is_refused(run_layer: Callable[..., Any], given: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("network", "dev", settings={"aws:region": given})
    assert str(refused.value) == (
        f"projects/network/Pulumi.dev.yaml: aws:region: {given!r} is no region, as ap-northeast-1 is"
    )


def test_a_region_that_is_not_set_is_asked_for(run_layer: Callable[..., Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"^projects/network/Pulumi\.dev\.yaml: aws:region: it is not set; "):
        run_layer("network", "dev", settings={"aws:region": None})


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("streamng:shardCount", "nothing reads streamng:shardCount; did you mean 'txmon-streaming'?"),
        ("txmon-netwrk:vpcCidr", "nothing reads txmon-netwrk:vpcCidr; there are: txmon-streaming, aws, pulumi"),
        ("awss:region", "nothing reads awss:region; did you mean 'aws'?"),
        ("a.b:c", "nothing reads a.b:c; there are: txmon-streaming, aws, pulumi"),
        ("aws:profile", "aws:profile has no effect: layers take only aws:region from here, the rest from the"),
    ],
)
def test_a_key_that_nobody_reads_is_refused(run_layer: Callable[..., Any], key: str, sentence: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("streaming", "dev", settings={key: "1"})
    assert str(refused.value).startswith(f"projects/streaming/Pulumi.dev.yaml: {sentence}")


def test_all_keys_that_nobody_reads_are_told_at_once(run_layer: Callable[..., Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"nothing reads awss:region; .*; nothing reads streamng:x; "):
        run_layer("streaming", "dev", settings={"awss:region": "1", "streamng:x": "1"})


def test_settings_of_pulumi_and_of_installed_providers_are_let_through(run_layer: Callable[..., Any]) -> None:
    run_layer("streaming", "dev", settings={"pulumi:tags": {"team": "a"}, "policy:anything": "1"})
