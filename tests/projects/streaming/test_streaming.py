"""The streaming layer's program with its committed stack files, under mocks."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projects.streaming.capacity import SHARD_BYTES, SHARD_RECORDS, shards_needed
from shared.contracts import SecurityContract

STREAM = "aws:kinesis/stream:Stream"
QUEUE = "aws:sqs/queue:Queue"
GRANT = "aws:iam/rolePolicy:RolePolicy"

SECURITY = SecurityContract.example()


def stream_arn(env: str) -> str:
    return f"arn:aws:kinesis:ap-northeast-1:123456789012:stream/kinesis-stream-{env}"


def queue_arn(env: str) -> str:
    return f"arn:aws:test:ap-northeast-1:123456789012:dead-letter-queue-{env}"


def test_the_stream_has_two_shards_and_its_own_key(run_layer, env: str) -> None:
    stream = run_layer("streaming", env).one(STREAM, f"kinesis-stream-{env}")
    assert stream["name"] == f"transaction-stream-{env}"
    assert stream["shardCount"] == 2
    assert stream["streamModeDetails"] == {"streamMode": "PROVISIONED"}
    assert stream["encryptionType"] == "KMS"
    assert stream["kmsKeyId"] == SECURITY["stream_key_arn"]


SHARD_METRICS = {
    "IteratorAgeMilliseconds",
    "ReadProvisionedThroughputExceeded",
    "WriteProvisionedThroughputExceeded",
}


@pytest.mark.parametrize(
    ("env", "hours", "metrics", "deletes_consumers"),
    [("local", 24, set(), True), ("dev", 24, set(), True), ("prod", 168, SHARD_METRICS, False)],
)
def test_the_stream_matches_the_profile(
    run_layer, env: str, hours: int, metrics: set[str], *, deletes_consumers: bool
) -> None:
    run = run_layer("streaming", env)
    stream = run.one(STREAM)
    assert stream["retentionPeriod"] == hours
    assert set(stream["shardLevelMetrics"]) == metrics
    assert stream["enforceConsumerDeletion"] is deletes_consumers
    assert run.exports["kinesis_retention_hours"] == hours


def test_the_stream_requires_tls_for_every_granted_action(run_layer, statements, env: str) -> None:
    run = run_layer("streaming", env)
    policy = run.one("aws:kinesis/resourcePolicy:ResourcePolicy")
    assert policy["resourceArn"] == stream_arn(env)
    denial = statements(policy["policy"])["DenyWithoutTls"]
    assert (denial["Effect"], denial["Principal"]) == ("Deny", "*")
    assert denial["Condition"] == {"Bool": {"aws:SecureTransport": "false"}}
    assert denial["Resource"] == [stream_arn(env)]
    granted = {
        action
        for grant in run.all(GRANT)
        for statement in statements(grant.inputs["policy"]).values()
        if statement["Resource"] == [stream_arn(env)]
        for action in statement["Action"]
    }
    assert granted == set(denial["Action"]) > {"kinesis:PutRecord", "kinesis:GetRecords"}


def test_the_queue_is_encrypted_tls_only_and_keeps_two_weeks(run_layer, statements, env: str) -> None:
    run = run_layer("streaming", env)
    queue = run.one(QUEUE, f"dead-letter-queue-{env}")
    assert queue["name"] == f"transaction-dead-letters-{env}"
    assert queue["messageRetentionSeconds"] == 14 * 86400
    assert queue["kmsMasterKeyId"] == SECURITY["telemetry_key_arn"]
    policy = run.one("aws:sqs/queuePolicy:QueuePolicy")
    assert policy["queueUrl"] == run.exports["dead_letter_queue_url"]
    assert statements(policy["policy"]) == {
        "DenyWithoutTls": {
            "Sid": "DenyWithoutTls",
            "Effect": "Deny",
            "Principal": "*",
            "Action": ["sqs:*"],
            "Resource": [queue_arn(env)],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
    }


def through_kinesis(env: str) -> dict[str, Any]:
    return {
        "StringEquals": {
            "kms:ViaService": "kinesis.ap-northeast-1.amazonaws.com",
            "kms:EncryptionContext:aws:kinesis:arn": stream_arn(env),
        }
    }


def test_the_producer_can_only_put_on_this_stream(run_layer, statements, env: str) -> None:
    grant = run_layer("streaming", env).one(GRANT, f"kinesis-producer-policy-{env}")
    assert grant["role"] == SECURITY["kinesis_producer_role_name"]
    assert list(statements(grant["policy"]).values()) == [
        {
            "Sid": "Put",
            "Effect": "Allow",
            "Action": [
                "kinesis:PutRecord",
                "kinesis:PutRecords",
                "kinesis:DescribeStreamSummary",
                "kinesis:ListShards",
            ],
            "Resource": [stream_arn(env)],
        },
        {
            "Sid": "EncryptForStream",
            "Effect": "Allow",
            "Action": ["kms:GenerateDataKey"],
            "Resource": [SECURITY["stream_key_arn"]],
            "Condition": through_kinesis(env),
        },
    ]


def test_the_consumer_can_only_read_the_stream_and_send_failures(run_layer, statements, env: str) -> None:
    grant = run_layer("streaming", env).one(GRANT, f"kinesis-policy-{env}")
    assert grant["role"] == SECURITY["kinesis_role_name"]
    by_sid = statements(grant["policy"])
    assert {sid: (statement["Action"], statement["Resource"]) for sid, statement in by_sid.items()} == {
        "Read": (
            [
                "kinesis:DescribeStream",
                "kinesis:DescribeStreamSummary",
                "kinesis:GetRecords",
                "kinesis:GetShardIterator",
                "kinesis:ListShards",
            ],
            [stream_arn(env)],
        ),
        "FanOut": (
            ["kinesis:DescribeStreamConsumer", "kinesis:SubscribeToShard"],
            [f"{stream_arn(env)}/consumer/*"],
        ),
        "List": (["kinesis:ListStreams"], ["*"]),
        "DecryptStream": (["kms:Decrypt"], [SECURITY["stream_key_arn"]]),
        "PutAside": (["sqs:SendMessage"], [queue_arn(env)]),
        "EncryptForQueue": (["kms:GenerateDataKey", "kms:Decrypt"], [SECURITY["telemetry_key_arn"]]),
    }
    assert {statement["Effect"] for statement in by_sid.values()} == {"Allow"}
    assert by_sid["DecryptStream"]["Condition"] == through_kinesis(env)
    assert by_sid["EncryptForQueue"]["Condition"] == {
        "StringEquals": {"kms:ViaService": "sqs.ap-northeast-1.amazonaws.com"}
    }


def test_only_production_protects_stream_and_queue(run_layer) -> None:
    assert run_layer("streaming", "prod").protected == {"kinesis-stream-prod", "dead-letter-queue-prod"}
    assert not run_layer("streaming", "dev").protected


def test_the_stream_uses_the_key_that_security_exports(run_layer) -> None:
    key = "arn:aws:kms:ap-northeast-1:123456789012:key/another"
    run = run_layer("streaming", "dev", upstream={"security": SECURITY | {"stream_key_arn": key}})
    assert run.one(STREAM)["kmsKeyId"] == key


def test_a_preview_works_before_security_is_deployed(run_layer) -> None:
    run = run_layer("streaming", "dev", upstream={"security": {}}, preview=True)
    assert run.one(STREAM)["name"] == "transaction-stream-dev"
    assert not isinstance(run.one(STREAM).get("kmsKeyId"), str)


def test_one_shard_carries_the_default_load() -> None:
    assert shards_needed(1000, 1024) == 1


@pytest.mark.parametrize(
    ("per_minute", "size", "shards"),
    [
        (60_000, 1, 1),  # 1,000 records a second are a shard's limit
        (60_001, 1, 2),
        (60, 1024 * 1024, 1),  # and so is 1 MiB a second
        (60, 1024 * 1024 + 1, 2),
        (600_000, 1024, 10),
    ],
)
def test_shards_follow_records_or_bytes(per_minute: int, size: int, shards: int) -> None:
    assert shards_needed(per_minute, size) == shards


@given(st.integers(1, 10**7), st.integers(1, 1024 * 1024))
def test_one_shard_fewer_does_not_carry_the_load(per_minute: int, size: int) -> None:
    shards = shards_needed(per_minute, size)

    def is_enough(count: int) -> bool:
        return per_minute <= count * SHARD_RECORDS * 60 and per_minute * size <= count * SHARD_BYTES * 60

    assert is_enough(shards)
    assert shards == 1 or not is_enough(shards - 1)
