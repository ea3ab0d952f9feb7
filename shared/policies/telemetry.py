"""The stream, the queue, and what watches them: encrypted, kept long enough, and heard by somebody."""

from shared.policies.documents import QUEUE, STREAM, TOPIC
from shared.policies.network import FLOW_LOG
from shared.policies.rule import Resource, Rules

RULES = Rules()

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
COMPOSITE = "aws:cloudwatch/compositeAlarm:CompositeAlarm"

SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"

STREAM_HOURS = 168
LOG_DAYS = 365


@RULES.on("Kinesis.1", STREAM)
def stream_is_encrypted(stream: Resource) -> str | None:
    """A stream is encrypted at rest, with our key."""
    if stream.get("encryptionType") == "KMS" and stream.has_own_key("kmsKeyId"):
        return None
    return 'set encryption_type="KMS" and kms_key_id to the stream key'


@RULES.on("Kinesis.3", STREAM)
def stream_is_kept(stream: Resource) -> str | None:
    """A stream keeps its records for a week."""
    kept = stream.get("retentionPeriod", 24)
    return f"set retention_period to {STREAM_HOURS} or more" if kept < STREAM_HOURS else None


@RULES.on("SQS.1", QUEUE)
def queue_is_encrypted(queue: Resource) -> str | None:
    """A queue is encrypted at rest, with our key."""
    return None if queue.has_own_key("kmsMasterKeyId") else "set kms_master_key_id to the telemetry key"


@RULES.on("TXMON.31", QUEUE, source="Amazon SQS API Reference, SetQueueAttributes")
def queue_is_kept(queue: Resource) -> str | None:
    """A queue says how long it keeps its messages: unless told, they are gone after four days."""
    return None if queue.get("messageRetentionSeconds") else "set message_retention_seconds"


@RULES.on("SNS.1", TOPIC)
def topic_is_encrypted(topic: Resource) -> str | None:
    """A topic is encrypted at rest, with our key."""
    return None if topic.has_own_key("kmsMasterKeyId") else "set kms_master_key_id to the telemetry key"


@RULES.on("CloudWatch.15", ALARM, COMPOSITE)
def alarm_tells_somebody(alarm: Resource) -> str | None:
    """An alarm tells somebody."""
    return None if alarm.get("alarmActions") else "set alarm_actions to the alerts topic"


@RULES.on("CloudWatch.16", LOG_GROUP)
def logs_are_kept(group: Resource) -> str | None:
    """Logs are kept for a year (0 in AWS's own words: for ever)."""
    days = group.get("retentionInDays", 0)
    return f"set retention_in_days to {LOG_DAYS} or more" if 0 < days < LOG_DAYS else None


@RULES.on("CloudWatch.17", ALARM, COMPOSITE)
def alarm_is_on(alarm: Resource) -> str | None:
    """An alarm's actions are on."""
    return None if alarm.get("actionsEnabled", True) else "set actions_enabled=True"


@RULES.on("TXMON.17", LOG_GROUP, source="CloudWatch Logs User Guide, Working with log groups")
def logs_end(group: Resource) -> str | None:
    """A log group says how long it keeps its events: unless told, they stay and are billed for ever."""
    return None if group.get("retentionInDays") else "set retention_in_days"


@RULES.on("TXMON.18", LOG_GROUP, source="CloudWatch Logs User Guide, Encrypt log data using AWS KMS")
def logs_are_encrypted(group: Resource) -> str | None:
    """Logs are encrypted with our key."""
    return None if group.has_own_key("kmsKeyId") else "set kms_key_id to the telemetry key"


@RULES.on("TXMON.19", LOG_GROUP, source="CloudWatch Logs API Reference, PutLogGroupDeletionProtection")
def logs_resist_deletion(group: Resource) -> str | None:
    """AWS refuses to delete the log group."""
    return None if group.get("deletionProtectionEnabled") else "set deletion_protection_enabled=True"


@RULES.on("TXMON.20", FLOW_LOG, source="Amazon VPC User Guide, Flow log records")
def flow_log_is_prompt(flow_log: Resource) -> str | None:
    """A flow log tells of a minute, not of ten."""
    return None if flow_log.get("maxAggregationInterval") == 60 else "set max_aggregation_interval=60"  # noqa: PLR2004


@RULES.on("TXMON.26", FLOW_LOG, source="Security Hub's EC2.6, of the traffic that it asks for")
def flow_log_sees_what_was_refused(flow_log: Resource) -> str | None:
    """A flow log records at least what was refused."""
    return None if flow_log.get("trafficType") in {"ALL", "REJECT"} else 'set traffic_type="ALL"'


@RULES.on("TXMON.29", SUBSCRIPTION, source="Amazon SNS Developer Guide, Fanout to HTTPS endpoints")
def told_over_tls(subscription: Resource) -> str | None:
    """Nobody is told in plain text over the internet."""
    return 'set protocol="https"' if subscription.get("protocol") == "http" else None
