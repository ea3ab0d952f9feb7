"""The accepted violations and their reasons. A test fails if an exception is no longer needed."""

from dataclasses import dataclass
from fnmatch import fnmatchcase

from shared.policies.rule import Violation


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """Violations of one control that are accepted."""

    control: str
    reason: str
    resource: str = "*"
    """A pattern with `*` for the logical name without suffix, or for `name:Sid` of a violating statement."""
    production: bool = False
    """Whether it also holds for production."""

    def covers(self, violation: Violation) -> bool:
        resource = violation.resource
        name = f"{resource.base_name}:{violation.part}" if violation.part else resource.base_name
        return (
            violation.rule.control == self.control
            and fnmatchcase(name, self.resource)
            and (self.production or not resource.production)
        )


DESTROYABLE = "a development environment holds nothing that is worth keeping"
CHEAP = "costs more, and development has no audit"
KEY_ACTIONS = "AWS documents these actions with a wildcard, and the only resource is this key"
NO_RESOURCES = "AWS does not restrict this action to resources"
OWN_ACCOUNT = "for principals and resources of this account only, whose own policies decide what is allowed"

EXCEPTIONS = (
    # Development.
    Accepted(control="RDS.6", reason=CHEAP),
    Accepted(control="RDS.8", reason=DESTROYABLE),
    Accepted(control="RDS.11", reason=DESTROYABLE),
    Accepted(control="ElastiCache.1", reason=DESTROYABLE),
    Accepted(control="Kinesis.3", reason=CHEAP),
    Accepted(control="KMS.3", reason=DESTROYABLE),
    Accepted(control="CloudWatch.16", reason=CHEAP),
    Accepted(control="TXMON.13", reason=DESTROYABLE),
    Accepted(control="TXMON.16", reason=DESTROYABLE),
    Accepted(control="TXMON.19", reason=DESTROYABLE),
    Accepted(control="TXMON.24", reason=DESTROYABLE),
    Accepted(
        control="SecretsManager.1",
        resource="rds-credentials",
        reason="./inv rotate database rotates it; in production RDS does",
    ),
    # Everywhere.
    Accepted(
        control="EC2.6",
        resource="vpc",
        reason="its flow log is in monitoring's stack, where the same rule requires it",
        production=True,
    ),
    Accepted(
        control="SecretsManager.1",
        resource="redis-auth",
        reason="ElastiCache does not rotate its token: ./inv rotate redis does",
        production=True,
    ),
    Accepted(
        control="IAM.21",
        resource="*kms-key:AccountRoot",
        reason="like KMS's default policy: lets IAM policies grant single actions, and prevents lock-out",
        production=True,
    ),
    *(
        Accepted(control="TXMON.5", resource=f"*kms-key:{statement}", reason=KEY_ACTIONS, production=True)
        for statement in (
            "UseThroughDatabases",
            "UseThroughSecretsManager",
            "CloudWatchLogs",
            "AlarmsToTopic",
            "RdsEventsToTopic",
            "EventBridgeToTopic",
        )
    ),
    Accepted(
        control="TXMON.8",
        resource="telemetry-kms-key:EventBridgeToTopic",
        reason="EventBridge sends no source to KMS; the topic's policy requires aws:SourceArn",
        production=True,
    ),
    Accepted(
        control="SNS.1",
        resource="fallback-topic",
        reason="tells of faults of the key, which would silence it; it has names of alarms and callers, no data",
        production=True,
    ),
    Accepted(control="IAM.21", resource="*-endpoint:OwnAccountOnly", reason=OWN_ACCOUNT, production=True),
    Accepted(control="TXMON.6", resource="*-endpoint:OwnAccountOnly", reason=OWN_ACCOUNT, production=True),
    Accepted(
        control="TXMON.6",
        resource="permissions-boundary:MostThatCanBeGranted",
        reason="a boundary grants nothing: it limits actions, and the grants limit resources",
        production=True,
    ),
    Accepted(
        control="TXMON.6",
        resource="*-vpc-policy:StandInVpc",
        reason="Lambda creates its network interfaces later, and their Describe actions do not support resources",
        production=True,
    ),
    Accepted(control="TXMON.6", resource="kinesis-policy:List", reason=NO_RESOURCES, production=True),
    Accepted(control="TXMON.6", resource="flow-log-delivery:FindGroup", reason=NO_RESOURCES, production=True),
)


def is_accepted(violation: Violation) -> bool:
    return any(exception.covers(violation) for exception in EXCEPTIONS)
