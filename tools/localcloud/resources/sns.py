"""SNS: topics, their policies and subscriptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import FLAG, NUMBER, Setter, Spec, Tagging, words
from tools.localcloud.schema.validators import one_of, policies

if TYPE_CHECKING:
    from tools.localcloud.schema.lifecycle import Operation

TOPIC = "displayName kmsMasterKeyId policy deliveryPolicy signatureVersion tracingConfig contentBasedDeduplication"
SUBSCRIPTION = "filterPolicy filterPolicyScope rawMessageDelivery redrivePolicy deliveryPolicy subscriptionRoleArn"


def _topic(op: Operation) -> dict[str, Any]:
    found = dict(op.call("get_topic_attributes", TopicArn=op.id)["Attributes"])
    return found | {"Name": op.id.rsplit(":", 1)[-1], "Arn": found["TopicArn"]}


def _set(call: str, target: str, keys: str) -> Setter:
    def run(op: Operation) -> None:
        for name, value in op.encoded(words(keys) & op.changed).items():
            op.call(call, **{target: op.id}, AttributeName=name, AttributeValue=str(value))

    return Setter(keys, run, create=False)


def _put_policy(op: Operation) -> str:
    topic = op.want("arn")
    op.call("set_topic_attributes", TopicArn=topic, AttributeName="Policy", AttributeValue=op.want("policy"))
    return str(topic)


def _reset_policy(op: Operation) -> None:
    """What AWS gives a new topic: everything for its owner."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:Receive"],
        "Resource": op.id,
        "Condition": {"StringEquals": {"AWS:SourceOwner": op.account}},
    }
    policy = json.dumps({"Version": "2008-10-17", "Statement": [statement]})
    op.call("set_topic_attributes", TopicArn=op.id, AttributeName="Policy", AttributeValue=policy)


def _subscribe(op: Operation) -> str:
    made = op.call(
        "subscribe",
        TopicArn=op.want("topic"),
        Protocol=op.want("protocol"),
        Endpoint=op.want("endpoint"),
        Attributes=op.attributes(words(SUBSCRIPTION)),
        ReturnSubscriptionArn=True,
    )
    return str(made["SubscriptionArn"])


SPECS = (
    Spec(
        kind="aws:sns/topic:Topic",
        client="sns",
        fixed="name namePrefix fifoTopic",
        mutable=f"{TOPIC} tags",
        outputs="arn owner",
        computed="signatureVersion tracingConfig",
        ceded="policy",
        documents="policy deliveryPolicy",
        codecs={"signatureVersion": NUMBER, "fifoTopic": FLAG, "contentBasedDeduplication": FLAG},
        name="name",
        limit=256,
        checks=(
            policies("policy"),
            one_of("signatureVersion", 1, 2),
            one_of("tracingConfig", "PassThrough", "Active"),
        ),
        create=lambda op: str(
            op.call("create_topic", Name=op.physical_name(), Attributes=op.attributes(op.spec.on_create - {"name"}))[
                "TopicArn"
            ]
        ),
        read=_topic,
        delete=lambda op: op.call("delete_topic", TopicArn=op.id),
        setters=(_set("set_topic_attributes", "TopicArn", TOPIC),),
        tagging=Tagging(
            target="ResourceArn",
            add="tag_resource",
            remove="untag_resource",
            read="list_tags_for_resource",
            of=lambda op: op.id,
        ),
    ),
    Spec(
        kind="aws:sns/topicPolicy:TopicPolicy",
        client="sns",
        fixed="arn!",
        mutable="policy!",
        outputs="owner",
        documents="policy",
        unique=True,
        checks=(policies("policy"),),
        create=_put_policy,
        read=_topic,
        delete=_reset_policy,
        setters=(Setter("policy", _put_policy, create=False),),
    ),
    Spec(
        kind="aws:sns/topicSubscription:TopicSubscription",
        client="sns",
        fixed="topic! protocol! endpoint!",
        mutable=SUBSCRIPTION,
        outputs="arn ownerId pendingConfirmation confirmationWasAuthenticated",
        defaults={"rawMessageDelivery": False},
        computed="filterPolicyScope",
        documents="filterPolicy redrivePolicy deliveryPolicy",
        names={"topic": "TopicArn", "arn": "SubscriptionArn", "ownerId": "Owner"},
        codecs=dict.fromkeys(("rawMessageDelivery", "pendingConfirmation", "confirmationWasAuthenticated"), FLAG),
        create=_subscribe,
        read=lambda op: op.call("get_subscription_attributes", SubscriptionArn=op.id)["Attributes"],
        delete=lambda op: op.call("unsubscribe", SubscriptionArn=op.id),
        setters=(_set("set_subscription_attributes", "SubscriptionArn", SUBSCRIPTION),),
    ),
)
