"""The alerts topic, its publishers and its subscribers."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws
from pulumi import Input, Output

from projects.monitoring.config import SUBSCRIBE, Subscription
from shared.contracts import SecurityContract
from shared.iam import allow, deny_without_tls, document
from shared.stack import StackContext


def create_topic(stack: StackContext, security: SecurityContract) -> aws.sns.Topic:
    """Create the topic, encrypted with the telemetry key."""
    return aws.sns.Topic(
        stack.names.logical("alerts-topic"),
        name=stack.names.physical("alerts_topic"),
        display_name=f"Transactions {stack.suffix}",
        kms_master_key_id=security.telemetry_key_arn,
        signature_version=2,  # SHA-256
        tags=stack.name_tag("alerts-topic"),
        opts=stack.opts,
    )


def allow_publishers(
    stack: StackContext, topic: aws.sns.Topic, rule_arns: Sequence[Input[str]]
) -> aws.sns.TopicPolicy:
    """Allow AWS services to publish, each for this system only (Amazon SNS Developer Guide, "Example cases")."""
    publish, own_account = ["sns:Publish"], {"aws:SourceAccount": stack.account_id}
    alarms = stack.arn("cloudwatch", f"alarm:{stack.names.alarm('*')}")
    return aws.sns.TopicPolicy(
        stack.names.logical("alerts-topic-policy"),
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
        opts=stack.opts,
    )


def subscribe(
    stack: StackContext, topic: aws.sns.Topic, subscriptions: Sequence[Subscription], paging: Sequence[Input[str]]
) -> None:
    """Subscribe every address. A subscription with `paging` receives the alarms `paging` only."""
    if stack.protect and not subscriptions:
        pulumi.log.warn(f"alarms have no subscribers: {SUBSCRIBE}")
    for subscription in subscriptions:
        aws.sns.TopicSubscription(
            # Named by endpoint, not by position: SNS returns the existing subscription for an endpoint it knows, so
            # a changed position would make two resources of one subscription, and deleting one would end both.
            stack.names.logical(f"alerts-subscription-{subscription.name}"),
            topic=topic.arn,
            protocol=subscription.protocol,
            endpoint=Output.secret(subscription.endpoint),
            # CloudWatch names the alarm in the message's body (Amazon SNS Developer Guide, "Message filtering").
            filter_policy=Output.json_dumps({"AlarmName": paging}) if subscription.paging else None,
            filter_policy_scope="MessageBody" if subscription.paging else None,
            opts=stack.opts,
        )
