"""Describes SQS's queues and their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import NUMBER, Setter, Spec, Tagging, keys
from tools.localcloud.schema.validators import between, policies, word

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

ATTRIBUTES = keys("messageRetentionSeconds kmsMasterKeyId kmsDataKeyReusePeriodSeconds")


def _attributes(ctx: ResourceContext) -> dict[str, Any]:
    found = dict(ctx.call("get_queue_attributes", QueueUrl=ctx.id, AttributeNames=["All"])["Attributes"])
    return found | {"Url": ctx.id, "QueueUrl": ctx.id, "Name": found["QueueArn"].rsplit(":", 1)[-1]}


def _create(ctx: ResourceContext) -> str:
    response = ctx.call("create_queue", QueueName=ctx.get("name"), Attributes=ctx.attributes(ATTRIBUTES))
    return str(response["QueueUrl"])


def _change(ctx: ResourceContext) -> None:
    changed = ctx.arguments(ATTRIBUTES & ctx.changed)
    ctx.call("set_queue_attributes", QueueUrl=ctx.id, Attributes={key: str(value) for key, value in changed.items()})


def _put_policy(ctx: ResourceContext) -> str:
    ctx.call("set_queue_attributes", QueueUrl=ctx.get("queueUrl"), Attributes={"Policy": ctx.get("policy")})
    return str(ctx.get("queueUrl"))


SPECS = (
    Spec(
        kind="aws:sqs/queue:Queue",
        client="sqs",
        force_new=keys("name"),
        updatable=ATTRIBUTES | {"tags"},
        outputs=keys("arn url"),
        computed=keys("kmsDataKeyReusePeriodSeconds"),
        defaults={"messageRetentionSeconds": 345600},
        names={"arn": "QueueArn", "messageRetentionSeconds": "MessageRetentionPeriod"},
        codecs={"messageRetentionSeconds": NUMBER, "kmsDataKeyReusePeriodSeconds": NUMBER},
        name="name",
        name_limit=80,
        validators=(
            word("name", 80),
            between("messageRetentionSeconds", 60, 1209600),
            between("kmsDataKeyReusePeriodSeconds", 60, 86400),
        ),
        create=_create,
        read=_attributes,
        delete=lambda ctx: ctx.call("delete_queue", QueueUrl=ctx.id),
        setters=(Setter(ATTRIBUTES, _change, create=False),),
        tagging=Tagging(target="QueueUrl", add="tag_queue", remove="untag_queue", read="list_queue_tags", pair=None),
    ),
    Spec(
        kind="aws:sqs/queuePolicy:QueuePolicy",
        client="sqs",
        force_new=keys("queueUrl"),
        updatable=keys("policy"),
        required=keys("queueUrl policy"),
        documents=keys("policy"),
        validators=(policies("policy"),),
        create=_put_policy,
        read=lambda ctx: found if (found := _attributes(ctx)).get("Policy") else None,
        delete=lambda ctx: ctx.call("set_queue_attributes", QueueUrl=ctx.id, Attributes={"Policy": ""}),
        setters=(Setter(keys("policy"), _put_policy, create=False),),
    ),
)
