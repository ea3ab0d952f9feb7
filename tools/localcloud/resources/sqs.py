"""SQS: queues and their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import FLAG, NUMBER, Setter, Spec, Tagging, words
from tools.localcloud.schema.validators import between, json_text, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation

ATTRIBUTES = (
    "delaySeconds maxMessageSize messageRetentionSeconds receiveWaitTimeSeconds visibilityTimeoutSeconds "
    "kmsMasterKeyId kmsDataKeyReusePeriodSeconds sqsManagedSseEnabled redrivePolicy redriveAllowPolicy policy "
    "contentBasedDeduplication deduplicationScope fifoThroughputLimit"
)


def _attributes(op: Operation) -> dict[str, Any]:
    found = dict(op.call("get_queue_attributes", QueueUrl=op.id, AttributeNames=["All"])["Attributes"])
    return found | {"Url": op.id, "QueueUrl": op.id, "Name": found["QueueArn"].rsplit(":", 1)[-1]}


def _create(op: Operation) -> str:
    given = op.spec.on_create - {"name"}
    return str(op.call("create_queue", QueueName=op.physical_name(), Attributes=op.attributes(given))["QueueUrl"])


def _change(op: Operation) -> None:
    changed = op.encoded(words(ATTRIBUTES) & op.changed)
    op.call("set_queue_attributes", QueueUrl=op.id, Attributes={key: str(value) for key, value in changed.items()})


def _put_policy(op: Operation) -> str:
    op.call("set_queue_attributes", QueueUrl=op.want("queueUrl"), Attributes={"Policy": op.want("policy")})
    return str(op.want("queueUrl"))


SPECS = (
    Spec(
        kind="aws:sqs/queue:Queue",
        client="sqs",
        fixed="name namePrefix fifoQueue",
        mutable=f"{ATTRIBUTES} tags",
        outputs="arn url",
        computed="maxMessageSize sqsManagedSseEnabled kmsDataKeyReusePeriodSeconds redrivePolicy "
        "redriveAllowPolicy deduplicationScope fifoThroughputLimit",
        ceded="policy",
        defaults={
            "delaySeconds": 0,
            "messageRetentionSeconds": 345600,
            "receiveWaitTimeSeconds": 0,
            "visibilityTimeoutSeconds": 30,
        },
        documents="policy redrivePolicy redriveAllowPolicy",
        names={
            "arn": "QueueArn",
            "maxMessageSize": "MaximumMessageSize",
            "messageRetentionSeconds": "MessageRetentionPeriod",
            "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
            "visibilityTimeoutSeconds": "VisibilityTimeout",
        },
        codecs=dict.fromkeys(
            (
                "delaySeconds",
                "maxMessageSize",
                "messageRetentionSeconds",
                "receiveWaitTimeSeconds",
                "visibilityTimeoutSeconds",
                "kmsDataKeyReusePeriodSeconds",
            ),
            NUMBER,
        )
        | dict.fromkeys(("fifoQueue", "contentBasedDeduplication", "sqsManagedSseEnabled"), FLAG),
        name="name",
        limit=80,
        checks=(
            policies("policy"),
            json_text("redrivePolicy"),
            between("messageRetentionSeconds", 60, 1209600),
            between("visibilityTimeoutSeconds", 0, 43200),
            between("kmsDataKeyReusePeriodSeconds", 60, 86400),
        ),
        create=_create,
        read=_attributes,
        delete=lambda op: op.call("delete_queue", QueueUrl=op.id),
        setters=(Setter(ATTRIBUTES, _change, create=False),),
        tagging=Tagging(
            target="QueueUrl",
            add="tag_queue",
            remove="untag_queue",
            read="list_queue_tags",
            pair=None,
            of=lambda op: op.id,
        ),
    ),
    Spec(
        kind="aws:sqs/queuePolicy:QueuePolicy",
        client="sqs",
        fixed="queueUrl!",
        mutable="policy!",
        documents="policy",
        unique=True,
        checks=(policies("policy"),),
        create=_put_policy,
        read=lambda op: found if (found := _attributes(op)).get("Policy") else None,
        delete=lambda op: op.call("set_queue_attributes", QueueUrl=op.id, Attributes={"Policy": ""}),
        setters=(Setter("policy", _put_policy, create=False),),
    ),
)
