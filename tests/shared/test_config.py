"""A wrong setting is reported in one sentence: the stack file, the key and what is allowed."""

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
from shared.graph import LAYERS
from tools.txmon.layers import config_class

FILE = "projects/some/Pulumi.dev.yaml"

BAD: dict[str, tuple[type[LayerConfig], dict[str, Any], str]] = {
    "a misspelt key": (
        NetworkConfig,
        {"vpcCider": "10.0.0.0/16"},
        "there is no setting 'vpcCider'; did you mean 'vpcCidr'?",
    ),
    "a key like no other": (
        StreamingConfig,
        {"zzz": "1"},
        "there is no setting 'zzz'; there are: environmentSuffix, protect, expires, transactionsPerMinute, ",
    ),
    "a key in snake case": (
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
    "a word for a boolean": (StreamingConfig, {"protect": "perhaps"}, "protect: input should be a valid boolean"),
    "a metric that does not exist": (
        StreamingConfig,
        {"shardMetrics": '["Latency"]'},
        "shardMetrics.0: input should be 'IncomingBytes', 'IncomingRecords'",
    ),
    "a date that does not exist": (
        StreamingConfig,
        {"expires": "2026-13-01"},
        "expires: '2026-13-01' is not a date (YYYY-MM-DD)",
    ),
    "a timestamp for a date": (
        StreamingConfig,
        {"expires": "2026-12-01 08:30:00 +0000 UTC"},
        "expires: '2026-12-01 08:30:00 +0000 UTC' is not a date (YYYY-MM-DD)",
    ),
    "a word for a list": (
        NetworkConfig,
        {"interfaceEndpoints": "kms"},
        "interfaceEndpoints: it must be a list, not",
    ),
    "a list that is not valid JSON": (
        NetworkConfig,
        {"interfaceEndpoints": '["kms"'},
        "interfaceEndpoints: '[\"kms\"' is not valid JSON: ",
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
        f"environmentSuffix: '{'a' * 35}' has 35 characters; at most 34 are allowed",
    ),
    "a reserved user": (SecurityConfig, {"dbUsername": "postgres"}, "dbUsername: 'postgres' is reserved"),
    "a user name that PostgreSQL reserves": (
        SecurityConfig,
        {"dbUsername": "pg_monitor"},
        "dbUsername: 'pg_monitor' is reserved",
    ),
    "a user with a hyphen": (
        SecurityConfig,
        {"dbUsername": "tx-admin"},
        "dbUsername: 'tx-admin' must be lower-case letters, digits and underscores, a letter first, 63",
    ),
    "a line break": (
        SecurityConfig,
        {"dbUsername": "txadmin\n"},
        "dbUsername: 'txadmin\\n' must be lower",
    ),
    "a waiting period that KMS refuses": (
        SecurityConfig,
        {"keyDeletionDays": "6"},
        "keyDeletionDays: input should be greater than or equal to 7",
    ),
    "a recovery window that Secrets Manager refuses": (
        SecurityConfig,
        {"secretRecoveryDays": "3"},
        "secretRecoveryDays: 3 must be 0 or 7 to 30",
    ),
    "a kind of credentials that does not exist": (
        SecurityConfig,
        {"databaseCredentials": "plain"},
        "databaseCredentials: input should be 'rds-managed' or 'generated', not 'plain'",
    ),
    "an existing secret with RDS-managed credentials": (
        SecurityConfig,
        {"dbSecretName": "mine"},
        "dbSecretName goes with databaseCredentials 'generated', not 'rds-managed'",
    ),
    "a version below 1": (
        SecurityConfig,
        {"dbCredentialsVersion": "0"},
        "dbCredentialsVersion: input should be greater than or equal to 1",
    ),
    "a password": (
        SecurityConfig,
        {"db_password": "x"},
        "there is no setting 'db_password'; ",
    ),
    "a reader that is neither a role nor a user": (
        SecurityConfig,
        {"secretReaders": '["admins"]'},
        "secretReaders.0: 'admins' must be role/<path/name>, user/<path/name> or *, the end of an IAM ARN of this",
    ),
    "a reader given as a whole ARN": (
        SecurityConfig,
        {"secretReaders": '["role/ops", "arn:aws:iam::123456789012:role/ops"]'},
        "secretReaders.1: 'arn:aws:iam::123456789012:role/ops' must be role/<path/name>",
    ),
    "a service that cannot be a consumer": (
        SecurityConfig,
        {"consumerServices": '["kinesis.amazonaws.com"]'},
        "consumerServices.0: input should be 'lambda.amazonaws.com', 'ecs-tasks.amazonaws.com'",
    ),
}


@pytest.mark.parametrize(("layer", "values", "sentence"), BAD.values(), ids=BAD)
def test_wrong_setting_is_refused_in_one_sentence(
    layer: type[LayerConfig], values: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        layer.parse({"environmentSuffix": "dev", **values}, FILE)
    assert str(refused.value).startswith(f"{FILE}: {sentence}")
    assert "\n" not in str(refused.value)
    assert "pydantic" not in str(refused.value)


EVERY_SETTING = [(layer, str(field.alias)) for layer in LAYERS for field in config_class(layer).model_fields.values()]


@pytest.mark.parametrize(("layer", "key"), EVERY_SETTING)
def test_every_setting_refuses_an_unexpected_object(layer: str, key: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        config_class(layer).parse({"environmentSuffix": "dev", key: {"what": "ever"}}, FILE)
    refusal = rf"{FILE}: (there is no setting '{key}\.what'|{key}: .*what.*ever).*"
    assert re.fullmatch(refusal, str(refused.value))


OUT_OF_RANGE = {
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
"""Values just outside the range of a setting, for settings that no other test covers."""


@pytest.mark.parametrize(("setting", "value"), OUT_OF_RANGE.items())
def test_value_out_of_range_is_refused(setting: tuple[str, str], value: str) -> None:
    layer, key = setting
    with pytest.raises(pulumi.RunError) as refused:
        config_class(layer).parse({"environmentSuffix": "dev", key: value}, FILE)
    assert str(refused.value).startswith(f"{FILE}: {key}")
    assert "\n" not in str(refused.value)


def test_all_wrong_settings_are_reported_at_once() -> None:
    with pytest.raises(pulumi.RunError) as refused:
        StreamingConfig.parse({"environmentSuffix": "dev", "shardCount": "x", "retentionHours": "1"}, FILE)
    assert "shardCount: " in str(refused.value)
    assert "retentionHours: " in str(refused.value)


@pytest.mark.parametrize(
    "values", [{"dbUsername": "hunter-2"}, {"dbUsername": "postgres"}, {"dbUsername": ["hunter-2"]}]
)
def test_wrong_secret_setting_is_refused_without_its_value(values: dict[str, Any]) -> None:
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
def test_text_from_the_engine_equals_the_value_in_yaml(
    layer: type[LayerConfig], key: str, text: str, value: Any
) -> None:
    same = {"environmentSuffix": "dev"}
    assert layer.parse(same | {key: text}, FILE) == layer.parse(same | {key: value}, FILE)


def test_suffix_defaults_to_the_stack_name(run_layer: Callable[..., Any]) -> None:
    assert run_layer("network", "dev").exports["environment_suffix"] == "dev"
    other = run_layer("network", "dev", config={"environmentSuffix": "pr-7"})
    assert other.exports["environment_suffix"] == "pr-7"
    assert [vpc.name for vpc in other.all("aws:ec2/vpc:Vpc")] == ["vpc-pr-7"]


def test_error_names_the_stack_file_of_the_running_layer(run_layer: Callable[..., Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"^projects/network/Pulumi\.prod\.yaml: endpointZones: "):
        run_layer("network", "prod", config={"endpointZones": 0})


@pytest.mark.parametrize("given", ["tokyo", "ap-northeast-1a", "AP-Northeast-1", "ap-northeast", ""])
def test_malformed_region_is_refused(run_layer: Callable[..., Any], given: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("network", "dev", settings={"aws:region": given})
    assert str(refused.value) == (
        f"projects/network/Pulumi.dev.yaml: aws:region: {given!r} is not a region, such as ap-northeast-1"
    )


def test_missing_region_is_refused(run_layer: Callable[..., Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"^projects/network/Pulumi\.dev\.yaml: aws:region: it is not set; "):
        run_layer("network", "dev", settings={"aws:region": None})


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        ("streamng:shardCount", "nothing reads streamng:shardCount; did you mean 'txmon-streaming'?"),
        ("txmon-netwrk:vpcCidr", "nothing reads txmon-netwrk:vpcCidr; there are: txmon-streaming, aws, pulumi"),
        ("awss:region", "nothing reads awss:region; did you mean 'aws'?"),
        ("a.b:c", "nothing reads a.b:c; there are: txmon-streaming, aws, pulumi"),
        ("aws:profile", "aws:profile has no effect: layers take only aws:region from a stack file, the"),
    ],
)
def test_unknown_key_is_refused(run_layer: Callable[..., Any], key: str, sentence: str) -> None:
    with pytest.raises(pulumi.RunError) as refused:
        run_layer("streaming", "dev", settings={key: "1"})
    assert str(refused.value).startswith(f"projects/streaming/Pulumi.dev.yaml: {sentence}")


def test_all_unknown_keys_are_reported_at_once(run_layer: Callable[..., Any]) -> None:
    with pytest.raises(pulumi.RunError, match=r"nothing reads awss:region; .*; nothing reads streamng:x; "):
        run_layer("streaming", "dev", settings={"awss:region": "1", "streamng:x": "1"})


def test_keys_of_pulumi_and_of_installed_providers_are_accepted(run_layer: Callable[..., Any]) -> None:
    run_layer("streaming", "dev", settings={"pulumi:tags": {"team": "a"}, "policy:anything": "1"})


def effective(given: dict[str, Any]) -> dict[str, Any]:
    return StreamingConfig.effective(given, "txmon-streaming", "pr-7", FILE)


def test_effective_settings_are_those_of_the_file_and_the_defaults() -> None:
    given = {"aws:region": "eu-west-1", "txmon-streaming:shardCount": 3, "txmon-streaming:expires": "2026-12-31"}
    settings = effective(given)
    assert settings.items() >= given.items()
    assert settings["txmon-streaming:environmentSuffix"] == "pr-7"
    assert settings["txmon-streaming:protect"] is True
    assert len(settings) == 1 + len(StreamingConfig.model_fields)


@pytest.mark.parametrize("value", [{"secure": "v1:x"}, [{"secure": "v1:x"}], {"a": [{"b": {"secure": "v1:x"}}]}])
def test_effective_settings_hide_secrets(value: Any) -> None:
    settings = effective({"txmon-streaming:shardMetrics": value, "pulumi:tags": value})
    assert settings["txmon-streaming:shardMetrics"] == settings["pulumi:tags"] == "[secret]"


@pytest.mark.parametrize("key", ["streamng:shardCount", "txmon-streaming:shardCont", "txmon-streaming:protect"])
def test_effective_settings_are_checked(key: str) -> None:
    with pytest.raises(pulumi.RunError, match=rf"^{FILE}: .*{key.rpartition(':')[2]}"):
        effective({key: "perhaps"})
