"""Rules for streams, queues, topics, alarms and logs."""

from shared.policies.documents import QUEUE, STREAM, TOPIC
from shared.policies.network import FLOW_LOG
from shared.policies.resource import Resource
from shared.policies.rule import Rules

RULES = Rules()

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"

STREAM_HOURS = 168
LOG_DAYS = 365
"""The least that Security Hub's Kinesis.3 and CloudWatch.16 accept by default."""


@RULES.on("Kinesis.1", STREAM)
def stream_is_encrypted(stream: Resource) -> str | None:
    """A stream is encrypted at rest with a customer managed key."""
    if stream.get("encryptionType") == "KMS" and stream.has_own_key("kmsKeyId"):
        return None
    return 'set encryption_type="KMS" and kms_key_id to the stream key'


@RULES.on("Kinesis.3", STREAM)
def stream_has_retention(stream: Resource) -> str | None:
    """A stream keeps its records for a week."""
    hours = stream.get("retentionPeriod", 24)
    return f"set retention_period to {STREAM_HOURS} or more" if hours < STREAM_HOURS else None


@RULES.on("SQS.1", QUEUE)
def queue_is_encrypted(queue: Resource) -> str | None:
    """A queue is encrypted at rest with a customer managed key."""
    return None if queue.has_own_key("kmsMasterKeyId") else "set kms_master_key_id to the telemetry key"


@RULES.on("TXMON.31", QUEUE, source="Amazon SQS API Reference, SetQueueAttributes")
def queue_has_retention(queue: Resource) -> str | None:
    """A queue sets how long it keeps messages. The default is four days."""
    return None if queue.get("messageRetentionSeconds") else "set message_retention_seconds"


@RULES.on("SNS.1", TOPIC)
def topic_is_encrypted(topic: Resource) -> str | None:
    """A topic is encrypted at rest with a customer managed key."""
    return None if topic.has_own_key("kmsMasterKeyId") else "set kms_master_key_id to the telemetry key"


@RULES.on("CloudWatch.15", ALARM, COMPOSITE)
def alarm_has_action(alarm: Resource) -> str | None:
    """An alarm has an action."""
    return None if alarm.get("alarmActions") else "set alarm_actions to the alerts topic"


@RULES.on("CloudWatch.16", LOG_GROUP)
def log_group_keeps_a_year(group: Resource) -> str | None:
    """Logs are kept for a year or longer. AWS writes 0 for no end."""
    days = group.get("retentionInDays", 0)
    return f"set retention_in_days to {LOG_DAYS} or more" if 0 < days < LOG_DAYS else None


@RULES.on("CloudWatch.17", ALARM, COMPOSITE)
def alarm_actions_are_enabled(alarm: Resource) -> str | None:
    """An alarm's actions are enabled."""
    return None if alarm.get("actionsEnabled", True) else "set actions_enabled=True"


@RULES.on("TXMON.17", LOG_GROUP, source="CloudWatch Logs User Guide, Working with log groups")
def log_group_has_retention(group: Resource) -> str | None:
    """A log group sets how long it keeps events. By default they never expire."""
    return None if group.get("retentionInDays") else "set retention_in_days"


@RULES.on("TXMON.18", LOG_GROUP, source="CloudWatch Logs User Guide, Encrypt log data using AWS KMS")
def log_group_is_encrypted(group: Resource) -> str | None:
    """A log group is encrypted with a customer managed key."""
    return None if group.has_own_key("kmsKeyId") else "set kms_key_id to the telemetry key"


@RULES.on("TXMON.19", LOG_GROUP, source="CloudWatch Logs API Reference, PutLogGroupDeletionProtection")
def log_group_has_deletion_protection(group: Resource) -> str | None:
    """A log group has deletion protection."""
    return None if group.get("deletionProtectionEnabled") else "set deletion_protection_enabled=True"


@RULES.on("TXMON.20", FLOW_LOG, source="Amazon VPC User Guide, Flow log records")
def flow_log_interval_is_one_minute(flow_log: Resource) -> str | None:
    """A flow log aggregates over one minute, not over ten."""
    return None if flow_log.get("maxAggregationInterval") == 60 else "set max_aggregation_interval=60"  # noqa: PLR2004


@RULES.on("TXMON.26", FLOW_LOG, source="Security Hub's EC2.6, which asks for rejected traffic")
def flow_log_records_rejected_traffic(flow_log: Resource) -> str | None:
    """A flow log records at least rejected traffic."""
    return None if flow_log.get("trafficType") in {"ALL", "REJECT"} else 'set traffic_type="ALL"'


@RULES.on("TXMON.29", SUBSCRIPTION, source="Amazon SNS Developer Guide, Fanout to HTTPS endpoints")
def subscription_uses_https(subscription: Resource) -> str | None:
    """No subscription sends notifications over plain HTTP."""
    return 'set protocol="https"' if subscription.get("protocol") == "http" else None
