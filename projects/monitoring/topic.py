"""The alerts topic: who may publish to it and who is told."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from projects.monitoring.config import SUBSCRIBE, Subscription
from shared.contracts import SecurityContract
from shared.iam import allow, deny_without_tls, document
from shared.stack import Layer


def alerts_topic(layer: Layer, security: SecurityContract) -> aws.sns.Topic:
    return aws.sns.Topic(
        layer.names.logical("alerts-topic"),
        name=layer.names.physical("alerts_topic"),
        display_name=f"Transactions {layer.suffix}",
        kms_master_key_id=security.telemetry_key_arn,
        signature_version=2,  # SHA-256
        tags=layer.name_tag("alerts-topic"),
        opts=layer.opts,
    )


def admit_publishers(layer: Layer, topic: aws.sns.Topic, rule_arns: Sequence[Input[str]]) -> aws.sns.TopicPolicy:
    """Let AWS's own services publish, each for this system only (Amazon SNS Developer Guide, "Example cases")."""
    publish, own_account = ["sns:Publish"], {"aws:SourceAccount": layer.account_id}
    alarms = layer.arn("cloudwatch", f"alarm:{layer.names.alarm('*')}")
    return aws.sns.TopicPolicy(
        layer.names.logical("alerts-topic-policy"),
        arn=topic.arn,
        policy=document(
            allow(
                "Alarms",
                publish,
                [topic.arn],
                principal={"Service": "cloudwatch.amazonaws.com"},
                condition={"StringEquals": own_account, "ArnLike": {"aws:SourceArn": alarms}},
            ),
            allow(
                "DatabaseEvents",
                publish,
                [topic.arn],
                principal={"Service": "events.rds.amazonaws.com"},
                condition={"StringEquals": own_account},
            ),
            allow(
                "Rules",
                publish,
                [topic.arn],
                principal={"Service": "events.amazonaws.com"},
                condition={"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
            ),
            deny_without_tls(publish, topic.arn),
        ),
        opts=layer.opts,
    )


def subscribe(
    layer: Layer, topic: aws.sns.Topic, subscriptions: Sequence[Subscription], paging_alarm: Input[str]
) -> None:
    """Tell every subscriber; those who are paged only of `paging_alarm`."""
    if layer.protect and not subscriptions:
        pulumi.log.warn(f"nobody is told of alarms: {SUBSCRIBE}")
    for subscription in subscriptions:
        aws.sns.TopicSubscription(
            # Not by position: SNS gives a subscription that exists for one that is asked for again, so that two
            # resources would be one, and the removal of either would be its end.
            layer.names.logical(f"alerts-subscription-{subscription.name}"),
            topic=topic.arn,
            protocol=subscription.protocol,
            endpoint=Output.secret(subscription.endpoint),
            # Amazon SNS Developer Guide, "Message filtering": CloudWatch names the alarm in the message's body.
            filter_policy=Output.json_dumps({"AlarmName": [paging_alarm]}) if subscription.paging else None,
            filter_policy_scope="MessageBody" if subscription.paging else None,
            opts=layer.opts,
        )
