"""The names of all resources.

A logical name, which is also the `Name` tag, is `{resource-type}-{suffix}`, as in `vpc-dev`. A resource has a
physical name of ours if people, policies or applications type it; Pulumi names all others.
"""

import re
from dataclasses import dataclass

SUFFIX = re.compile(r"[a-z](-?[a-z0-9])*")
"""Lower case and single hyphens, which RDS identifiers and replication group ids both accept."""


@dataclass(frozen=True)
class PhysicalName:
    """A pattern with `{suffix}`, and how many characters AWS allows in the name."""

    pattern: str
    limit: int

    def format(self, suffix: str) -> str:
        """Return the name in the environment with a suffix."""
        return self.pattern.format(suffix=suffix)

    @property
    def longest_suffix(self) -> int:
        """The length of the longest suffix that fits."""
        return self.limit - len(self.format(""))


PHYSICAL = {
    # Limits: the API reference of each service, at the parameter for the name.
    "vpc_flow_log_group": PhysicalName("/aws/transaction-monitoring/{suffix}/flow-logs", 512),
    "log_group": PhysicalName("/aws/transaction-monitoring/{suffix}", 512),
    "processing_log_group": PhysicalName("/aws/transaction-monitoring/{suffix}/processing", 512),
    "redis_log_group": PhysicalName("/aws/elasticache/redis-{suffix}", 512),
    "rds_log_group": PhysicalName("/aws/rds/instance/txdb-{suffix}", 400),  # the log type is appended
    "data_key_alias": PhysicalName("alias/transaction-monitoring-{suffix}", 256),
    "stream_key_alias": PhysicalName("alias/transaction-monitoring-{suffix}/stream", 256),
    "secrets_key_alias": PhysicalName("alias/transaction-monitoring-{suffix}/secrets", 256),
    "telemetry_key_alias": PhysicalName("alias/transaction-monitoring-{suffix}/telemetry", 256),
    "consumer_role": PhysicalName("kinesis-role-{suffix}", 64),
    "migrator_role": PhysicalName("processing-migrator-role-{suffix}", 64),
    "producer_role": PhysicalName("kinesis-producer-role-{suffix}", 64),
    "rds_monitoring_role": PhysicalName("rds-monitoring-role-{suffix}", 64),
    "flow_log_role": PhysicalName("flow-log-role-{suffix}", 64),
    "backup_role": PhysicalName("backup-role-{suffix}", 64),
    "backup_permissions": PhysicalName("backup-permissions-{suffix}", 128),
    "permissions_boundary": PhysicalName("permissions-boundary-{suffix}", 128),
    "db_secret": PhysicalName("rds-credentials-{suffix}", 512),
    "redis_secret": PhysicalName("redis-auth-{suffix}", 512),
    "kinesis_stream": PhysicalName("transaction-stream-{suffix}", 128),
    "dead_letter_queue": PhysicalName("transaction-dead-letters-{suffix}", 80),
    "rds_instance": PhysicalName("txdb-{suffix}", 63),
    "redis": PhysicalName("redis-{suffix}", 40),
    "consumer_function": PhysicalName("transaction-consumer-{suffix}", 64),
    "migrator_function": PhysicalName("transaction-migrator-{suffix}", 64),
    "console_function": PhysicalName("transaction-console-{suffix}", 64),
    "alerts_topic": PhysicalName("transaction-alerts-{suffix}", 256),
    "fallback_topic": PhysicalName("transaction-alerts-fallback-{suffix}", 256),
    "dashboard": PhysicalName("transaction-monitoring-{suffix}", 255),
    "alarm": PhysicalName("transaction-monitoring-{suffix}", 200),  # the alarm's name is appended
}

LONGEST_SUFFIX = min(name.longest_suffix for name in PHYSICAL.values())

HEARTBEAT = "heartbeat"
"""The alarm that begins and ends every hour to show that alarms notify. It rings although all is well."""


@dataclass(frozen=True)
class Names:
    """The names of one environment.

    Raises:
        ValueError: AWS would refuse a name with the suffix.
    """

    suffix: str

    def __post_init__(self) -> None:
        if not SUFFIX.fullmatch(self.suffix):
            raise ValueError(
                f"{self.suffix!r} must be lower-case letters, digits and single hyphens, beginning with a letter"
                " and not ending with a hyphen"
            )
        if len(self.suffix) > LONGEST_SUFFIX:
            raise ValueError(
                f"{self.suffix!r} has {len(self.suffix)} characters; at most {LONGEST_SUFFIX} are allowed"
            )

    def logical(self, resource_type: str) -> str:
        """Return a logical name: `vpc-dev` for `vpc`."""
        return f"{resource_type}-{self.suffix}"

    def physical(self, key: str) -> str:
        """Return the physical name for a key of `PHYSICAL`."""
        return PHYSICAL[key].format(self.suffix)

    def alarm(self, name: str) -> str:
        """Return an alarm's name, `transaction-monitoring-dev/stream-unread`, or a pattern for `*`.

        The slash keeps the pattern from matching alarms of an environment named `dev-2`.
        """
        return f"{self.physical('alarm')}/{name}"
