"""The KMS keys: four, so that access to logs gives no access to transactions or passwords."""

from collections.abc import Mapping, Sequence

import pulumi
import pulumi_aws as aws

from projects.security.config import SecurityConfig
from shared.iam import Statement, allow, delegated_to_iam, document
from shared.stack import StackContext

ROTATION_DAYS = 365


class Keys(pulumi.ComponentResource):
    """The keys and their aliases. The data key has the alias of the former single-stack program.

    A key's policy names services only. Its first statement delegates to IAM, which grants people and roles their
    rights, so that no mistake here can lock the account out of a key.
    """

    def __init__(self, stack: StackContext, config: SecurityConfig) -> None:
        super().__init__("txmon:security:Keys", stack.names.logical("keys"), opts=stack.opts)
        self._stack = stack
        self._deletion_days = config.key_deletion_days
        statements = [*_data(stack), *(_copies(config.backup_account) if config.backup_account else ())]
        self.data = self._key(
            "kms", "data_key_alias", "RDS, Redis and their backups", statements, retain=config.retain_data_key
        )
        self.stream = self._key("stream-kms", "stream_key_alias", "the Kinesis stream", ())
        self.secrets = self._key("secrets-kms", "secrets_key_alias", "the secrets", _secrets(stack))
        self.telemetry = self._key(
            "telemetry-kms", "telemetry_key_alias", "log groups, the alerts topic and the queue", _telemetry(stack)
        )
        self.register_outputs({})

    def _key(
        self, kind: str, alias: str, purpose: str, statements: Sequence[Statement], *, retain: bool = False
    ) -> aws.kms.Key:
        stack = self._stack
        options = pulumi.ResourceOptions(parent=self, protect=stack.protect, retain_on_delete=retain)
        key = aws.kms.Key(
            stack.names.logical(f"{kind}-key"),
            description=f"Transaction monitoring {stack.suffix}: {purpose}",
            deletion_window_in_days=self._deletion_days,
            enable_key_rotation=True,
            rotation_period_in_days=ROTATION_DAYS,
            policy=document(delegated_to_iam(stack.arn("iam", "root", region="")), *statements),
            tags=stack.name_tag(f"{kind}-key"),
            opts=options,
        )
        aws.kms.Alias(
            stack.names.logical(f"{kind}-alias"),
            name=stack.names.physical(alias),
            target_key_id=key.key_id,
            opts=pulumi.ResourceOptions(parent=self),
        )
        return key


def _data(stack: StackContext) -> tuple[Statement, ...]:
    through = _only_through(stack, "rds", "elasticache")
    return (
        allow(
            "UseThroughDatabases",
            ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            ["*"],  # the key itself
            principal={"AWS": "*"},  # of this account, through RDS and ElastiCache only (the condition)
            condition={"StringEquals": through},
        ),
        allow(
            "GrantThroughDatabases",
            ["kms:CreateGrant"],
            ["*"],  # the key itself
            principal={"AWS": "*"},  # as above
            condition={"StringEquals": through, "Bool": {"kms:GrantIsForAWSResource": "true"}},
        ),
    )


def _copies(account: str) -> tuple[Statement, ...]:
    """Return what lets another account read its copies (AWS Backup Developer Guide, "Cross-account backup")."""
    other = {"AWS": f"arn:aws:iam::{account}:root"}
    use = ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
    for_resources = {"Bool": {"kms:GrantIsForAWSResource": "true"}}
    return (
        allow("ReadCopies", use, ["*"], principal=other),  # the key itself
        allow("GrantForCopies", ["kms:CreateGrant"], ["*"], principal=other, condition=for_resources),  # as above
    )


def _secrets(stack: StackContext) -> tuple[Statement, ...]:
    return (
        allow(
            "UseThroughSecretsManager",
            ["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKey*", "kms:CreateGrant"],
            ["*"],  # the key itself
            principal={"AWS": "*"},  # of this account, if the secret's own policy allows it
            condition={"StringEquals": _only_through(stack, "secretsmanager")},
        ),
    )


def _telemetry(stack: StackContext) -> tuple[Statement, ...]:
    publish = ["kms:Decrypt", "kms:GenerateDataKey*"]
    own_account = {"aws:SourceAccount": stack.account_id}
    groups = [stack.names.physical(key) for key in ("log_group", "rds_log_group", "redis_log_group")]
    return (
        allow(
            "CloudWatchLogs",
            ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
            ["*"],  # the key itself
            principal={"Service": f"logs.{stack.region}.amazonaws.com"},
            condition={
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        stack.arn("logs", f"log-group:{group}{below}") for group in groups for below in ("", "/*")
                    ]
                }
            },
        ),
        allow(
            "AlarmsToTopic",
            publish,
            ["*"],  # the key itself
            principal={"Service": "cloudwatch.amazonaws.com"},
            condition={
                "StringEquals": own_account,
                "ArnLike": {"aws:SourceArn": stack.arn("cloudwatch", f"alarm:{stack.names.alarm('*')}")},
            },
        ),
        allow(
            "RdsEventsToTopic",
            publish,
            ["*"],  # the key itself
            principal={"Service": "events.rds.amazonaws.com"},
            condition={"StringEquals": own_account},
        ),
        # No condition: EventBridge sends no source to KMS, so a condition would lose the notifications
        # (Amazon SNS Developer Guide, "Enabling compatibility between event sources and encrypted topics").
        allow("EventBridgeToTopic", publish, ["*"], principal={"Service": "events.amazonaws.com"}),
    )


def _only_through(stack: StackContext, *services: str) -> Mapping[str, pulumi.Input[str] | list[str]]:
    return {
        "kms:CallerAccount": stack.account_id,
        "kms:ViaService": [f"{service}.{stack.region}.amazonaws.com" for service in services],
    }
