"""Describes Kinesis's streams and their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import Setter, Spec, Tagging, keys
from tools.localcloud.schema.validators import Known, arns, between, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

PROVISIONED = {"streamMode": "PROVISIONED"}


def _shards(news: Known) -> str | None:
    if (news.get("streamModeDetails") or PROVISIONED) != PROVISIONED:
        return "streamModeDetails: the local cloud's emulator only has PROVISIONED streams"
    count = news.get("shardCount")
    return None if count is None or count >= 1 else f"shardCount is {count}; AWS takes at least 1"


def _create(ctx: ResourceContext) -> str:
    ctx.call("create_stream", StreamName=ctx.get("name"), ShardCount=ctx.get("shardCount"))
    return ctx.arn("kinesis", f"stream/{ctx.get('name')}")


def _read(ctx: ResourceContext) -> dict[str, Any]:
    return dict(ctx.call("describe_stream_summary", StreamName=_name(ctx))["StreamDescriptionSummary"])


def _retain(ctx: ResourceContext) -> None:
    name, wanted = _name(ctx), ctx.get("retentionPeriod")
    now = _read(ctx)["RetentionPeriodHours"]
    if wanted != now:
        verb = "increase" if wanted > now else "decrease"
        ctx.call(f"{verb}_stream_retention_period", StreamName=name, RetentionPeriodHours=wanted)


def _encrypt(ctx: ResourceContext) -> None:
    name, now = _name(ctx), _read(ctx)
    if ctx.get("encryptionType") == "KMS":
        ctx.call("start_stream_encryption", StreamName=name, EncryptionType="KMS", KeyId=ctx.get("kmsKeyId"))
    elif now.get("EncryptionType", "NONE") != "NONE":
        ctx.call("stop_stream_encryption", StreamName=name, EncryptionType="KMS", KeyId=now["KeyId"])


def _monitor(ctx: ResourceContext) -> None:
    have = set(_read(ctx)["EnhancedMonitoring"][0]["ShardLevelMetrics"])
    wanted = set(ctx.get("shardLevelMetrics") or ())
    for verb, metrics in (("enable", wanted - have), ("disable", have - wanted)):
        if metrics:
            ctx.call(f"{verb}_enhanced_monitoring", StreamName=_name(ctx), ShardLevelMetrics=sorted(metrics))


def _name(ctx: ResourceContext) -> str:
    return ctx.id.rsplit("/", 1)[-1]


def _put_policy(ctx: ResourceContext) -> str:
    ctx.create("put_resource_policy")
    return str(ctx.get("resourceArn"))


SPECS = (
    Spec(
        kind="aws:kinesis/stream:Stream",
        client="kinesis",
        required=keys("shardCount"),
        force_new=keys("name streamModeDetails"),
        updatable=keys("shardCount retentionPeriod encryptionType kmsKeyId shardLevelMetrics tags"),
        state_only=keys("enforceConsumerDeletion"),
        outputs=keys("arn"),
        computed=keys("streamModeDetails"),
        defaults={"retentionPeriod": 24, "encryptionType": "NONE", "enforceConsumerDeletion": False},
        unordered=keys("shardLevelMetrics"),
        names={
            "name": "StreamName",
            "arn": "StreamARN",
            "shardCount": "OpenShardCount",
            "retentionPeriod": "RetentionPeriodHours",
            "kmsKeyId": "KeyId",
        },
        response_path={"shardLevelMetrics": "EnhancedMonitoring.0.ShardLevelMetrics"},
        name="name",
        name_limit=128,
        requests=("create_stream", "start_stream_encryption", "enable_enhanced_monitoring"),
        validators=(
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
        delete=lambda ctx: ctx.call(
            "delete_stream", StreamName=_name(ctx), EnforceConsumerDeletion=bool(ctx.get("enforceConsumerDeletion"))
        ),
        setters=(
            Setter(keys("retentionPeriod"), _retain),
            Setter(keys("encryptionType kmsKeyId"), _encrypt),
            Setter(keys("shardLevelMetrics"), _monitor),
            Setter(
                keys("shardCount"),
                lambda ctx: ctx.call(
                    "update_shard_count",
                    StreamName=_name(ctx),
                    TargetShardCount=ctx.get("shardCount"),
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
        required=keys("resourceArn policy"),
        force_new=keys("resourceArn"),
        updatable=keys("policy"),
        documents=keys("policy"),
        names={"resourceArn": "ResourceARN"},
        requests=("put_resource_policy",),
        validators=(policies("policy"), *arns("resourceArn")),
        create=_put_policy,
        read=lambda ctx: {**ctx.call("get_resource_policy", ResourceARN=ctx.id), "ResourceARN": ctx.id},
        delete=lambda ctx: ctx.call("delete_resource_policy", ResourceARN=ctx.id),
        setters=(Setter(keys("policy"), _put_policy, create=False),),
    ),
)
