"""What AWS itself reports: keys and secrets in danger (CloudTrail through EventBridge), and RDS's own events.

The rules on API calls need a CloudTrail trail with management events in the account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.monitoring.config import MonitoringConfig
from shared.contracts import DataContract, SecurityContract
from shared.stack import StackContext

RDS_CATEGORIES = (
    "availability",
    "configuration change",
    "deletion",
    "failover",
    "failure",
    "low storage",
    "maintenance",
)
"""RDS User Guide, "Amazon RDS event categories", for a DB instance."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """An event that somebody must hear of."""

    name: str
    means: str
    source: str
    detail: Mapping[str, Any]
    reads: bool = False
    """Whether the event is a call that only reads: EventBridge leaves those out unless told."""


def rules(
    stack: StackContext, config: MonitoringConfig, security: SecurityContract, data: DataContract
) -> list[Rule]:
    keys = [security.kms_key_arn, security.stream_key_arn, security.secrets_key_arn, security.telemetry_key_arn]
    secrets = Output.all(data.rds_secret_arn, security.redis_secret_arn).apply(
        lambda arns: [identifier for arn in arns for identifier in secret_identifiers(arn)]
    )
    usual = [
        security.kinesis_role_arn,
        *(stack.arn("iam", reader, region="") for reader in config.routine_secret_readers),
    ]
    return [
        Rule(
            name="key-endangered",
            means="A KMS key of the system is disabled, scheduled for deletion, or its policy or a grant changed: a"
            " lost key is lost data. Cancel the deletion or enable the key, then ask who did it.",
            source="aws.kms",
            detail={
                "eventName": ["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "RevokeGrant"],
                "resources": {"ARN": keys},  # of the key, however the caller named it
            },
        ),
        Rule(
            name="secret-endangered",
            means="A database secret is being deleted, its policy changed, or its rotation failed. Restore the"
            " secret, or its policy by deploying security and data; for a failed rotation look at the secret's"
            " rotation status and at RDS's events.",
            source="aws.secretsmanager",
            detail={
                "eventName": ["DeleteSecret", "DeleteResourcePolicy", "PutResourcePolicy", "RotationFailed"],
                "$or": [
                    {"requestParameters": {"secretId": secrets}},
                    {"additionalEventData": {"SecretId": secrets}},  # of a rotation, which nobody requested
                ],
            },
        ),
        Rule(
            name="secret-read",
            means="Somebody other than the consumer and the deployments read a database secret. If nobody knows why,"
            " rotate it: raise its version in security and deploy security, then data.",
            source="aws.secretsmanager",
            detail={
                "eventName": ["GetSecretValue"],
                "requestParameters": {"secretId": secrets},
                # A user, or the root, has no session.
                "userIdentity": {
                    "sessionContext": {
                        "sessionIssuer": {"arn": [{"anything-but": {"wildcard": usual}}, {"exists": False}]}
                    }
                },
            },
            reads=True,
        ),
    ]


def secret_identifiers(arn: str) -> list[str]:
    """What a caller may name a secret, and CloudTrail records as it came: ARN, ARN without its ending, name.

    Secrets Manager ends every ARN with a hyphen and six random characters (API reference, GetSecretValue).
    """
    partial_arn = arn.rpartition("-")[0]
    return [arn, partial_arn, partial_arn.rpartition(":")[2]]


def watch_calls(stack: StackContext, wanted: Sequence[Rule]) -> dict[str, aws.cloudwatch.EventRule]:
    """The rules that find the events, by name; they tell nobody yet."""
    return {each.name: _made(stack, each) for each in wanted}


def _made(stack: StackContext, wanted: Rule) -> aws.cloudwatch.EventRule:
    name = stack.names.logical(f"rule-{wanted.name}")
    return aws.cloudwatch.EventRule(
        name,
        name=name,  # EventBridge takes 64 characters, which Pulumi's random end would pass after a long suffix
        description=wanted.means,
        event_pattern=Output.json_dumps(
            {
                "source": [wanted.source],
                "detail-type": ["AWS API Call via CloudTrail", "AWS Service Event via CloudTrail"],
                "detail": wanted.detail,
            }
        ),
        state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" if wanted.reads else "ENABLED",
        tags=stack.name_tag(f"rule-{wanted.name}"),
        opts=stack.opts,
    )


def tell_of_calls(
    stack: StackContext,
    topic: aws.sns.Topic,
    wanted: Sequence[Rule],
    watching: Mapping[str, aws.cloudwatch.EventRule],
    opts: ResourceOptions,
) -> None:
    """Send each rule's events to the topic, with what they mean."""
    for each in wanted:
        aws.cloudwatch.EventTarget(
            stack.names.logical(f"target-{each.name}"),
            rule=watching[each.name].name,
            target_id="alerts-topic",
            arn=topic.arn,
            input_transformer={
                "input_paths": {
                    "what": "$.detail.eventName",
                    "when": "$.detail.eventTime",
                    "who": "$.detail.userIdentity.arn",
                },
                "input_template": Output.json_dumps(
                    {
                        "event": "<what>",
                        "time": "<when>",
                        "by": "<who>",
                        "environment": stack.suffix,
                        "means": each.means,
                    }
                ),
            },
            opts=opts,
        )


def tell_of_database(stack: StackContext, topic: aws.sns.Topic, data: DataContract, opts: ResourceOptions) -> None:
    aws.rds.EventSubscription(
        stack.names.logical("rds-events"),
        sns_topic=topic.arn,
        source_type="db-instance",
        source_ids=[data.rds_identifier],
        event_categories=list(RDS_CATEGORIES),
        tags=stack.name_tag("rds-events"),
        opts=opts,
    )
