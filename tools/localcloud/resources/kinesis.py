"""Kinesis: streams and their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging
from tools.localcloud.schema.validators import Known, between, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation

PROVISIONED = {"streamMode": "PROVISIONED"}


def _shards(news: Known) -> str | None:
    if (news.get("streamModeDetails") or PROVISIONED) != PROVISIONED:
        return "streamModeDetails: the local cloud's emulator only has PROVISIONED streams"
    count = news.get("shardCount")
    return None if count is None or count >= 1 else f"shardCount is {count}; AWS takes at least 1"


def _create(op: Operation) -> str:
    op.call("create_stream", StreamName=op.want("name"), ShardCount=op.want("shardCount"))
    return op.arn("kinesis", f"stream/{op.want('name')}")


def _read(op: Operation) -> dict[str, Any]:
    return dict(op.call("describe_stream_summary", StreamName=_name(op))["StreamDescriptionSummary"])


def _retain(op: Operation) -> None:
    name, wanted = _name(op), op.want("retentionPeriod")
    now = _read(op)["RetentionPeriodHours"]
    if wanted != now:
        verb = "increase" if wanted > now else "decrease"
        op.call(f"{verb}_stream_retention_period", StreamName=name, RetentionPeriodHours=wanted)


def _encrypt(op: Operation) -> None:
    name, now = _name(op), _read(op)
    if op.want("encryptionType") == "KMS":
        op.call("start_stream_encryption", StreamName=name, EncryptionType="KMS", KeyId=op.want("kmsKeyId"))
    elif now.get("EncryptionType", "NONE") != "NONE":
        op.call("stop_stream_encryption", StreamName=name, EncryptionType="KMS", KeyId=now["KeyId"])


def _name(op: Operation) -> str:
    return op.id.rsplit("/", 1)[-1]


def _put_policy(op: Operation) -> str:
    op.make("put_resource_policy")
    return str(op.want("resourceArn"))


SPECS = (
    Spec(
        kind="aws:kinesis/stream:Stream",
        client="kinesis",
        fixed="name streamModeDetails",
        mutable="shardCount! retentionPeriod encryptionType kmsKeyId shardLevelMetrics tags",
        local="enforceConsumerDeletion",
        outputs="arn",
        computed="streamModeDetails",
        defaults={"retentionPeriod": 24, "encryptionType": "NONE", "enforceConsumerDeletion": False},
        unordered="shardLevelMetrics",
        names={
            "name": "StreamName",
            "arn": "StreamARN",
            "shardCount": "OpenShardCount",
            "retentionPeriod": "RetentionPeriodHours",
            "kmsKeyId": "KeyId",
        },
        lost={"shardLevelMetrics": "the emulator accepts them and never shows them"},
        name="name",
        limit=128,
        checks=(
            between("retentionPeriod", 24, 8760),
            _shards,
            lambda news: (
                "encryptionType KMS needs kmsKeyId"
                if news.get("encryptionType") == "KMS" and news.lacks("kmsKeyId")
                else None
            ),
        ),
        create=_create,
        read=_read,
        delete=lambda op: op.call(
            "delete_stream", StreamName=_name(op), EnforceConsumerDeletion=bool(op.want("enforceConsumerDeletion"))
        ),
        setters=(
            Setter("retentionPeriod", _retain),
            Setter("encryptionType kmsKeyId", _encrypt),
            Setter(
                "shardCount",
                lambda op: op.call(
                    "update_shard_count",
                    StreamName=_name(op),
                    TargetShardCount=op.want("shardCount"),
                    ScalingType="UNIFORM_SCALING",
                ),
                create=False,
            ),
        ),
        tagging=Tagging(
            target="StreamName",
            add="add_tags_to_stream",
            remove="remove_tags_from_stream",
            read="list_tags_for_stream",
            pair=None,
            of=_name,
        ),
    ),
    Spec(
        kind="aws:kinesis/resourcePolicy:ResourcePolicy",
        client="kinesis",
        fixed="resourceArn!",
        mutable="policy!",
        documents="policy",
        names={"resourceArn": "ResourceARN"},
        unique=True,
        checks=(policies("policy"),),
        create=_put_policy,
        read=lambda op: {**op.call("get_resource_policy", ResourceARN=op.id), "ResourceARN": op.id},
        delete=lambda op: op.call("delete_resource_policy", ResourceARN=op.id),
        setters=(Setter("policy", _put_policy, create=False),),
    ),
)
