"""The life of an environment, in order: previewed, deployed, used, changed, guarded, destroyed."""

import json
import re
import subprocess
from typing import Any

import pytest

from shared.contracts import CONTRACTS
from shared.graph import APPLICATION_OUTPUTS, LAYERS

pytestmark = pytest.mark.local


def unchanged(said: str) -> bool:
    return all(re.search(rf"^\[{layer} *\] succeeded in .*: no changes$", said, re.MULTILINE) for layer in LAYERS)


def test_preview_all_works_on_an_empty_environment_and_creates_nothing(clone) -> None:
    done = clone.inv("preview-all")
    assert done.code == 0, done.said
    assert f"not deployed yet: {', '.join(LAYERS)}" in done.out
    assert "breaks" not in done.said  # no rule of the policy pack
    assert not list((clone.path / ".local/state").rglob("stacks/*/local.json"))
    assert clone.client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"] == []
    assert clone.client("kinesis").list_streams()["StreamNames"] == []


def test_preview_all_works_on_a_half_deployed_environment(clone) -> None:
    assert clone.inv("up", "network").code == 0
    done = clone.inv("preview-all")
    assert done.code == 0, done.said
    assert f"not deployed yet: {', '.join(layer for layer in LAYERS if layer != 'network')}" in done.out


def test_deploy_all_deploys_every_layer_and_shows_what_an_application_needs(clone) -> None:
    done = clone.inv("deploy-all")
    assert done.code == 0, done.said
    for name in APPLICATION_OUTPUTS:
        assert re.search(rf"^{name} +(?!None)\S", done.out, re.MULTILINE), name
    assert "next: ./inv outputs" in done.out
    made = dict(re.findall(r"^(\w+) +succeeded +\S+ s +(\d+) create$", done.out, re.MULTILINE))
    held = dict(re.findall(r"^(\w+) +ok .* (\d+)$", clone.inv("status").out, re.MULTILINE))
    assert made.keys() == LAYERS.keys() - {"network"}  # which the test before has deployed
    assert made.items() <= held.items()


def test_a_second_deploy_all_changes_nothing(clone) -> None:
    done = clone.inv("deploy-all")
    assert done.code == 0, done.said
    assert unchanged(done.out), done.out


def test_status_says_ok_then_changed_since_when_a_source_changes(clone) -> None:
    assert re.search(r"^streaming +ok", clone.inv("status").out, re.MULTILINE)
    with clone.settings("streaming", retentionHours=48):
        said = clone.inv("status").out
    assert re.search(r"^streaming +changed since", said, re.MULTILINE)
    assert re.search(r"^network +ok", said, re.MULTILINE)


def test_preview_all_of_a_deployed_environment_shows_no_changes(clone) -> None:
    done = clone.inv("preview-all", "--expect-no-changes")
    assert done.code == 0, done.said
    assert unchanged(done.out), done.out
    assert "nothing was created or changed" in done.out


def test_the_stream_has_its_own_key_and_keeps_its_records_a_day(clone) -> None:
    outputs = clone.outputs()
    stream = clone.client("kinesis").describe_stream(StreamName=outputs["streaming"]["kinesis_stream_name"])
    description = stream["StreamDescription"]
    assert len(description["Shards"]) == outputs["streaming"]["kinesis_shard_count"] == 2
    assert description["RetentionPeriodHours"] == 24
    assert description["EncryptionType"] == "KMS"
    assert description["KeyId"] == outputs["security"]["stream_key_arn"]


def test_the_subnets_lie_in_the_zones_that_aws_offers(clone) -> None:
    ec2 = clone.client("ec2")
    offered = [zone["ZoneName"] for zone in ec2.describe_availability_zones()["AvailabilityZones"]]
    assert offered == [f"ap-northeast-1{letter}" for letter in "acd"]
    network = clone.outputs()["network"]
    assert network["availability_zones"] == offered
    subnets = ec2.describe_subnets(SubnetIds=network["private_subnet_ids"])["Subnets"]
    assert {subnet["AvailabilityZone"] for subnet in subnets} == set(offered)


def test_postgresql_is_private_multi_az_and_encrypted_with_the_data_key(clone) -> None:
    outputs = clone.outputs()
    [db] = clone.client("rds").describe_db_instances(DBInstanceIdentifier="txdb-local")["DBInstances"]
    assert db["StorageEncrypted"]
    assert db["KmsKeyId"] == outputs["security"]["kms_key_arn"]
    assert db["MultiAZ"]
    assert not db["PubliclyAccessible"]
    assert [group["VpcSecurityGroupId"] for group in db["VpcSecurityGroups"]] == [
        outputs["network"]["rds_security_group_id"]
    ]


def test_redis_asks_for_tls_and_a_token_and_fails_over(clone) -> None:
    [group] = clone.client("elasticache").describe_replication_groups(ReplicationGroupId="redis-local")[
        "ReplicationGroups"
    ]
    assert group["TransitEncryptionEnabled"]
    assert group["AtRestEncryptionEnabled"]
    assert group["AuthTokenEnabled"]
    assert group["AutomaticFailover"] in {"enabled", "enabling"}
    assert group["MultiAZ"] == "enabled"
    assert len(group["MemberClusters"]) == 2


def test_secrets_are_encrypted_with_their_key_and_hold_random_values(clone) -> None:
    outputs = clone.outputs()
    secrets = clone.client("secretsmanager")
    for arn in (outputs["security"]["db_secret_arn"], outputs["security"]["redis_secret_arn"]):
        assert secrets.describe_secret(SecretId=arn)["KmsKeyId"] == outputs["security"]["secrets_key_arn"]
    credentials = json.loads(secrets.get_secret_value(SecretId="rds-credentials-local")["SecretString"])
    assert credentials["username"] == "txadmin"
    assert len(credentials["password"]) >= 30


def test_no_secret_stands_in_state_logs_or_outputs(clone) -> None:
    secrets = clone.client("secretsmanager")
    values = [
        json.loads(secrets.get_secret_value(SecretId="rds-credentials-local")["SecretString"])["password"],
        secrets.get_secret_value(SecretId="redis-auth-local")["SecretString"],
    ]
    values = [part for value in values for part in (json.loads(value).values() if value[0] == "{" else [value])]
    pulumi_files = [
        path
        for folder in (".local/state", ".local/pulumi")
        for path in (clone.path / folder).rglob("*")
        if path.is_file()
    ]
    logs = list((clone.path / ".local").glob("*.log*"))
    printed = clone.inv("outputs").said + clone.inv("status").said
    assert pulumi_files
    for value in filter(None, values):
        assert value not in printed
        for path in (*pulumi_files, *logs):
            assert value not in path.read_text(errors="replace"), path


def test_the_log_groups_are_encrypted_and_kept_a_week(clone) -> None:
    outputs = clone.outputs()
    groups = {g["logGroupName"]: g for g in clone.client("logs").describe_log_groups()["logGroups"]}
    named = [
        outputs["monitoring"]["log_group_name"],
        outputs["monitoring"]["flow_log_group_name"],
        outputs["processing"]["processing_log_group_name"],
        *outputs["data"]["rds_log_group_names"],
    ]
    for name in named:
        assert groups[name]["retentionInDays"] == 7
        assert groups[name]["kmsKeyId"] == outputs["security"]["telemetry_key_arn"]


def test_every_alarm_of_the_contract_exists_and_alerts_reach_the_topic(clone) -> None:
    outputs = clone.outputs()
    pages = (
        clone.client("cloudwatch")
        .get_paginator("describe_alarms")
        .paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
    )
    alarms = {a["AlarmName"]: a for page in pages for a in page["MetricAlarms"] + page["CompositeAlarms"]}
    assert set(outputs["monitoring"]["alarm_names"]) == alarms.keys()
    targets = {action for alarm in alarms.values() for action in alarm["AlarmActions"]}
    alerts = outputs["monitoring"]["alerts_topic_arn"]
    assert targets == {alerts, alerts.replace("transaction-alerts", "transaction-alerts-fallback")}


def test_a_transaction_put_on_the_stream_is_read_back(clone) -> None:
    """What the roles may do is in test_least_privilege.py."""
    kinesis, name = clone.client("kinesis"), clone.outputs()["streaming"]["kinesis_stream_name"]
    sent = kinesis.put_record(StreamName=name, Data=b'{"amount": 1200}', PartitionKey="order-1")
    iterator = kinesis.get_shard_iterator(StreamName=name, ShardId=sent["ShardId"], ShardIteratorType="TRIM_HORIZON")[
        "ShardIterator"
    ]
    assert [record["Data"] for record in kinesis.get_records(ShardIterator=iterator)["Records"]] == [
        b'{"amount": 1200}'
    ]


def test_drift_is_seen_by_a_refresh_and_mended_by_the_next_up(clone) -> None:
    kinesis = clone.client("kinesis")
    kinesis.increase_stream_retention_period(StreamName="transaction-stream-local", RetentionPeriodHours=48)
    seen = clone.shell("pulumi refresh -s local --cwd projects/streaming --preview-only --expect-no-changes --diff")
    assert seen.code != 0
    assert "retentionPeriod" in seen.said
    clone.shell("pulumi refresh -s local --cwd projects/streaming --yes")
    assert clone.inv("up", "streaming").code == 0
    described = kinesis.describe_stream(StreamName="transaction-stream-local")["StreamDescription"]
    assert described["RetentionPeriodHours"] == 24


@pytest.mark.parametrize("layer", LAYERS)
def test_plain_pulumi_works_in_each_layer(clone, layer: str) -> None:
    done = clone.shell(
        f"cd projects/{layer}\n"
        "pulumi up -s local --yes --refresh --expect-no-changes\n"
        "pulumi stack output -s local --json"
    )
    assert done.code == 0, done.said
    assert f'"contract_version": {CONTRACTS[layer].version}' in done.out


def test_outputs_come_as_table_json_and_env(clone) -> None:
    assert "kinesis_stream_name" in clone.inv("outputs").out
    assert clone.outputs().keys() == LAYERS.keys()
    lines = dict(line.split("=", 1) for line in clone.inv("outputs", "--format", "env").out.splitlines())
    assert lines["KINESIS_STREAM_NAME"] == "transaction-stream-local"
    assert lines["REDIS_PORT"] == "6379"


def test_an_env_file_can_be_sourced_by_a_shell(clone) -> None:
    text = clone.inv("outputs", "--format", "env").out
    done = subprocess.run(
        ["sh", "-euc", f'{text}\nprintf %s "$PRIVATE_SUBNET_IDS"'], capture_output=True, text=True, check=True
    )
    assert len(json.loads(done.stdout)) == 3


def test_a_changed_setting_changes_one_layer_in_place(clone) -> None:
    with clone.settings("streaming", retentionHours=48):
        done = clone.inv("deploy-all")
        assert done.code == 0
        assert "updated aws:kinesis/stream:Stream" in done.out
        assert clone.outputs()["streaming"]["kinesis_retention_hours"] == 48
    assert clone.inv("up", "streaming").code == 0


def test_rotating_the_database_password_changes_the_secret_and_the_instance(clone) -> None:
    secrets = clone.client("secretsmanager")
    before = secrets.get_secret_value(SecretId="rds-credentials-local")["SecretString"]
    with clone.settings("security", dbCredentialsVersion=2):
        assert clone.inv("up", "security").code == 0
        done = clone.inv("up", "data")
        assert done.code == 0
        assert "updated aws:rds/instance:Instance" in done.out
        assert secrets.get_secret_value(SecretId="rds-credentials-local")["SecretString"] != before


@pytest.mark.parametrize(
    ("layer", "reader"), [("network", "monitoring, processing, data"), ("streaming", "monitoring, processing")]
)
def test_destroy_refuses_while_a_deployed_layer_reads_it(clone, layer: str, reader: str) -> None:
    done = clone.inv("destroy", layer)
    assert done.code == 1
    assert f"{layer} is still read by {reader}" in done.err
    assert clone.outputs()[layer]


def test_destroy_of_the_last_layer_works_alone(clone) -> None:
    assert clone.inv("destroy", "monitoring").code == 0
    assert "monitoring" not in clone.outputs()


def _left_behind(clone) -> dict[str, Any]:
    def client(service: str) -> Any:
        return clone.client(service)

    return {
        "vpcs": client("ec2").describe_vpcs(Filters=[{"Name": "is-default", "Values": ["false"]}])["Vpcs"],
        "streams": client("kinesis").list_streams()["StreamNames"],
        "queues": client("sqs").list_queues().get("QueueUrls", []),
        "databases": client("rds").describe_db_instances()["DBInstances"],
        "caches": client("elasticache").describe_replication_groups()["ReplicationGroups"],
        "secrets": client("secretsmanager").list_secrets()["SecretList"],
        "roles": client("iam").list_roles()["Roles"],
        "keys": [alias for alias in client("kms").list_aliases()["Aliases"] if "/aws/" not in alias["AliasName"]],
        "groups": client("logs").describe_log_groups()["logGroups"],
        "alarms": client("cloudwatch").describe_alarms()["MetricAlarms"],
        "topics": client("sns").list_topics()["Topics"],
    }


def test_destroy_all_tells_what_goes_then_leaves_nothing(clone) -> None:
    done = clone.inv("destroy-all")
    assert done.code == 0, done.said
    told = done.out[: done.out.index("pulumi destroy --yes")]
    counted = ", ".join(rf"\d+ in {layer}" for layer in LAYERS if layer != "monitoring")
    assert re.search(f"to be deleted: {counted}; with", told)
    assert re.search(r"data +aws:rds/instance:Instance rds-postgres-local +nothing", told)
    assert re.search(r"security +aws:kms/key:Key kms-key-local +recoverable for 7 days", told)
    assert {name: left for name, left in _left_behind(clone).items() if left} == {}
    assert clone.inv("outputs").code == 1
    assert "nothing is deployed" in clone.inv("destroy-all").out


def test_stopping_the_local_cloud_works_once_and_says_so_the_second_time(clone) -> None:
    assert "is stopped" in clone.inv("local-down").out
    assert "was not running" in clone.inv("local-down").out
