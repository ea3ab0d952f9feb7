"""Describes SNS's topics, their policies and subscriptions."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tools.localcloud.schema.spec import FLAG, NUMBER, Setter, Spec, Tagging, keys
from tools.localcloud.schema.validators import arns, json_text, length, needs, one_of, policies, word

if TYPE_CHECKING:
    from tools.localcloud.schema.spec import ResourceContext

TOPIC = keys("displayName kmsMasterKeyId signatureVersion")
PROTOCOLS = ("application", "email", "email-json", "firehose", "http", "https", "lambda", "sms", "sqs")
SUBSCRIPTION = keys("filterPolicy filterPolicyScope")


def _topic(ctx: ResourceContext) -> dict[str, Any]:
    found = dict(ctx.call("get_topic_attributes", TopicArn=ctx.id)["Attributes"])
    return found | {"Name": ctx.id.rsplit(":", 1)[-1], "Arn": found["TopicArn"]}


def _set(call: str, target: str, names: frozenset[str]) -> Setter:
    def run(ctx: ResourceContext) -> None:
        for name, value in ctx.arguments(names & ctx.changed).items():
            ctx.call(call, **{target: ctx.id}, AttributeName=name, AttributeValue=str(value))

    return Setter(names, run, create=False)


def _put_policy(ctx: ResourceContext) -> str:
    topic = ctx.get("arn")
    ctx.call("set_topic_attributes", TopicArn=topic, AttributeName="Policy", AttributeValue=ctx.get("policy"))
    return str(topic)


def _reset_policy(ctx: ResourceContext) -> None:
    """Put the policy of a new topic: its owner may do everything."""
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": ["SNS:Publish", "SNS:Subscribe", "SNS:Receive"],
        "Resource": ctx.id,
        "Condition": {"StringEquals": {"AWS:SourceOwner": ctx.account}},
    }
    policy = json.dumps({"Version": "2008-10-17", "Statement": [statement]})
    ctx.call("set_topic_attributes", TopicArn=ctx.id, AttributeName="Policy", AttributeValue=policy)


def _subscribe(ctx: ResourceContext) -> str:
    made = ctx.call(
        "subscribe",
        TopicArn=ctx.get("topic"),
        Protocol=ctx.get("protocol"),
        Endpoint=ctx.get("endpoint"),
        Attributes=ctx.attributes(SUBSCRIPTION),
        ReturnSubscriptionArn=True,
    )
    return str(made["SubscriptionArn"])


SPECS = (
    Spec(
        kind="aws:sns/topic:Topic",
        client="sns",
        force_new=keys("name"),
        updatable=TOPIC | {"tags"},
        outputs=keys("arn owner"),
        computed=keys("signatureVersion"),
        codecs={"signatureVersion": NUMBER},
        name="name",
        name_limit=256,
        validators=(
            one_of("signatureVersion", 1, 2),
            word("name", 256),
            length("displayName", 0, 100),
        ),
        create=lambda ctx: str(
            ctx.call("create_topic", Name=ctx.get("name"), Attributes=ctx.attributes(TOPIC))["TopicArn"]
        ),
        read=_topic,
        delete=lambda ctx: ctx.call("delete_topic", TopicArn=ctx.id),
        setters=(_set("set_topic_attributes", "TopicArn", TOPIC),),
        tagging=Tagging(
            target="ResourceArn", add="tag_resource", remove="untag_resource", read="list_tags_for_resource"
        ),
    ),
    Spec(
        kind="aws:sns/topicPolicy:TopicPolicy",
        client="sns",
        required=keys("arn policy"),
        force_new=keys("arn"),
        updatable=keys("policy"),
        outputs=keys("owner"),
        documents=keys("policy"),
        validators=(policies("policy"), *arns("arn")),
        create=_put_policy,
        read=_topic,
        delete=_reset_policy,
        setters=(Setter(keys("policy"), _put_policy, create=False),),
    ),
    Spec(
        kind="aws:sns/topicSubscription:TopicSubscription",
        client="sns",
        required=keys("topic protocol endpoint"),
        force_new=keys("topic protocol endpoint"),
        updatable=SUBSCRIPTION,
        outputs=keys("arn ownerId pendingConfirmation confirmationWasAuthenticated"),
        computed=keys("filterPolicyScope"),
        default_with={"filterPolicyScope": ("filterPolicy", "MessageAttributes")},
        documents=keys("filterPolicy"),
        names={"topic": "TopicArn", "arn": "SubscriptionArn", "ownerId": "Owner"},
        codecs={"pendingConfirmation": FLAG, "confirmationWasAuthenticated": FLAG},
        validators=(
            *arns("topic"),
            one_of("protocol", *PROTOCOLS),
            json_text("filterPolicy"),
            needs("filterPolicyScope", "filterPolicy"),
            one_of("filterPolicyScope", "MessageAttributes", "MessageBody"),
        ),
        create=_subscribe,
        read=lambda ctx: ctx.call("get_subscription_attributes", SubscriptionArn=ctx.id)["Attributes"],
        delete=lambda ctx: ctx.call("unsubscribe", SubscriptionArn=ctx.id),
        setters=(_set("set_subscription_attributes", "SubscriptionArn", SUBSCRIPTION),),
    ),
)
