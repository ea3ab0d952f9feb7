"""Notifications of API calls that endanger keys, secrets, the data or its watch, and of RDS events.

EventBridge receives API calls only if the account has a CloudTrail trail with management events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pulumi_aws as aws
from pulumi import Output, ResourceOptions

from projects.monitoring.config import MonitoringConfig
from projects.monitoring.topic import Topics, allow_publishers
from shared.contracts import DataContract, SecurityContract, StreamingContract
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


CALLS = ("AWS API Call via CloudTrail", "AWS Service Event via CloudTrail")
CALL = {"what": "$.detail.eventName", "when": "$.detail.eventTime", "who": "$.detail.userIdentity.arn"}
JOBS = ("Backup Job State Change", "Copy Job State Change")
JOB = {"what": "$.detail-type", "when": "$.time", "who": "$.detail.iamRoleArn"}
"""Where an event has what a notification says (AWS Backup Developer Guide, "Monitoring AWS Backup events")."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Rule:
    """An API call, or a job of AWS Backup, to notify on."""

    name: str
    runbook: str
    source: str
    detail: Mapping[str, Any]
    types: Sequence[str] = CALLS
    paths: Mapping[str, str] = field(default_factory=lambda: CALL)
    read_only: bool = False
    """Whether the call only reads: EventBridge skips such calls unless the rule's state asks for them."""
    fallback: bool = False
    """Whether the call may end the alerts topic's work, so that the event takes the topic that needs no key."""

    def logical_name(self, stack: StackContext) -> str:
        return stack.names.logical(f"rule-{self.name}")


def api_call_rules(
    stack: StackContext,
    config: MonitoringConfig,
    security: SecurityContract,
    streaming: StreamingContract,
    data: DataContract,
) -> list[Rule]:
    """Describe every rule on API calls."""
    return [
        *_key_and_secret_rules(stack, config, security, data),
        *_data_rules(stack, streaming, data),
        *_watch_rules(stack),
    ]


def _key_and_secret_rules(
    stack: StackContext, config: MonitoringConfig, security: SecurityContract, data: DataContract
) -> list[Rule]:
    """Describe the rules on calls that endanger a key or secret, and on reads of a secret by others than usual."""
    keys = [security.kms_key_arn, security.stream_key_arn, security.secrets_key_arn, security.telemetry_key_arn]
    secrets = Output.all(data.rds_secret_arn, security.redis_secret_arn).apply(
        lambda arns: [identifier for arn in arns for identifier in secret_identifiers(arn)]
    )
    usual_readers = [
        security.kinesis_role_arn,
        security.migrator_role_arn,
        *(stack.arn("iam", reader, region="") for reader in config.routine_secret_readers),
    ]
    return [
        Rule(
            name="key-endangered",
            runbook="A KMS key of the system is disabled, scheduled for deletion, or its policy or a grant changed: a"
            " lost key is lost data. Cancel the deletion or enable the key, then ask who did it.",
            source="aws.kms",
            detail={
                "eventName": ["DisableKey", "ScheduleKeyDeletion", "PutKeyPolicy", "RevokeGrant"],
                "resources": {"ARN": keys},  # CloudTrail resolves the name that the caller used
            },
            fallback=True,
        ),
        Rule(
            name="secret-endangered",
            runbook="A database secret is being deleted, its policy changed, or its rotation failed. Restore the"
            " secret, or its policy by deploying security and data; for a failed rotation look at the secret's"
            " rotation status and at RDS's events.",
            source="aws.secretsmanager",
            detail={
                "eventName": ["DeleteSecret", "DeleteResourcePolicy", "PutResourcePolicy", "RotationFailed"],
                "$or": [
                    {"requestParameters": {"secretId": secrets}},
                    {"additionalEventData": {"SecretId": secrets}},  # a rotation has no request
                ],
            },
        ),
        Rule(
            name="secret-read",
            runbook="Somebody other than the consumer and routineSecretReaders read a database secret. If nobody"
            " knows why, rotate it: ./inv rotate database or ./inv rotate redis.",
            source="aws.secretsmanager",
            detail={
                "eventName": ["GetSecretValue"],
                "requestParameters": {"secretId": secrets},
                # A user or the root has no session issuer.
                "userIdentity": {
                    "sessionContext": {
                        "sessionIssuer": {"arn": [{"anything-but": {"wildcard": usual_readers}}, {"exists": False}]}
                    }
                },
            },
            read_only=True,
        ),
    ]


def _data_rules(stack: StackContext, streaming: StreamingContract, data: DataContract) -> list[Rule]:
    """Describe the rules on what deletes transactions or backups, loses a copy, or ends the stream's encryption."""
    streams = {"streamName": [streaming.kinesis_stream_name], "streamARN": [streaming.kinesis_stream_arn]}
    return [
        Rule(
            name="stream-endangered",
            runbook="The stream of transactions is being deleted, shortens its retention or stops encrypting. Deploy"
            " streaming to restore its settings; a deleted stream's records are lost, so ask the producers to send"
            " again.",
            source="aws.kinesis",
            detail={
                "eventName": ["DeleteStream", "StopStreamEncryption", "DecreaseStreamRetentionPeriod"],
                "$or": [{"requestParameters": {name: value}} for name, value in streams.items()],
            },
        ),
        Rule(
            name="backup-endangered",
            runbook="A snapshot or the automated backups of PostgreSQL are being deleted. Make a snapshot now, then"
            " ask who did it.",
            source="aws.rds",
            detail={
                "eventName": ["DeleteDBSnapshot", "DeleteDBInstanceAutomatedBackup"],
                # The requests name the snapshot or the backup; the answers name the instance.
                "responseElements": {"dBInstanceIdentifier": [data.rds_identifier]},
            },
        ),
        Rule(
            name="copy-failed",
            runbook="A backup of PostgreSQL, or its copy to another region or account, failed: the newest copy is six"
            " hours older than it should be. `aws backup list-copy-jobs --by-state FAILED` says why.",
            source="aws.backup",
            types=JOBS,
            paths=JOB,
            detail={
                "state": ["ABORTED", "EXPIRED", "FAILED"],
                "resourceArn": [Output.concat(stack.arn("rds", "db:"), data.rds_identifier)],
            },
        ),
    ]


def _watch_rules(stack: StackContext) -> list[Rule]:
    """Describe the rules on calls after which nobody would hear of the others."""
    return [
        Rule(
            name="alarms-endangered",
            runbook="An alarm of the system is being deleted or silenced. Deploy monitoring to restore it, then ask"
            " who did it. A deployment of monitoring that removes an alarm does the same.",
            source="aws.monitoring",
            detail={
                "eventName": ["DeleteAlarms", "DisableAlarmActions"],
                "requestParameters": {"alarmNames": [{"prefix": stack.names.alarm("")}]},
            },
        ),
        Rule(
            name="trail-endangered",
            runbook="A CloudTrail trail of the account stops logging or is being deleted: without one, none of the"
            " rules on API calls notifies. Start it again, then ask who did it.",
            source="aws.cloudtrail",
            detail={"eventName": ["StopLogging", "DeleteTrail"]},
        ),
    ]


def secret_identifiers(arn: str) -> list[str]:
    """Return what a caller may call a secret: its ARN, the ARN without its ending, or its name.

    CloudTrail records the identifier as the caller gave it. Secrets Manager ends every ARN with a hyphen and six
    random characters (API reference, GetSecretValue).
    """
    partial_arn = arn.rpartition("-")[0]
    return [arn, partial_arn, partial_arn.rpartition(":")[2]]


def notify(stack: StackContext, topics: Topics, rules: Sequence[Rule], data: DataContract) -> None:
    """Create the rules, and send their events and RDS's events of the database to the topics."""
    created = {rule: _create_rule(stack, rule) for rule in rules}
    policies = allow_publishers(
        stack,
        topics,
        [resource.arn for rule, resource in created.items() if not rule.fallback],
        [resource.arn for rule, resource in created.items() if rule.fallback],
    )
    # RDS may send a test message as soon as it is subscribed.
    once_allowed = ResourceOptions.merge(stack.opts, ResourceOptions(depends_on=policies))
    for rule, resource in created.items():
        _send_events(stack, topics.fallback if rule.fallback else topics.alerts, rule, resource, once_allowed)
    aws.rds.EventSubscription(
        stack.names.logical("rds-events"),
        sns_topic=topics.alerts.arn,
        source_type="db-instance",
        source_ids=[data.rds_identifier],
        event_categories=list(RDS_CATEGORIES),
        tags=stack.name_tag("rds-events"),
        opts=once_allowed,
    )


def _create_rule(stack: StackContext, rule: Rule) -> aws.cloudwatch.EventRule:
    name = rule.logical_name(stack)
    return aws.cloudwatch.EventRule(
        name,
        name=name,  # with Pulumi's random ending, a long suffix would exceed EventBridge's 64 characters
        description=rule.runbook,
        event_pattern=Output.json_dumps(
            {
                "source": [rule.source],
                "detail-type": list(rule.types),
                "detail": rule.detail,
            }
        ),
        state="ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS" if rule.read_only else "ENABLED",
        tags=stack.name_tag(f"rule-{rule.name}"),
        opts=stack.opts,
    )


def _send_events(
    stack: StackContext, topic: aws.sns.Topic, rule: Rule, resource: aws.cloudwatch.EventRule, opts: ResourceOptions
) -> None:
    """Send the events of a rule to the topic, with the rule's runbook."""
    aws.cloudwatch.EventTarget(
        stack.names.logical(f"target-{rule.name}"),
        rule=resource.name,
        target_id="alerts-topic",
        arn=topic.arn,
        input_transformer={
            "input_paths": rule.paths,
            "input_template": Output.json_dumps(
                {
                    "event": "<what>",
                    "time": "<when>",
                    "by": "<who>",
                    "environment": stack.suffix,
                    "means": rule.runbook,
                }
            ),
        },
        opts=opts,
    )
