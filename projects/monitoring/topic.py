"""The alerts topic and the one that tells when it fails, their publishers and their subscribers."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from projects.monitoring.config import SUBSCRIBE, Subscription
from shared.contracts import SecurityContract
from shared.iam import allow, deny_without_tls, document
from shared.stack import StackContext


@dataclass(frozen=True)
class Topics:
    """The topics that alarms and rules notify."""

    alerts: aws.sns.Topic
    """Encrypted with the telemetry key."""
    fallback: aws.sns.Topic
    """Without a key, for news of the alerts topic and of keys. A key that is disabled, or whose policy is wrong,
    silences the alerts topic, and CloudWatch may not use a key that AWS manages (Amazon SNS Developer Guide, "Setting
    up Amazon SNS topic encryption")."""


def create_topics(stack: StackContext, security: SecurityContract) -> Topics:
    """Create both topics."""
    return Topics(
        _topic(stack, "alerts-topic", "alerts_topic", security.telemetry_key_arn),
        _topic(stack, "fallback-topic", "fallback_topic", None),
    )


def _topic(stack: StackContext, resource_type: str, name: str, key: Input[str] | None) -> aws.sns.Topic:
    return aws.sns.Topic(
        stack.names.logical(resource_type),
        name=stack.names.physical(name),
        display_name=f"Transactions {stack.suffix}",
        kms_master_key_id=key,
        signature_version=2,  # SHA-256
        tags=stack.name_tag(resource_type),
        opts=stack.opts,
    )


def allow_publishers(
    stack: StackContext, topics: Topics, rule_arns: Sequence[Input[str]], fallback_rule_arns: Sequence[Input[str]]
) -> list[aws.sns.TopicPolicy]:
    """Allow alarms, these rules and RDS to publish, each for this system only.

    The conditions are those of "Example cases for Amazon SNS access control" in the Amazon SNS Developer Guide.
    """
    return [
        _allow_publishers(stack, "alerts-topic", topics.alerts, rule_arns, database_events=True),
        _allow_publishers(stack, "fallback-topic", topics.fallback, fallback_rule_arns, database_events=False),
    ]


def _allow_publishers(
    stack: StackContext,
    resource_type: str,
    topic: aws.sns.Topic,
    rule_arns: Sequence[Input[str]],
    *,
    database_events: bool,
) -> aws.sns.TopicPolicy:
    publish, own_account = ["sns:Publish"], {"aws:SourceAccount": stack.account_id}
    alarms = stack.arn("cloudwatch", f"alarm:{stack.names.alarm('*')}")
    of_rds = allow(
        "DatabaseEvents",
        publish,
        [topic.arn],
        principal={"Service": "events.rds.amazonaws.com"},
        condition={"StringEquals": own_account},
    )
    return aws.sns.TopicPolicy(
        stack.names.logical(f"{resource_type}-policy"),
        arn=topic.arn,
        policy=document(
            allow(
                "Alarms",
                publish,
                [topic.arn],
                principal={"Service": "cloudwatch.amazonaws.com"},
                condition={"StringEquals": own_account, "ArnLike": {"aws:SourceArn": alarms}},
            ),
            *([of_rds] if database_events else []),
            allow(
                "Rules",
                publish,
                [topic.arn],
                principal={"Service": "events.amazonaws.com"},
                condition={"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
            ),
            deny_without_tls(publish, topic.arn),
        ),
        opts=stack.opts,
    )


def subscribe(
    stack: StackContext,
    topics: Topics,
    subscriptions: Sequence[Subscription],
    *,
    paging: Sequence[Input[str]],
    heartbeat: Input[str],
) -> None:
    """Subscribe every address: to what it receives of the alerts topic, and to all of the other.

    `paging` and `heartbeat` are names of alarms. A dead man's switch hears of nothing else than the heartbeat, whose
    lack it reports, and nobody else hears of that.
    """
    if stack.protect and not subscriptions:
        pulumi.log.warn(f"alarms have no subscribers: {SUBSCRIBE}")
    elif stack.protect and not any(each.receives == "heartbeat" for each in subscriptions):
        pulumi.log.warn("nobody hears of it if alarms no longer notify: add a dead man's switch to subscriptions")
    filters = {
        "everything": [{"anything-but": [heartbeat]}, {"exists": False}],  # an event has no alarm's name
        "pages": paging,
        "heartbeat": [heartbeat],
    }
    for subscription in subscriptions:
        # Named by endpoint, not by position: SNS returns the existing subscription for an endpoint it knows, so
        # a changed position would make two resources of one subscription, and deleting one would end both.
        aws.sns.TopicSubscription(
            stack.names.logical(f"alerts-subscription-{subscription.name}"),
            topic=topics.alerts.arn,
            protocol=subscription.protocol,
            endpoint=Output.secret(subscription.endpoint),
            # CloudWatch names the alarm in the message's body (Amazon SNS Developer Guide, "Message filtering").
            filter_policy=Output.json_dumps({"AlarmName": filters[subscription.receives]}),
            filter_policy_scope="MessageBody",
            opts=stack.opts,
        )
        if subscription.receives != "heartbeat":
            aws.sns.TopicSubscription(
                stack.names.logical(f"fallback-subscription-{subscription.name}"),
                topic=topics.fallback.arn,
                protocol=subscription.protocol,
                endpoint=Output.secret(subscription.endpoint),
                opts=stack.opts,
            )
